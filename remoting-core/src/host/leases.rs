//! What a host keeps, for whom, and why.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::Host;
use crate::connection::Service;
use crate::lifetime::LeaseInfo;
use crate::object::{Tenant, TrackingEvents};

/// An object that a host keeps, and what keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseReport {
    /// The interface that the object was offered through first.
    pub interface: &'static str,
    /// The name that it is marshalled under.
    pub name: Option<String>,
    /// What is known of its lease.
    pub lease: LeaseInfo,
    /// The peers that hold it; one that holds it through several interfaces is there as often.
    pub holders: Vec<String>,
    /// How many calls run on it.
    pub running: usize,
    /// How many sponsors it has.
    pub sponsors: usize,
}

impl Host {
    /// All objects that the host keeps, in no order: what lives, who holds it, and why.
    ///
    /// Takes a look at each, so it is for people and not for loops.
    pub fn leases(&self) -> Vec<LeaseReport> {
        let mut known: HashMap<usize, (Arc<Tenant>, Vec<String>)> = HashMap::new();
        let mut note = |tenant: Arc<Tenant>, holder: Option<String>| {
            let place = Arc::as_ptr(&tenant) as usize;
            let (_, holders) = known.entry(place).or_insert_with(|| (tenant, Vec::new()));
            holders.extend(holder);
        };
        for connection in self.all_connections() {
            for tenant in connection.held() {
                note(tenant, Some(connection.peer().to_string()));
            }
        }
        let registry = &self.0.registry;
        let kept = registry.keeper().tenants();
        for tenant in kept.into_iter().chain(registry.tenants()) {
            note(tenant, None);
        }
        let alive = known.into_values().filter(|(tenant, _)| !tenant.is_gone());
        alive
            .map(|(tenant, holders)| report(&tenant, holders))
            .collect()
    }

    /// What happens to the objects of this host, from now on. (.NET: `TrackingServices`.)
    pub fn tracking(&self) -> TrackingEvents {
        self.0.registry.keeper().tracking().events()
    }
}

fn report(tenant: &Arc<Tenant>, holders: Vec<String>) -> LeaseReport {
    let (_, running, sponsors, name) = tenant.keepers();
    LeaseReport {
        interface: tenant.interface_name(),
        name: name.map(|name| name.to_string()),
        lease: tenant.info(),
        holders,
        running: usize::try_from(running).unwrap_or(usize::MAX),
        sponsors,
    }
}

impl fmt::Display for LeaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.interface)?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        write!(f, ": {:?}", self.lease.state)?;
        match self.lease.remaining {
            Some(left) => write!(f, ", {:.1} s left", left.as_secs_f64())?,
            None => write!(f, ", for ever")?,
        }
        if self.running > 0 {
            write!(f, ", {} running", self.running)?;
        }
        if self.sponsors > 0 {
            write!(f, ", {} sponsors", self.sponsors)?;
        }
        if !self.holders.is_empty() {
            write!(f, ", held by {}", self.holders.join(" and "))?;
        }
        Ok(())
    }
}
