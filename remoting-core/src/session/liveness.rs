//! Whether the peer is there: HELLO in time, signs of life, bytes taken, and
//! whether anybody still needs the session.

use std::sync::Arc;
use std::time::Instant;

use super::end::End;
use super::time::{after, earliest};
use crate::limits::{Counters, Limits};

/// When what was last heard of the peer.
#[derive(Debug)]
pub(super) struct Liveness {
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    /// Until when HELLO has to come, while it has not.
    hello_by: Option<Instant>,
    heard: Instant,
    /// When it was asked whether it is there, while it has said nothing since.
    asked: Option<Instant>,
    /// Since when bytes wait without any being taken.
    stuck: Option<Instant>,
    /// Since when nobody needs the session, as far as it was looked at, with the
    /// number of requests until then.
    unused: Option<(Instant, u64)>,
    /// When that was last looked at.
    looked: Instant,
    /// Until when there is no connection, and so nothing to be heard.
    suspended: Option<Instant>,
}

/// What the check has to know of the session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) unsent: usize,
    /// Somebody has a call under way, holds an object, or waits.
    pub(super) in_use: bool,
    /// How many requests both sides have made.
    pub(super) requests: u64,
}

impl Liveness {
    pub(super) fn new(limits: &Arc<Limits>, counters: &Arc<Counters>, now: Instant) -> Self {
        Self {
            limits: Arc::clone(limits),
            counters: Arc::clone(counters),
            hello_by: Some(after(now, limits.handshake_time)),
            heard: now,
            asked: None,
            stuck: Some(now),
            unused: None,
            looked: now,
            suspended: None,
        }
    }

    /// There is no connection for now, and none at all after an instant.
    pub(super) fn suspend(&mut self, until: Instant) {
        self.suspended = Some(until);
    }

    /// There is a connection again; `unsent` bytes wait.
    pub(super) fn go_on(&mut self, now: Instant, unsent: usize) {
        self.suspended = None;
        self.on_frame(now);
        self.on_written(now, unsent);
    }

    /// A frame has come.
    pub(super) fn on_frame(&mut self, now: Instant) {
        self.heard = now;
        self.asked = None;
    }

    /// HELLO has come. From now on the peer has to take bytes: before, this side may have let it speak first.
    pub(super) fn on_hello(&mut self) {
        self.hello_by = None;
        self.stuck = self.stuck.map(|_| self.heard);
    }

    /// Bytes were appended to the output.
    pub(super) fn on_append(&mut self, now: Instant) {
        self.stuck.get_or_insert(now);
    }

    /// The kernel took bytes; `unsent` are left.
    pub(super) fn on_written(&mut self, now: Instant, unsent: usize) {
        self.stuck = (unsent > 0).then_some(now);
    }

    /// Looks at the time. `true` asks for a PING.
    pub(super) fn check(&mut self, now: Instant, facts: Facts) -> Result<bool, End> {
        if let Some(until) = self.suspended {
            if until > now {
                return Ok(false);
            }
            self.counters.resume_window.add();
            return Err(End::Away(AWAY_TOO_LONG.to_owned()));
        }
        if self.hello_by.is_some_and(|by| by <= now) {
            self.counters.handshake_time.add();
            return Err(End::HandshakeTimeout);
        }
        if self.hello_by.is_none() {
            self.check_writing(now, facts.unsent)?;
        }
        self.check_use(now, facts)?;
        self.check_signs(now)
    }

    /// Before when nothing is due.
    pub(super) fn next(&self) -> Option<Instant> {
        if self.suspended.is_some() {
            return self.suspended;
        }
        let signs = match (self.hello_by, self.asked) {
            (Some(by), _) => by,
            (None, Some(asked)) => after(asked, self.limits.pong_within),
            (None, None) => after(self.heard, self.limits.ping_after),
        };
        let unused = self.unused.map_or(self.looked, |(since, _)| since);
        earliest([
            Some(signs),
            self.stuck
                .filter(|_| self.hello_by.is_none())
                .map(|since| after(since, self.limits.write_stall)),
            Some(after(unused, self.limits.idle_time)),
        ])
    }

    fn check_writing(&mut self, now: Instant, unsent: usize) -> Result<(), End> {
        if unsent == 0 {
            self.stuck = None;
            return Ok(());
        }
        // What was appended at an unknown time counts from here.
        let since = *self.stuck.get_or_insert(now);
        if after(since, self.limits.write_stall) > now {
            return Ok(());
        }
        self.counters.write_stall.add();
        Err(End::WriteStalled)
    }

