//! References that nobody gave: made up, of another client, given back, or with a bit flipped.
//!
//! A million of them reach no object's code but that of the one object that their sender
//! does hold, and make the server connect to nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use remoting::prelude::*;
use remoting::{ErrorKind, LeasePolicy};
use remoting_core::wire::{
    HeaderBlock, InterfaceId, MethodId, Referred, ResolveAnswer, ResolveWhat, Slot, Target, kind,
};

use crate::raw::*;
use crate::support::*;

const MANY: usize = 1_000_000;
/// Of these so many are in arguments of calls, and the others are called.
const IN_ARGUMENTS: usize = 500_000;
/// How many are in one call, or are called at once.
const AT_ONCE: usize = 500;
/// How many safes the victim holds.
const SAFES: usize = 1_000;

#[remote]
trait Safe {
    #[constructor]
    async fn build(owner: bool) -> remoting::Result<Self>;
    async fn open(&self) -> remoting::Result<()>;
}

#[remote]
trait Bank {
    /// Opens all these safes, and tells how many did open.
    async fn open_all(&self, safes: Vec<SafeProxy>) -> remoting::Result<usize>;
}

/// Counts how often it was opened.
struct Steel(Arc<AtomicUsize>);

impl Safe for Steel {
    async fn open(&self) -> remoting::Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// How often the safes of the victim were opened, and those of others.
#[derive(Clone, Default)]
struct Opened {
    victims: Arc<AtomicUsize>,
    others: Arc<AtomicUsize>,
}

impl SafeFactory for Opened {
    type Object = Steel;

    async fn build(&self, owner: bool) -> remoting::Result<Steel> {
        let whose = if owner { &self.victims } else { &self.others };
        Ok(Steel(Arc::clone(whose)))
    }
}

struct Hall;

impl Bank for Hall {
    async fn open_all(&self, safes: Vec<SafeProxy>) -> remoting::Result<usize> {
        let mut opened = 0;
        for safe in safes {
            match safe.open().await {
                Ok(()) => opened += 1,
                Err(error) => {
                    let kind = error.kind();
                    assert!(
                        matches!(kind, ErrorKind::NotFound | ErrorKind::ObjectGone(_)),
                        "{error:?}"
                    );
                }
            }
        }
        Ok(opened)
    }
}

/// A peer that holds the bank and one safe, and has given another one back.
struct Thief {
    raw: Raw,
    bank: u32,
    own: u32,
    given_back: u32,
    chance: Chance,
}

impl Thief {
    async fn at(server: &Server) -> Self {
        let mut raw = Raw::greeted(&server.address).await;
        raw.send(&resolve_as(0, ResolveWhat::Name, "Bank", "bank"))
            .await;
        let bank = slot_of(raw.answer().await);
        let mut slots = Vec::new();
        for call in 1..3 {
            let build = ResolveWhat::Activate(MethodId::of("build"));
            raw.send(&resolve_with(
                call,
                build,
                "Safe",
                "safes",
                &packed(&[false]),
            ))
            .await;
            slots.push(slot_of(raw.answer().await));
        }
        let release = [number(1), number(slots[1].into()), number(1), number(0)].concat();
        raw.send(&frame(kind::RELEASE, &release)).await;
        Self {
            raw,
            bank,
            own: slots[0],
            given_back: slots[1],
            chance: chance(),
        }
    }

    /// A slot that it does not hold.
    fn forged(&mut self) -> u32 {
        loop {
            let random = self.chance.next();
            let slot = match random % 4 {
                0 => (random >> 8) as u32,
                // Another client has so many.
                1 => (random >> 8) as u32 % (SAFES as u32 * 2),
                2 => self.given_back,
                _ => self.own ^ (1 << ((random >> 8) % 30)),
            };
            let slot = slot & ((1 << 30) - 1);
            if slot != self.own && slot != self.bank {
                return slot;
            }
        }
    }

    /// Hands so many forged references to the bank, and its own; gives the bank's answer.
    async fn hand_in(&mut self) -> Vec<u8> {
        let mut slots: Vec<_> = (0..AT_ONCE).map(|_| self.forged()).collect();
        slots.push(self.own);
        let referred = slots.iter().map(|slot| Referred::Receivers(Slot(*slot)));
        let header = HeaderBlock::new().with_references(referred);
        let indexes: Vec<_> = (0..slots.len()).collect();
        let bank = Target::Slot(Slot(self.bank));
        let call = call_with(4, bank, "open_all", &header, &packed(&[indexes]));
        self.raw.send(&call).await;
        match self.raw.answer().await {
            Some(Seen::Return { payload, .. }) => payload,
            other => panic!("it was to be answered: {other:?}"),
        }
    }

