//! What a host tells of a tenant.

use std::sync::Arc;

use super::Tenant;
use crate::lifetime::{LeaseInfo, LeaseState};
use crate::url::is_ticket;

impl Tenant {
    /// What is known of the lease.
    pub(crate) fn info(&self) -> LeaseInfo {
        let stay = {
            let room = self.lock();
            (room.stay.gone, room.stay.renewing)
        };
        let state = match stay {
            (Some(_), _) => LeaseState::Expired,
            (None, true) => LeaseState::Renewing,
            (None, false) => LeaseState::Active,
        };
        LeaseInfo {
            state,
            remaining: self.lease.expires().since(self.now()),
            initial: self.policy.initial,
            renew_on_call: self.policy.renew_on_call,
            sponsorship_timeout: self.policy.sponsorship_timeout,
        }
    }

    /// How many sessions hold it, how many calls run on it, how many sponsors it has, and its name if
    /// that is no ticket.
    pub(crate) fn keepers(&self) -> (u32, u32, usize, Option<Arc<str>>) {
        let room = self.lock();
        let extras = room.extras.as_ref();
        let sponsors = extras.map_or(0, |extras| extras.sponsors.len());
        (
            room.stay.holds,
            room.stay.running,
            sponsors,
            extras
                .and_then(|extras| extras.name.clone())
                .filter(|name| !is_ticket(name)),
        )
    }
}
