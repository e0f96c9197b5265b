//! Sponsors: who is asked whether an object whose lease is over is to live on.
//!
//! All sponsors of an object are asked at the same time, and the first who gives time
//! renews the lease; the others may give more. One that cannot be reached is asked again
//! until the policy's time for sponsors has passed: being unreachable is no refusal. Each
//! object is asked for in a task of its own, so a sponsor that is silent delays no other.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};

use super::Tenant;
use super::lease::SponsorProxy;
use crate::lifetime::{LeaseInfo, Moment, Stay};
#[cfg(test)]
use crate::planted::{self, Bug};
use crate::proxy::{CallOptions, Proxy, Stub};

/// How long one attempt to ask a sponsor may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Into how many parts the time for sponsors is divided by the attempts.
const ATTEMPTS: u32 = 4;

/// The sponsors of one object.
#[derive(Debug, Default)]
pub(super) struct Sponsors {
    all: Vec<Sponsored>,
    /// How many rounds of asking them have begun.
    rounds: u64,
    /// What ends the last one.
    last: Option<AbortHandle>,
}

/// A round of asking that is to run.
pub(super) struct Begun {
    number: u64,
    /// The one before: who has not answered in it is not waited for.
    before: Option<AbortHandle>,
}

#[derive(Debug, Clone)]
struct Sponsored {
    sponsor: SponsorProxy,
    /// What it gave last.
    last: Duration,
}

impl Sponsors {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Begins a round.
    pub(super) fn begin(&mut self) -> Begun {
        self.rounds = self.rounds.wrapping_add(1);
        Begun {
            number: self.rounds,
            before: self.last.take(),
        }
    }

    /// Notes what ends a round; gives it back if another round has begun meanwhile.
    fn note(&mut self, number: u64, round: AbortHandle) -> Option<AbortHandle> {
        if number != self.rounds {
            return Some(round);
        }
        self.last = Some(round);
        None
    }
}

/// What came of asking a sponsor.
enum Answer {
    Time(Duration),
    Refused,
    Unreachable,
}

impl Tenant {
    /// Registers a sponsor, or changes what it gave last. Tells whether it is registered now.
    ///
    /// - `time`: for how long the lease is renewed at once.
    pub(crate) fn register(
        self: &Arc<Self>,
        sponsor: SponsorProxy,
        time: Option<Duration>,
    ) -> bool {
        if self.policy.sponsorship_timeout.is_zero() {
            return false;
        }
        let most = self
            .keeper
            .upgrade()
            .map_or(0, |keeper| keeper.limits.sponsors_per_object);
        let replaced = {
            let mut room = self.lock();
            if room.stay.gone.is_some() {
                return false;
            }
            let sponsors = &mut room.extras.get_or_insert_default().sponsors.all;
            let known = sponsors.iter().position(|known| known.sponsor == sponsor);
            let last = time.unwrap_or_default();
            let count = sponsors.len();
            let replaced = match known.and_then(|place| sponsors.get_mut(place)) {
                Some(known) => {
                    known.last = last;
                    Some(sponsor)
                }
                None if count >= most => {
                    if let Some(keeper) = self.keeper.upgrade() {
                        keeper.counters.sponsors_per_object.add();
                    }
                    return false;
                }
                None => {
                    sponsors.push(Sponsored { sponsor, last });
                    None
                }
            };
            room.stay.sponsored = true;
            replaced
        };
        drop(replaced);
        if let Some(time) = time {
            self.lease.renew(self.now(), time);
        }
        true
    }

    /// Forgets a sponsor. Tells whether it was one.
    pub(crate) fn unregister(self: &Arc<Self>, sponsor: &SponsorProxy) -> bool {
        let gone = self.forget_sponsors(|known| known == sponsor, |_| {});
        let known = !gone.is_empty();
        drop(gone);
        self.settle(self.now());
        known
    }

    /// Takes sponsors out.
    fn forget_sponsors(
        &self,
        these: impl Fn(&SponsorProxy) -> bool,
        also: impl FnOnce(&mut Stay),
    ) -> Vec<Sponsored> {
        let mut room = self.lock();
        also(&mut room.stay);
        let Some(sponsors) = room.sponsors() else {
            return Vec::new();
        };
        let all = std::mem::take(&mut sponsors.all).into_iter();
        let (gone, left) = all.partition(|known: &Sponsored| these(&known.sponsor));
        sponsors.all = left;
        room.stay.sponsored = !sponsors.all.is_empty();
        gone
    }

    fn all(&self) -> Vec<Sponsored> {
        let mut room = self.lock();
        let known = room.sponsors().map(|sponsors| sponsors.all.clone());
        known.unwrap_or_default()
    }

    /// Takes in that a sponsor gives time.
    fn sponsor_gives(self: &Arc<Self>, sponsor: &SponsorProxy, time: Duration) {
        let now = self.now();
        let most = self.keeper.upgrade();
        let most = most.map_or(Duration::ZERO, |keeper| keeper.limits.lease_renewal);
        self.lease.renew(now, time.min(most));
        {
            let mut room = self.lock();
            room.stay.renewing = false;
            if let Some(sponsors) = room.sponsors() {
                let known = sponsors
                    .all
                    .iter_mut()
                    .find(|known| known.sponsor == *sponsor);
                if let Some(known) = known {
                    known.last = time;
                }
            }
        }
        self.settle(now);
    }

    /// None of those who were asked has given time. Others may have been registered meanwhile.
    fn sponsors_are_silent(self: &Arc<Self>, asked: &[Sponsored]) {
        let silent = |sponsor: &SponsorProxy| asked.iter().any(|asked| asked.sponsor == *sponsor);
        let gone = self.forget_sponsors(silent, |stay| stay.renewing = false);
        drop(gone);
        self.settle(self.now());
    }

