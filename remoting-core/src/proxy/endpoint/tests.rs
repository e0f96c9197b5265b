//! Calls and their numbers.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::error::ErrorKind;

static INTERFACE: InterfaceDescriptor = InterfaceDescriptor::new("I", 0);

/// Has an answer for every call, and counts those that are given up.
#[derive(Default)]
struct Answering {
    given_up: AtomicUsize,
}

impl Wire for Answering {
    fn poll_reply(&self, _: CallId, _: &mut Context<'_>) -> Poll<Result<Reply, Fault>> {
        Poll::Ready(Err(Fault::of(ErrorKind::Internal)))
    }

    fn unpack(self: Arc<Self>, _: Result<Reply, Fault>) -> Result<Fetched, Fault> {
        Err(Fault::of(ErrorKind::Internal))
    }

    fn abandon(&self, _: CallId) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_call_gives_up_its_number_until_it_has_its_answer_and_not_after() {
    let wire = Arc::new(Answering::default());
    let sent = || {
        let mut call = CallState::probe(&INTERFACE);
        call.flight = Flight::Sent {
            wire: Arc::clone(&wire) as _,
            call: CallId(0),
        };
        call
    };
    drop(sent());
    assert_eq!(wire.given_up.load(Ordering::Relaxed), 1);
    let mut answered = sent();
    answered.land();
    drop(answered);
    assert_eq!(wire.given_up.load(Ordering::Relaxed), 1);
}
