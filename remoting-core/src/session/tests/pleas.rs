//! How a session is asked for again: what is shown, and which of it is good.

use std::time::{Duration, Instant};

use super::support::Side;
use crate::limits::Limits;
use crate::session::{Claim, Identity, ResumeConfig, Resumption};
use crate::wire::{Hello, MAX_BODY, Message, ResumeSecret, SessionId, split_frame};

const FIRST: ResumeSecret = ResumeSecret([1; 16]);

/// A side that was dialled, whose peer has gone.
fn detached(now: Instant) -> Side {
    let resume = ResumeConfig {
        window: Duration::from_secs(60),
        identity: Some(identity(FIRST)),
    };
    let mut server = Side::resuming(resume, Limits::default(), now);
    let mut client = Side::resuming(
        ResumeConfig {
            identity: None,
            ..resume
        },
        Limits::default(),
        now,
    );
    let greeting = client.session.take_output(Vec::new()).flat();
    server.read(&greeting, now).unwrap();
    server.session.take_output(Vec::new());
    assert!(server.session.detach(now));
    server
}

fn identity(secret: ResumeSecret) -> Identity {
    Identity {
        id: SessionId([1; 16]),
        secret,
    }
}

/// Lets somebody in who shows a secret. Gives the secret for the next time.
fn readmit(server: &mut Side, shown: ResumeSecret, next: u8, now: Instant) -> ResumeSecret {
    assert_eq!(server.session.claim(&shown), Claim::Granted);
    let wanted = Resumption {
        identity: identity(shown),
        rx_count: 0,
    };
    let next = ResumeSecret([next; 16]);
    let effects = &mut server.effects;
    server.session.readmit(&wanted, next, now, effects).unwrap();
    let answer = server.session.take_output(Vec::new()).flat();
    hello(&answer).secret.unwrap()
}

fn hello(bytes: &[u8]) -> Hello {
    let (frame, _) = split_frame(bytes, MAX_BODY).unwrap().unwrap();
    match Message::parse(frame) {
        Ok(Message::Hello(hello)) => hello,
        other => panic!("no HELLO: {other:?}"),
    }
}

#[test]
fn a_plea_that_comes_late_does_not_spoil_the_secret_that_was_given_since() {
    let now = Instant::now();
    let mut server = detached(now);
    // The peer has dialled twice, and what it said first comes last. It may have heard either answer.
    let heard = readmit(&mut server, FIRST, 2, now);
    let late = readmit(&mut server, FIRST, 3, now);
    assert!(server.session.detach(now));
    for shown in [FIRST, heard, late] {
        assert_eq!(server.session.claim(&shown), Claim::Granted);
    }
    // With the new one a newer one is had, and the first is good for nothing.
    let newer = readmit(&mut server, heard, 4, now);
    assert_ne!(newer, heard);
    assert_eq!(server.session.claim(&FIRST), Claim::Denied);
    assert_eq!(server.session.claim(&heard), Claim::Granted);
}
