//! One of two sides, with what its callers know.

use std::collections::{HashMap, HashSet};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::super::support::{Side, failed};
use crate::error::{Error, Executed, Fault};
use crate::id::{CallId, InterfaceId, Slot};
use crate::limits::Limits;
use crate::session::{ExportKey, Lent, ResumeConfig, Start, WaiterId};
use crate::wire::Target;

/// A side with what its callers know.
pub(super) struct Peer {
    pub(super) side: Side,
    /// Calls that have neither ended nor been given up, with the number each carries, and whether its answer
    /// is kept.
    pub(super) open: Vec<(CallId, u32, bool)>,
    /// Calls that have ended and whose answer is kept.
    pub(super) kept: Vec<CallId>,
    pub(super) held: Vec<Slot>,
    pub(super) waiting: Vec<WaiterId>,
    /// How each call has ended, by the number it carries; nothing if it was given up.
    pub(super) ended: HashMap<u32, Option<Executed>>,
    pub(super) started: HashSet<u32>,
    /// The errors of ours that calls have ended with.
    pub(super) errors: Vec<Error>,
    /// The numbers of the other side's requests that came to run here.
    pub(super) ran: HashSet<u32>,
    pub(super) arrived: usize,
}

impl Peer {
    /// Sends a call without an answer, if there is an object to call.
    pub(super) fn post(&mut self, nth: usize, number: u32, now: Instant) {
        if let Some(target) = self.target(nth).filter(|_| self.side.session.can_call()) {
            self.side.post(target, number.to_string().as_bytes(), now);
        }
    }

    /// Gives up an open call.
    pub(super) fn abandon(&mut self, at: usize, now: Instant) {
        let (call, number, _) = self.open.remove(at);
        self.side.session.abandon(call, now, &mut self.side.effects);
        assert_eq!(self.ended.insert(number, None), None);
    }

    /// Gives up waiting for a place.
    pub(super) fn leave(&mut self, at: usize) {
        let waiter = self.waiting.remove(at);
        self.side.session.leave(waiter, &mut self.side.effects);
    }

    pub(super) fn new(now: Instant) -> Self {
        Self::resuming(ResumeConfig::NEVER, now)
    }

    /// A peer whose session may outlive its connection.
    pub(super) fn resuming(resume: ResumeConfig, now: Instant) -> Self {
        let limits = Limits {
            calls_per_session: 6,
            unsent: 4000,
            max_frame: 16_384,
            max_message: 45_000,
            assembly: 60_000,
            objects_per_session: 5,
            ..Limits::default()
        };
        let mut side = Side::resuming(resume, limits, now);
        side.lending.push(Lent::Own {
            object: "lent".into(),
            key: ExportKey {
                object: 1,
                interface: InterfaceId(9),
            },
        });
        Self {
            side,
            open: Vec::new(),
            kept: Vec::new(),
            held: Vec::new(),
            waiting: Vec::new(),
            ended: HashMap::new(),
            started: HashSet::new(),
            errors: Vec::new(),
            ran: HashSet::new(),
            arrived: 0,
        }
    }

    /// Lends the peer what it has lent here itself, as long as there is any.
    pub(super) fn send_home(&mut self) {
        self.side.lending.truncate(1);
        let home = self.side.borrowed.last().map(|slot| Lent::Home(*slot));
        self.side.lending.extend(home);
    }

    pub(super) fn start(&mut self, number: u32, start: Start) {
        if let Start::Sent(call) = start {
            let taken = self.open.iter().map(|(open, ..)| open).chain(&self.kept);
            assert!(
                taken.into_iter().all(|open| *open != call),
                "{call:?} is taken"
            );
            let kept = self.side.session.is_kept(call);
            self.open.push((call, number, kept));
            self.started.insert(number);
        }
    }

    /// The answers that calls may go to.
    pub(super) fn answers(&self) -> Vec<CallId> {
        let open = self.open.iter().filter(|(.., kept)| *kept);
        let open = open.map(|(call, ..)| *call);
        let answers = open.chain(self.kept.iter().copied());
        answers
            .filter(|call| self.side.session.is_kept(*call))
            .collect()
    }

    /// The nth object or answer.
    pub(super) fn target(&self, nth: usize) -> Option<Target> {
        let mut targets: Vec<_> = self.held.iter().map(|slot| Target::Slot(*slot)).collect();
        targets.extend(self.answers().into_iter().map(Target::Answer));
        pick(nth, targets.len()).map(|at| targets[at])
    }

    /// Makes a call, with the answer of another as an argument or without.
    pub(super) fn call(
        &mut self,
        call: (bool, Target, Vec<u8>),
        lends: bool,
        wait: Duration,
        now: Instant,
    ) -> Start {
        let (keep, target, payload) = call;
        let answer = self.answers().last().copied().filter(|_| lends);
        let before = self.side.lending.len();
        self.side.lending.extend(answer.map(Lent::Answer));
        let start = self.side.call_keeping(keep, target, &payload, wait, now);
        self.side.lending.truncate(before);
        start
    }

    pub(super) fn forget(&mut self, at: usize, now: Instant) {
        let call = self.kept.remove(at);
        self.side.session.abandon(call, now, &mut self.side.effects);
    }

    pub(super) fn poll(&mut self, at: usize) {
        let (call, number, _) = self.open[at];
        let Poll::Ready(answer) = self.side.poll(call) else {
            return;
        };
        let (.., kept) = self.open.remove(at);
        let is_slot = matches!(&answer, Ok(reply) if reply.slot.is_some());
        if kept && !is_slot && self.side.session.is_kept(call) {
            self.kept.push(call);
        }
        let executed = match answer {
            Ok(reply) => {
                self.held.extend(reply.slot.map(|(slot, _)| slot));
                Executed::Yes
            }
            Err(Fault::App(_)) => Executed::Yes,
            Err(Fault::Error(error)) => {
                let executed = error.executed();
                self.errors.push(error);
                executed
            }
        };
        assert_eq!(
            self.ended.insert(number, Some(executed)),
            None,
            "{number} ended twice"
        );
    }

    /// Lets the nth object go, and one that came along with something.
    pub(super) fn release(&mut self, nth: usize) {
        if let Some(at) = pick(nth, self.held.len()) {
            let slot = self.held.remove(at);
            self.side.session.release(slot, 1);
        }
        if let Some(slot) = self.side.borrowed.pop() {
            self.side.session.release(slot, 1);
        }
    }

    pub(super) fn note_arrivals(&mut self) {
        for arrival in self.side.arrivals.iter().skip(self.arrived) {
            let text = String::from_utf8_lossy(&arrival.payload);
            let number = text.trim_end_matches(' ').parse().unwrap();
            assert!(self.ran.insert(number), "{number} arrived twice");
        }
        self.arrived = self.side.arrivals.len();
    }

    pub(super) fn answer(&mut self, at: usize, good: bool, now: Instant) {
        let arrival = self.side.arrivals.remove(at);
        self.arrived -= 1;
        if good {
            self.side.answer(&arrival, now);
        } else if arrival.target.is_some() {
            self.side.reply(arrival.key, Err(&failed("bad")), now);
        } else {
            let effects = &mut self.side.effects;
            self.side
                .session
                .answer_resolve(arrival.key, Err(&failed("bad")), now, effects);
        }
        self.note_arrivals();
    }
}

/// The nth of so many, round and round.
pub(super) fn pick(nth: usize, count: usize) -> Option<usize> {
    nth.checked_rem(count)
}
