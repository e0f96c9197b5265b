//! Arguments whose reading fails in the user's own types.

use remoting::prelude::*;
use remoting::{ErrorKind, Executed};
use serde::{Deserialize, Deserializer, Serialize};

use crate::pair::{Pair, statements};

statements! { every channel:
    a_panic_while_arguments_are_read_fails_its_call_and_poisons_nothing,
    a_panic_after_borrowed_arguments_were_read_poisons_the_object,
}

/// Panics while it is read, if it is set.
#[derive(Serialize)]
pub struct Trap(bool);

impl<'de> Deserialize<'de> for Trap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let set = bool::deserialize(deserializer)?;
        assert!(!set, "the trap has sprung");
        Ok(Self(set))
    }
}

#[remote]
pub trait Cage {
    async fn owned(&mut self, trap: Trap) -> remoting::Result<u32>;
    async fn borrowed(&mut self, name: &str, trap: Trap) -> remoting::Result<u32>;
}

#[derive(Default)]
struct Iron(u32);

impl Cage for Iron {
    async fn owned(&mut self, _trap: Trap) -> remoting::Result<u32> {
        self.0 += 1;
        Ok(self.0)
    }

    async fn borrowed(&mut self, name: &str, _trap: Trap) -> remoting::Result<u32> {
        assert_ne!(name, "panic", "as it was asked to");
        self.0 += 1;
        Ok(self.0)
    }
}

async fn a_panic_while_arguments_are_read_fails_its_call_and_poisons_nothing(pair: &Pair) {
    let publication = CageDispatcher::singleton(Iron::default);
    pair.server.publish("cage", publication).unwrap();
    let cage: CageProxy = pair.get("cage");
    assert_eq!(cage.owned(Trap(false)).await.unwrap(), 1);
    for _ in 0..2 {
        for call in [cage.owned(Trap(true)), cage.borrowed("b", Trap(true))] {
            let error = call.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadArguments, "{error}");
            assert_eq!(error.executed(), Executed::No);
        }
    }
    assert_eq!(cage.borrowed("b", Trap(false)).await.unwrap(), 2);
}

async fn a_panic_after_borrowed_arguments_were_read_poisons_the_object(pair: &Pair) {
    let publication = CageDispatcher::singleton(Iron::default);
    pair.server.publish("cage", publication).unwrap();
    let cage: CageProxy = pair.get("cage");
    let error = cage.borrowed("panic", Trap(false)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    assert_eq!(error.executed(), Executed::Yes);
    let error = cage.borrowed("calm", Trap(false)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}");
}