    /// A round has ended. If it was cut off, with its runtime, the schedule begins another.
    fn end_round(self: &Arc<Self>, number: u64) {
        let now = self.now();
        let enter = {
            let mut room = self.lock();
            let is_last = room
                .sponsors()
                .is_some_and(|sponsors| sponsors.rounds == number);
            if !is_last || !room.stay.renewing {
                return;
            }
            room.stay.renewing = false;
            room.schedule(now)
        };
        if let (Some(bucket), Some(keeper)) = (enter, self.keeper.upgrade()) {
            keeper.enter(bucket, Arc::clone(self));
        }
    }
}

/// Asks the sponsors of an object whose lease is over.
pub(super) fn ask(tenant: &Arc<Tenant>, begun: Begun) {
    let Begun { number, before } = begun;
    if let Some(before) = before {
        before.abort();
    }
    let Some(keeper) = tenant.keeper.upgrade() else {
        return;
    };
    let runtime = keeper.runtime();
    drop(keeper);
    let round = Round {
        tenant: Arc::clone(tenant),
        number,
    };
    let running = runtime.spawn(round.run()).abort_handle();
    let late = {
        let mut room = tenant.lock();
        room.sponsors()
            .and_then(|sponsors| sponsors.note(number, running))
    };
    if let Some(late) = late {
        late.abort();
    }
}

/// A round of asking. However it ends, its object is not left waiting for it.
struct Round {
    tenant: Arc<Tenant>,
    number: u64,
}

impl Round {
    async fn run(self) {
        let tenant = &self.tenant;
        let asked = tenant.all();
        let renewed = if tenant.policy.is_classic() {
            ask_one_by_one(tenant, asked.clone()).await
        } else {
            ask_all(tenant, &asked).await
        };
        if !renewed {
            tenant.sponsors_are_silent(&asked);
        }
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        self.tenant.end_round(self.number);
    }
}

/// Asks all at once. Tells whether any gave time.
async fn ask_all(tenant: &Arc<Tenant>, sponsors: &[Sponsored]) -> bool {
    let timeout = tenant.policy.sponsorship_timeout;
    let until = tenant.now().after(timeout);
    let mut asked = JoinSet::new();
    for Sponsored { sponsor, .. } in sponsors {
        let (tenant, sponsor) = (Arc::clone(tenant), sponsor.clone());
        asked.spawn(async move {
            let answer = ask_until(&tenant, &sponsor, until, timeout / ATTEMPTS).await;
            match answer {
                Answer::Time(time) => tenant.sponsor_gives(&sponsor, time),
                #[cfg(test)]
                Answer::Refused if planted::is(Bug::SponsorAskedAfterRefusal) => {
                    tenant.lease.renew(tenant.now(), ATTEMPT);
                    return true;
                }
                Answer::Refused => drop(tenant.unregister(&sponsor)),
                Answer::Unreachable => {
                    tracing::warn!(target: "remoting::lease", interface = tenant.interface_name(), "a sponsor could not be reached");
                }
            }
            matches!(answer, Answer::Time(_))
        });
    }
    let mut renewed = false;
    while let Some(answered) = asked.join_next().await {
        renewed |= answered.unwrap_or(false);
    }
    renewed
}

/// Asks the one with the largest last renewal first, and stops at the first that gives time.
async fn ask_one_by_one(tenant: &Arc<Tenant>, mut sponsors: Vec<Sponsored>) -> bool {
    sponsors.sort_by_key(|sponsored| std::cmp::Reverse(sponsored.last));
    for Sponsored { sponsor, .. } in sponsors {
        let within = tenant.policy.sponsorship_timeout.min(ATTEMPT);
        match ask_once(tenant, &sponsor, within).await {
            Answer::Time(time) => {
                tenant.sponsor_gives(&sponsor, time);
                return true;
            }
            Answer::Refused | Answer::Unreachable => drop(tenant.unregister(&sponsor)),
        }
    }
    false
}

/// Asks one again and again while it cannot be reached.
async fn ask_until(
    tenant: &Arc<Tenant>,
    sponsor: &SponsorProxy,
    until: Moment,
    pause: Duration,
) -> Answer {
    loop {
        let now = tenant.now();
        let left = until.since(now).unwrap_or_default();
        if left.is_zero() || tenant.is_gone() {
            return Answer::Unreachable;
        }
        match ask_once(tenant, sponsor, left.min(ATTEMPT)).await {
            Answer::Unreachable => {}
            answer => return answer,
        }
        let next = now.after(pause).min(until);
        let wait = next.since(tenant.now()).unwrap_or_default();
        tokio::time::sleep(wait).await;
    }
}

async fn ask_once(tenant: &Arc<Tenant>, sponsor: &SponsorProxy, within: Duration) -> Answer {
    let Some(keeper) = tenant.keeper.upgrade() else {
        return Answer::Refused;
    };
    if keeper.asking.is_full() {
        keeper.counters.sponsor_calls.add();
    }
    let turn = keeper.asking.take(sponsor.reference().peer());
    let Ok(Some(_turn)) = tokio::time::timeout(within, turn).await else {
        return Answer::Unreachable;
    };
    drop(keeper);
    let info: LeaseInfo = tenant.info();
    let sponsor = sponsor.with(CallOptions::new().deadline(within));
    match sponsor.renewal(info).await {
        Ok(time) if time.is_zero() => Answer::Refused,
        Ok(time) => Answer::Time(time),
        Err(_) => Answer::Unreachable,
    }
}

#[cfg(all(test, feature = "macros"))]
mod tests;