    /// The next answer refuses. What was lent to the server comes back beside it.
    async fn is_refused(&mut self) {
        loop {
            match self.raw.answer().await {
                Some(Seen::Other(kind::RELEASE)) => {}
                Some(Seen::Error(Failure { executed: 0, .. })) => return,
                other => panic!("it was to be refused: {other:?}"),
            }
        }
    }

    /// Calls so many forged references.
    async fn call(&mut self) {
        let mut bytes = Vec::new();
        for id in 0..AT_ONCE as u32 {
            let target = Target::Slot(Slot(self.forged()));
            bytes.extend(call_on(4 + id, target, "open", &packed(&[0; 0])));
        }
        self.raw.send(&bytes).await;
        for answer in self.raw.answers(AT_ONCE).await {
            assert!(
                matches!(answer, Seen::Error(Failure { executed: 0, .. })),
                "{answer:?}"
            );
        }
    }
}

#[test]
fn a_million_forged_references_reach_nothing() {
    within_patience(async {
        let server = patient_server().await;
        let opened = publish(&server);
        let victim = server.client().activate::<SafeProxy>(&server.url("safes"));
        let mut safes = Vec::new();
        for _ in 0..SAFES {
            safes.push(victim.build(true).await.unwrap());
        }
        let mut thief = Thief::at(&server).await;
        for round in 0..IN_ARGUMENTS / AT_ONCE {
            assert_eq!(thief.hand_in().await, packed(&1), "its own alone");
            assert_eq!(opened.others.load(Ordering::Relaxed), round + 1);
        }
        for _ in 0..(MANY - IN_ARGUMENTS) / AT_ONCE {
            thief.call().await;
        }
        assert_eq!(opened.victims.load(Ordering::Relaxed), 0);
        for safe in &safes {
            safe.open().await.unwrap();
        }
        assert_eq!(opened.victims.load(Ordering::Relaxed), SAFES);
    });
}

/// Whatever is put where a reference belongs, the server connects to nobody.
#[test]
fn a_forged_reference_is_never_an_address() {
    within_patience(async {
        let bait = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        bait.set_nonblocking(true).unwrap();
        let server = patient_server().await;
        let opened = publish(&server);
        let mut thief = Thief::at(&server).await;
        let url = format!("tcp://{}/safe", bait.local_addr().unwrap());
        for round in 0..2_000_u32 {
            let bank = Target::Slot(Slot(thief.bank));
            let payload = match round % 3 {
                0 => packed(&[[&url]]),
                1 => packed(&[[[&url]]]),
                _ => packed(&[[std::collections::HashMap::from([("url", &url)])]]),
            };
            let header = HeaderBlock::new().with_references([Referred::Senders {
                slot: Slot(round),
                interface: InterfaceId::of("Safe"),
            }]);
            thief
                .raw
                .send(&call_with(4, bank, "open_all", &header, &payload))
                .await;
            thief.is_refused().await;
            let ticket = resolve_as(3, ResolveWhat::Ticket, "Safe", &url);
            thief.raw.send(&ticket).await;
            thief.is_refused().await;
            // That call's number may be used again.
            let forgotten = [number(0), number(1), number(3)].concat();
            thief.raw.send(&frame(kind::RELEASE, &forgotten)).await;
        }
        let dialled = bait.accept().map(|_| ()).unwrap_err();
        assert_eq!(dialled.kind(), std::io::ErrorKind::WouldBlock);
        assert_eq!(opened.others.load(Ordering::Relaxed), 0);
    });
}

/// One that does not turn away a peer that is wrong as often as this.
async fn patient_server() -> Server {
    Server::with(|limits| limits.bad_requests_per_second = 1_000_000).await
}

/// Publishes `bank` and `safes`.
fn publish(server: &Server) -> Opened {
    let opened = Opened::default();
    let safes = SafeDispatcher::activated_with(opened.clone()).lease(LeasePolicy::new());
    server.host.publish("safes", safes).unwrap();
    server
        .host
        .publish("bank", BankDispatcher::singleton(|| Hall))
        .unwrap();
    opened
}

/// The slot that a RESOLVE was answered with.
fn slot_of(answer: Option<Seen>) -> u32 {
    match answer {
        Some(Seen::Return { payload, .. }) => ResolveAnswer::parse(&payload).unwrap().slot.0,
        other => panic!("a slot was to come: {other:?}"),
    }
}
