//! The same, over connections that are cut and made again at random: every frame arrives once, and in order, and no
//! call ever notices.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::operations::{Op, ops};
use super::World;
use super::peer::Peer;
use crate::error::{Error, ErrorKind};
use crate::session::{Claim, End, Identity, ResumeConfig, Resumption};
use crate::wire::{HEAD_LENGTH, Hello, MAX_BODY, Message, ResumeSecret, SessionId, split_frame};

const WINDOW: Duration = Duration::from_secs(60);

fn world() -> World {
    let now = Instant::now();
    let identity = Identity {
        id: SessionId([1; 16]),
        secret: ResumeSecret([1; 16]),
    };
    let side = |identity| {
        let window = WINDOW;
        Peer::resuming(ResumeConfig { window, identity }, now)
    };
    let mut world = World {
        peers: [side(None), side(Some(identity))],
        now,
        number: 0,
        reconnects: Some(0),
    };
    for at in [0, 1] {
        world.write(at, usize::MAX);
    }
    world
}

/// The HELLO that bytes begin with, and how long its frame is.
fn hello(bytes: &[u8]) -> (Hello, usize) {
    let (frame, length) = split_frame(bytes, MAX_BODY).unwrap().expect("a frame");
    match Message::parse(frame) {
        Ok(Message::Hello(hello)) => (hello, length),
        other => panic!("no HELLO: {other:?}"),
    }
}

impl World {
    /// Loses the connection, if the sessions are such that outlive that.
    fn cut(&mut self, arriving: [usize; 2]) -> bool {
        for (at, bytes) in arriving.into_iter().enumerate() {
            self.write(at, bytes);
        }
        let now = self.now;
        if self
            .peers
            .iter()
            .any(|peer| peer.side.end.is_some() || peer.side.session.identity().is_none())
        {
            return false;
        }
        let detached = self.peers.each_mut().map(|peer| {
            peer.side.leaving.clear();
            peer.side.unread.clear();
            peer.side.session.detach(now)
        });
        if detached != [true; 2] {
            // Whoever has said goodbye does not come back.
            let end = || End::Lost("cut".to_owned());
            self.peers
                .iter_mut()
                .for_each(|peer| peer.side.close(end()));
            return false;
        }
        true
    }

    /// Loses the connection, and makes another one.
    ///
    /// - `arriving`: how many bytes of what is on its way still arrive.
    /// - `twice`: whether the first one made is lost before the side that has dialled hears of the other.
    pub(super) fn come_back(&mut self, arriving: [usize; 2], twice: bool) {
        if self.cut(arriving) {
            if twice {
                self.reconnect(false);
            }
            self.reconnect(true);
        }
    }

    /// Makes another connection.
    ///
    /// - `is_heard`: whether the answer of the side that was dialled arrives.
    fn reconnect(&mut self, is_heard: bool) {
        let now = self.now;
        let secret = self.reconnects.map_or(0, |secret| secret.wrapping_add(1));
        self.reconnects = Some(secret);
        let [client, server] = &mut self.peers;
        let (plea, length) = hello(&client.side.session.plea(None));
        assert!(length > HEAD_LENGTH);
        let wanted = Resumption {
            identity: client.side.session.identity().expect("both know it"),
            rx_count: plea.rx_count,
        };
        let claim = server.side.session.claim(&plea.secret.expect("a secret"));
        assert_eq!(claim, Claim::Granted);
        let next = ResumeSecret([secret; 16]);
        let (session, effects) = (&mut server.side.session, &mut server.side.effects);
        session.readmit(&wanted, next, now, effects).unwrap();
        server.side.leaving = session.take_output(Vec::new()).flat();
        if !is_heard {
            server.side.leaving.clear();
            assert!(server.side.session.detach(now));
            return;
        }
        let (answer, length) = hello(&server.side.leaving);
        server.side.leaving.drain(..length);
        server
            .side
            .session
            .written(length, now, &mut server.side.effects);
        let (session, effects) = (&mut client.side.session, &mut client.side.effects);
        session.rejoin(&answer, now, effects).unwrap();
    }
}

fn is_lost(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::SessionLost | ErrorKind::Disconnected
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_call_notices_that_its_connection_was_cut(
        ops in ops(),
        // At which operation, how many bytes still arrive at either side, and whether it happens twice.
        mut cuts in prop::collection::vec((0..300usize, [0..100usize, 0..100usize], any::<bool>()), 0..12),
    ) {
        let mut world = world();
        cuts.sort_unstable();
        let mut cuts = cuts.into_iter().peekable();
        let mut says_goodbye = false;
        for (number, (second, op)) in ops.iter().enumerate() {
            while let Some((_, arriving, twice)) = cuts.next_if(|(at, ..)| *at <= number) {
                world.come_back(arriving, twice);
            }
            says_goodbye |= matches!(op, Op::GoAway);
            world.apply(usize::from(*second), op);
        }
        world.settle();
        for peer in &world.peers {
            prop_assert!(says_goodbye || peer.side.end.is_none(), "{:?}", peer.side.end);
        }
        if world.peers.iter().any(|peer| peer.side.end.is_some()) {
            world.peers.iter_mut().for_each(|peer| peer.side.close(End::PeerClosed));
            world.settle();
        }
        let lost = world.peers.iter().flat_map(|peer| &peer.errors).filter(|error| is_lost(error));
        prop_assert!(says_goodbye || lost.count() == 0);
        world.check();
    }
}