    fn check_use(&mut self, now: Instant, facts: Facts) -> Result<(), End> {
        self.looked = now;
        if facts.in_use || self.hello_by.is_some() {
            self.unused = None;
            return Ok(());
        }
        match self.unused {
            Some((since, requests)) if requests == facts.requests => {
                if after(since, self.limits.idle_time) > now {
                    return Ok(());
                }
                self.counters.idle_time.add();
                Err(End::Idle)
            }
            Some(_) | None => {
                self.unused = Some((now, facts.requests));
                Ok(())
            }
        }
    }

    fn check_signs(&mut self, now: Instant) -> Result<bool, End> {
        if self.hello_by.is_some() {
            return Ok(false);
        }
        match self.asked {
            Some(asked) if after(asked, self.limits.pong_within) <= now => {
                self.counters.pong_within.add();
                Err(End::PeerSilent)
            }
            Some(_) => Ok(false),
            None if after(self.heard, self.limits.ping_after) <= now => {
                self.counters.ping_after.add();
                self.asked = Some(now);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

/// What is said of a session whose connection did not come back.
const AWAY_TOO_LONG: &str = "the connection was not made again in time";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const QUIET: Facts = Facts {
        unsent: 0,
        in_use: true,
        requests: 0,
    };

    fn new(now: Instant) -> Liveness {
        Liveness::new(&Arc::default(), &Arc::default(), now)
    }

    /// Jumps from one instant that is due to the next until there is an end.
    fn run(mut liveness: Liveness, start: Instant, facts: Facts) -> (End, Duration, usize) {
        let mut pings = 0;
        loop {
            let now = liveness.next().unwrap();
            match liveness.check(now, facts) {
                Ok(ping) => pings += usize::from(ping),
                Err(end) => return (end, now - start, pings),
            }
        }
    }

    #[test]
    fn a_peer_that_sends_no_hello_is_given_up() {
        let now = Instant::now();
        let (end, waited, pings) = run(new(now), now, QUIET);
        assert_eq!(
            (end, waited, pings),
            (End::HandshakeTimeout, Duration::from_secs(5), 0)
        );
    }

    #[test]
    fn a_peer_that_is_let_speak_first_is_not_taken_for_one_that_takes_no_bytes() {
        let now = Instant::now();
        let limits = Limits {
            handshake_time: Duration::from_secs(30),
            ..Limits::default()
        };
        let waits = Facts { unsent: 7, ..QUIET };
        let new = || Liveness::new(&Arc::new(limits.clone()), &Arc::default(), now);
        let (end, waited, _) = run(new(), now, waits);
        assert_eq!(
            (end, waited),
            (End::HandshakeTimeout, limits.handshake_time)
        );
        // Once it has spoken, it has the time that others have.
        let mut liveness = new();
        let spoken = now + Duration::from_secs(29);
        liveness.on_frame(spoken);
        liveness.on_hello();
        let (end, waited, _) = run(liveness, spoken, waits);
        assert_eq!((end, waited), (End::WriteStalled, limits.write_stall));
    }

    #[test]
    fn a_silent_peer_is_asked_once_and_then_given_up() {
        let now = Instant::now();
        let mut liveness = new(now);
        liveness.on_hello();
        let (end, waited, pings) = run(liveness, now, QUIET);
        assert_eq!(
            (end, waited, pings),
            (End::PeerSilent, Duration::from_secs(25), 1)
        );
    }

    #[test]
    fn a_peer_that_takes_no_bytes_is_given_up() {
        let now = Instant::now();
        let mut liveness = new(now);
        liveness.on_hello();
        liveness.on_written(now, 7);
        let (end, waited, _) = run(liveness, now, Facts { unsent: 7, ..QUIET });
        assert_eq!((end, waited), (End::WriteStalled, Duration::from_secs(10)));
    }

    #[test]
    fn bytes_that_came_after_a_long_silence_are_not_taken_for_stuck() {
        let now = Instant::now();
        let mut liveness = new(now);
        liveness.on_hello();
        liveness.on_written(now, 0);
        let later = now + Duration::from_secs(14);
        assert_eq!(
            liveness.check(later, Facts { unsent: 7, ..QUIET }),
            Ok(false)
        );
    }

    #[test]
    fn a_session_that_nobody_needs_ends() {
        let now = Instant::now();
        let mut liveness = new(now);
        liveness.on_hello();
        let mut requests = 0;
        let mut at = now;
        let idle = |requests| Facts {
            unsent: 0,
            in_use: false,
            requests,
        };
        for _ in 0..20 {
            at = at.max(liveness.next().unwrap());
            requests += 1;
            assert!(
                liveness.check(at, idle(requests)).is_ok(),
                "calls come and go"
            );
            liveness.on_frame(at);
        }
        let last = at;
        let end = loop {
            at = liveness.next().unwrap();
            liveness.on_frame(at);
            if let Err(end) = liveness.check(at, idle(requests)) {
                break end;
            }
        };
        assert_eq!((end, at - last), (End::Idle, Duration::from_secs(120)));
    }
}
