//! Who may go in to an object, and in which order.
//!
//! A pure queue: shared visitors together, an exclusive one alone, everybody in
//! order of arrival. A shared visitor whose own caller is inside already may pass
//! those who queue, since they wait for that caller; so may one who cannot wait.
//!
//! Free --enter shared-----> Shared(1)     Shared(n) --enter shared, none queue--> Shared(n + 1)
//! Free --enter exclusive--> Exclusive     anything else -----------------------> queue

use std::collections::VecDeque;
use std::task::Waker;

/// How a visitor goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

/// What the gate says to a visitor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Go in.
    Granted,
    /// Wait under this number.
    Queued(u64),
    /// Waiting would never end: the visitor's own caller is inside.
    Reentrant,
    /// Too many wait already.
    Full,
}

#[derive(Debug, Default)]
pub(crate) struct Gate {
    inside: Inside,
    queue: VecDeque<Visitor>,
    next: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Inside {
    #[default]
    Nobody,
    Shared(usize),
    Exclusive,
}

#[derive(Debug)]
struct Visitor {
    number: u64,
    mode: Mode,
    waker: Waker,
}

impl Gate {
    /// Asks to go in.
    ///
    /// - `below_holder`: a caller of the visitor is inside.
    /// - `capacity`: how many may queue.
    pub(crate) fn enter(
        &mut self,
        mode: Mode,
        below_holder: bool,
        capacity: usize,
        waker: &Waker,
    ) -> Entry {
        if below_holder {
            return match (self.inside, mode) {
                (Inside::Shared(count), Mode::Shared) => {
                    self.inside = Inside::Shared(count.saturating_add(1));
                    Entry::Granted
                }
                (Inside::Nobody, _) => self.enter(mode, false, capacity, waker),
                (Inside::Shared(_) | Inside::Exclusive, _) => Entry::Reentrant,
            };
        }
        if self.queue.is_empty() && self.admit(mode) {
            return Entry::Granted;
        }
        if self.queue.len() >= capacity {
            return Entry::Full;
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.queue.push_back(Visitor {
            number,
            mode,
            waker: waker.clone(),
        });
        Entry::Queued(number)
    }

    /// Goes in as a shared visitor who does not wait, past those who queue. Tells whether it is inside.
    pub(crate) fn slip_in(&mut self) -> bool {
        self.admit(Mode::Shared)
    }

    /// Tells whether the visitor under `number` may go in by now.
    pub(crate) fn is_granted(&mut self, number: u64, waker: &Waker) -> bool {
        match self
            .queue
            .iter_mut()
            .find(|visitor| visitor.number == number)
        {
            Some(visitor) => {
                visitor.waker.clone_from(waker);
                false
            }
            None => true,
        }
    }

    /// Lets a visitor out and gives those who may go in now.
    pub(crate) fn leave(&mut self, mode: Mode) -> Vec<Waker> {
        self.inside = match (self.inside, mode) {
            (Inside::Shared(count), Mode::Shared) if count > 1 => Inside::Shared(count - 1),
            _ => Inside::Nobody,
        };
        self.advance()
    }

    /// Ends the waiting of a visitor; one who was let in meanwhile leaves again.
    pub(crate) fn give_up(&mut self, number: u64, mode: Mode) -> Vec<Waker> {
        match self
            .queue
            .iter()
            .position(|visitor| visitor.number == number)
        {
            Some(place) => {
                self.queue.remove(place);
                self.advance()
            }
            None => self.leave(mode),
        }
    }

    fn admit(&mut self, mode: Mode) -> bool {
        self.inside = match (self.inside, mode) {
            (Inside::Nobody, Mode::Shared) => Inside::Shared(1),
            (Inside::Shared(count), Mode::Shared) => Inside::Shared(count.saturating_add(1)),
            (Inside::Nobody, Mode::Exclusive) => Inside::Exclusive,
            (Inside::Shared(_), Mode::Exclusive) | (Inside::Exclusive, _) => return false,
        };
        true
    }

    fn advance(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while let Some(mode) = self.queue.front().map(|visitor| visitor.mode) {
            if !self.admit(mode) {
                break;
            }
            wakers.extend(self.queue.pop_front().map(|visitor| visitor.waker));
        }
        wakers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(gate: &mut Gate, mode: Mode, below: bool) -> Entry {
        gate.enter(mode, below, 2, Waker::noop())
    }

    #[test]
    fn shared_visitors_go_in_together_and_an_exclusive_one_alone() {
        let mut gate = Gate::default();
        assert_eq!(enter(&mut gate, Mode::Shared, false), Entry::Granted);
        assert_eq!(enter(&mut gate, Mode::Shared, false), Entry::Granted);
        assert_eq!(enter(&mut gate, Mode::Exclusive, false), Entry::Queued(0));
        assert!(gate.leave(Mode::Shared).is_empty());
        assert_eq!(gate.leave(Mode::Shared).len(), 1);
        assert!(gate.is_granted(0, Waker::noop()));
        assert_eq!(gate.inside, Inside::Exclusive);
    }

    #[test]
    fn a_reader_waits_behind_a_queued_writer_so_that_the_writer_has_its_turn() {
        let mut gate = Gate::default();
        enter(&mut gate, Mode::Shared, false);
        enter(&mut gate, Mode::Exclusive, false);
        assert_eq!(enter(&mut gate, Mode::Shared, false), Entry::Queued(1));
        assert_eq!(enter(&mut gate, Mode::Shared, false), Entry::Full);
    }

    #[test]
    fn a_reader_below_a_reader_passes_the_queue_and_everything_else_is_reentrant() {
        let mut gate = Gate::default();
        enter(&mut gate, Mode::Shared, false);
        enter(&mut gate, Mode::Exclusive, false);
        assert_eq!(enter(&mut gate, Mode::Shared, true), Entry::Granted);
        assert_eq!(enter(&mut gate, Mode::Exclusive, true), Entry::Reentrant);
        gate.leave(Mode::Shared);
        gate.leave(Mode::Shared);
        assert_eq!(gate.inside, Inside::Exclusive);
        assert_eq!(enter(&mut gate, Mode::Shared, true), Entry::Reentrant);
    }

    #[test]
    fn a_visitor_that_gives_up_lets_the_next_one_in() {
        let mut gate = Gate::default();
        enter(&mut gate, Mode::Shared, false);
        enter(&mut gate, Mode::Exclusive, false);
        enter(&mut gate, Mode::Shared, false);
        assert_eq!(gate.give_up(0, Mode::Exclusive).len(), 1);
        assert_eq!(gate.inside, Inside::Shared(2));
        assert!(
            gate.give_up(1, Mode::Shared).is_empty(),
            "it was inside already"
        );
        assert_eq!(gate.inside, Inside::Shared(1));
    }
}
