//! How often a peer may do what costs this side more than the peer.

use std::time::{Duration, Instant};

use crate::limits::Limits;

/// Lets `per_second` things through, after a burst.
///
/// Keeps one instant: when the things seen so far would have been through at the
/// steady rate. What would put it further ahead of now than the burst is refused.
#[derive(Debug, Clone)]
pub(crate) struct Rate {
    interval: Duration,
    ahead: Duration,
    through: Instant,
}

impl Rate {
    /// - `per_second`: zero refuses everything.
    /// - `burst`: how many may come at once.
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let interval = Duration::from_secs(1)
            .checked_div(per_second)
            .unwrap_or(Duration::MAX);
        let ahead = match per_second {
            0 => Duration::ZERO,
            _ => interval.saturating_mul(burst),
        };
        Self {
            interval,
            ahead,
            through: now,
        }
    }

    /// Lets a whole burst through again.
    fn forgive(&mut self, now: Instant) {
        self.through = now;
    }

    /// Counts one more; `false` if that is too much, which is then not counted.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        let next = self.through.max(now).checked_add(self.interval);
        match next {
            Some(next) if next.saturating_duration_since(now) <= self.ahead => {
                self.through = next;
                true
            }
            Some(_) | None => false,
        }
    }
}

/// What the peer may do only so often, and what this side therefore does.
#[derive(Debug)]
pub(super) struct Rates {
    pub(super) cancels: Rate,
    pub(super) pings: Rate,
    pub(super) bad_requests: Rate,
    /// Our own CANCELs: half of what a peer like us takes.
    pub(super) own_cancels: Rate,
}

impl Rates {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        let burst_of_five = |rate: u32| Rate::new(rate, rate.saturating_mul(5), now);
        Self {
            cancels: burst_of_five(limits.cancels_per_second),
            pings: burst_of_five(limits.pings_per_second),
            bad_requests: burst_of_five(limits.bad_requests_per_second),
            own_cancels: burst_of_five(limits.cancels_per_second / 2),
        }
    }
}

impl Rates {
    /// What comes now may have been held up for long, and come all at once.
    pub(super) fn forgive(&mut self, now: Instant) {
        for rate in [&mut self.cancels, &mut self.pings, &mut self.bad_requests] {
            rate.forgive(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let now = Instant::now();
        let mut rate = Rate::new(100, 500, now);
        assert_eq!((0..1000).filter(|_| rate.allow(now)).count(), 500);
        let later = now + Duration::from_millis(100);
        assert_eq!((0..1000).filter(|_| rate.allow(later)).count(), 10);
        let much_later = now + Duration::from_secs(1000);
        assert_eq!((0..1000).filter(|_| rate.allow(much_later)).count(), 500);
    }

    #[test]
    fn a_rate_of_nothing_lets_nothing_through() {
        let now = Instant::now();
        let mut rate = Rate::new(0, 5, now);
        assert!(!rate.allow(now + Duration::from_secs(5)));
    }
}
