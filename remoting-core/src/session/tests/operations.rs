//! What may happen to a session, at random.

use proptest::prelude::*;

/// Something that happens on one of the two sides.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Resolve,
    /// A call on the nth slot that is held, or the nth answer that is kept.
    Call {
        nth: usize,
        seconds: u64,
        /// How long its payload is at least.
        width: usize,
        /// Whether its answer is to be kept.
        keep: bool,
        /// Whether the answer of another call stands in its arguments.
        lends: bool,
    },
    /// Forgets the nth answer that was kept and taken.
    Forget {
        nth: usize,
    },
    Post {
        nth: usize,
    },
    Poll {
        nth: usize,
    },
    Abandon {
        nth: usize,
    },
    /// Answers the nth request of the peer.
    Answer {
        nth: usize,
        good: bool,
    },
    Release {
        nth: usize,
    },
    /// Moves so many bytes out of the session into the other.
    Write {
        bytes: usize,
    },
    Wait {
        nth: usize,
    },
    Leave {
        nth: usize,
    },
    Time {
        millis: u64,
    },
    GoAway,
}

/// Most are short, and some need several frames.
fn width() -> impl Strategy<Value = usize> {
    prop_oneof![9 => Just(0), 1 => prop::sample::select(vec![300, 20_000, 40_000])]
}

fn op() -> impl Strategy<Value = Op> {
    let nth = 0..8usize;
    prop_oneof![
        4 => Just(Op::Resolve),
        12 => (nth.clone(), 1..20u64, width(), prop::bool::weighted(0.3), prop::bool::weighted(0.1))
            .prop_map(|(nth, seconds, width, keep, lends)| {
                Op::Call { nth, seconds, width, keep, lends }
            }),
        3 => nth.clone().prop_map(|nth| Op::Forget { nth }),
        2 => nth.clone().prop_map(|nth| Op::Post { nth }),
        8 => nth.clone().prop_map(|nth| Op::Poll { nth }),
        3 => nth.clone().prop_map(|nth| Op::Abandon { nth }),
        12 => (nth.clone(), prop::bool::weighted(0.8))
            .prop_map(|(nth, good)| Op::Answer { nth, good }),
        2 => nth.clone().prop_map(|nth| Op::Release { nth }),
        16 => prop_oneof![1..40usize, Just(100_000)].prop_map(|bytes| Op::Write { bytes }),
        2 => nth.clone().prop_map(|nth| Op::Wait { nth }),
        1 => nth.prop_map(|nth| Op::Leave { nth }),
        2 => (0..3000u64).prop_map(|millis| Op::Time { millis }),
        1 => prop::bool::weighted(0.05).prop_map(|go| if go { Op::GoAway } else { Op::Resolve }),
    ]
}

/// Operations, each with whether it is the second side's.
pub(super) fn ops() -> impl Strategy<Value = Vec<(bool, Op)>> {
    prop::collection::vec((any::<bool>(), op()), 0..300)
}
