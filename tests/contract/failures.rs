//! Errors and panics of users' code: statements 52 and 53, poison, and code that misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use remoting::prelude::*;
use remoting::{ErrorKind, Executed};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::objects::*;
use crate::pair::{Pair, statements, until};

statements! { every channel:
    s52_a_declared_error_arrives_with_its_type_and_fields,
    s53_an_error_that_cannot_be_written_is_an_error_of_its_call_alone,
    s53_a_result_that_cannot_be_written_is_an_error_of_its_call_alone,
    s53_a_panic_is_an_error_of_its_call_alone,
    an_error_of_the_library_inside_a_users_error_happened_upstream,
    a_panic_in_an_exclusive_method_poisons_the_object,
    a_singleton_that_asks_for_it_is_made_anew_after_a_panic,
    values_that_misbehave_when_written_and_dropped_harm_only_their_call,
}

statements! { channels with references:
    an_object_that_panics_when_it_is_dropped_harms_nobody,
    an_activated_object_stays_poisoned,
}

/// An error that may refuse to be written.
#[derive(Debug, thiserror::Error, Deserialize)]
pub enum Odd {
    #[error("secret")]
    Unwritable,
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

impl Serialize for Odd {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("this error has no written form"))
    }
}

/// A result that refuses to be written.
#[derive(Debug, Deserialize)]
pub struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("this value has no written form"))
    }
}

/// Fails in every way.
#[remote]
pub trait Trouble {
    #[constructor]
    async fn brew() -> remoting::Result<Self>;

    async fn fine(&self) -> remoting::Result<u64>;
    async fn withdraw(&self, cents: u64) -> Result<u64, AppError>;
    async fn upstream(&self) -> Result<u64, AppError>;
    async fn odd_error(&self) -> Result<(), Odd>;
    async fn odd_result(&self) -> remoting::Result<Unwritable>;
    async fn odd_argument(&self, argument: Unwritable) -> remoting::Result<()>;
    async fn panic(&self) -> remoting::Result<()>;
    async fn panic_later(&self) -> remoting::Result<()>;
    async fn spoil(&mut self) -> remoting::Result<()>;
}

/// Counts up, so that a new object is told from an old one.
#[derive(Default)]
struct Maker(AtomicUsize);

impl Trouble for Maker {
    async fn brew() -> remoting::Result<Self> {
        Ok(Self::default())
    }

    async fn fine(&self) -> remoting::Result<u64> {
        Ok(self.0.fetch_add(1, Ordering::SeqCst) as u64)
    }

    async fn withdraw(&self, cents: u64) -> Result<u64, AppError> {
        let available = 100;
        let rest = u64::checked_sub(available, cents);
        rest.ok_or(AppError::Insufficient { available })
    }

    async fn upstream(&self) -> Result<u64, AppError> {
        let gone = ErrorKind::NotFound;
        Err(remoting::Error::new(gone, "/secret/path").with_executed(Executed::No))?
    }

    async fn odd_error(&self) -> Result<(), Odd> {
        Err(Odd::Unwritable)
    }

    async fn odd_result(&self) -> remoting::Result<Unwritable> {
        Ok(Unwritable)
    }

    async fn odd_argument(&self, _argument: Unwritable) -> remoting::Result<()> {
        Ok(())
    }

    async fn panic(&self) -> remoting::Result<()> {
        panic_quietly("secret of the server")
    }

    async fn panic_later(&self) -> remoting::Result<()> {
        tokio::task::yield_now().await;
        panic_quietly("secret of the server")
    }

    async fn spoil(&mut self) -> remoting::Result<()> {
        tokio::task::yield_now().await;
        panic_quietly("half-way")
    }
}

fn trouble(pair: &Pair) -> TroubleProxy {
    let dispatcher = TroubleDispatcher::new(Maker::default());
    pair.server.marshal("trouble", dispatcher).unwrap();
    pair.get("trouble")
}

async fn s52_a_declared_error_arrives_with_its_type_and_fields(pair: &Pair) {
    let trouble = trouble(pair);
    assert_eq!(trouble.withdraw(30).await.unwrap(), 70);
    let error = trouble.withdraw(130).await.unwrap_err();
    assert_eq!(error, AppError::Insufficient { available: 100 });
    assert_eq!(error.to_string(), "only 100 left");
}

/// The call failed inside the server's code; the text tells nothing of it but where to look.
fn assert_internal(error: &remoting::Error) {
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    assert_eq!(error.executed(), Executed::Yes, "{error}");
    assert!(error.correlation().is_some(), "{error:?}");
}

/// The text of a panic, which callers on this machine may see.
fn assert_told(error: &remoting::Error) {
    assert_internal(error);
    assert!(
        error.message().contains("panicked: secret of the server"),
        "{error}"
    );
}

async fn s53_an_error_that_cannot_be_written_is_an_error_of_its_call_alone(pair: &Pair) {
    let trouble = trouble(pair);
    trouble.fine().await.unwrap();
    let Odd::Remoting(error) = trouble.odd_error().await.unwrap_err() else {
        panic!("it has no written form");
    };
    assert_internal(&error);
    assert!(error.message().contains("`odd_error`"), "{error}");
    trouble.fine().await.unwrap();
}

async fn s53_a_result_that_cannot_be_written_is_an_error_of_its_call_alone(pair: &Pair) {
    let trouble = trouble(pair);
    let error = trouble.odd_result().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadResult);
    assert_eq!(error.executed(), Executed::Yes);
    assert!(error.message().contains("`odd_result`"), "{error}");
    let error = trouble.odd_argument(Unwritable).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadArguments);
    assert_eq!(error.executed(), Executed::No);
    assert!(error.message().contains("no written form"), "{error}");
    trouble.fine().await.unwrap();
}

async fn s53_a_panic_is_an_error_of_its_call_alone(pair: &Pair) {
    let (hall, trouble) = (Hall::new(), trouble(pair));
    pair.server
        .marshal("room", RoomDispatcher::new(hall.room()))
        .unwrap();
    let visit = tokio::spawn(pair.get::<RoomProxy>("room").visit());
    take(&hall.entered, 1).await;
    assert_told(&trouble.panic().await.unwrap_err());
    assert_told(&trouble.panic_later().await.unwrap_err());
    assert_eq!(trouble.fine().await.unwrap(), 0, "it poisons nothing");
    hall.door.add_permits(1);
    visit.await.unwrap().unwrap();
}

async fn an_error_of_the_library_inside_a_users_error_happened_upstream(pair: &Pair) {
    let error = trouble(pair).upstream().await.unwrap_err();
    let error = error.remoting();
    assert_eq!(error.kind(), ErrorKind::UpstreamFailed);
    assert_eq!(error.executed(), Executed::Yes);
    assert!(error.is_remote() && !error.is_no_such_object());
    assert!(!error.to_string().contains("secret"), "{error}");
    let source = std::error::Error::source(error).unwrap();
    let source: &remoting::Error = source.downcast_ref().unwrap();
    assert_eq!(source.kind(), ErrorKind::NotFound);
}

async fn assert_poisoned(trouble: &TroubleProxy) {
    let error = trouble.fine().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}");
    assert_eq!(error.executed(), Executed::No);
}

async fn a_panic_in_an_exclusive_method_poisons_the_object(pair: &Pair) {
    let publication = TroubleDispatcher::singleton(Maker::default);
    pair.server.publish("singleton", publication).unwrap();
    for trouble in [trouble(pair), pair.get("singleton")] {
        assert_eq!(trouble.fine().await.unwrap(), 0);
        assert_internal(&trouble.spoil().await.unwrap_err());
        assert_poisoned(&trouble).await;
        assert_poisoned(&trouble).await;
    }
}

async fn a_singleton_that_asks_for_it_is_made_anew_after_a_panic(pair: &Pair) {
    let publication = TroubleDispatcher::singleton(Maker::default).recreate_on_panic();
    pair.server.publish("singleton", publication).unwrap();
    let trouble: TroubleProxy = pair.get("singleton");
    assert_eq!(trouble.fine().await.unwrap(), 0);
    assert_eq!(trouble.fine().await.unwrap(), 1);
    assert_internal(&trouble.spoil().await.unwrap_err());
    assert_eq!(trouble.fine().await.unwrap(), 0, "a new object");
}

async fn an_activated_object_stays_poisoned(pair: &Pair) {
    let publication = TroubleDispatcher::<Maker>::activated();
    pair.server.publish("troubles", publication).unwrap();
    let troubles = pair.client.activate::<TroubleProxy>(&pair.url("troubles"));
    let (spoilt, other) = (
        troubles.brew().await.unwrap(),
        troubles.brew().await.unwrap(),
    );
    assert_internal(&spoilt.spoil().await.unwrap_err());
    assert_poisoned(&spoilt).await;
    assert_eq!(other.fine().await.unwrap(), 0);
    drop(spoilt);
    until(|| pair.server.kept_objects() == 1).await;
}

/// A value that calls, drops proxies and panics when it is written, or when it is dropped.
///
/// Not both: a panic that meets another one ends any Rust program.
pub struct Imp {
    proxy: Option<RoomProxy>,
    mood: Mood,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Mood {
    Calm,
    PanicsWhenWritten,
    PanicsWhenDropped,
}

impl Imp {
    /// Makes calls, one of which it gives up, and lets go of a proxy.
    fn misbehave(&self, panics_in: Mood) {
        let Some(proxy) = self.proxy.clone() else {
            return;
        };
        let mut cx = Context::from_waker(Waker::noop());
        let mut call = Box::pin(proxy.add(1, 2));
        let _ = call.as_mut().poll(&mut cx);
        let _ = Box::pin(proxy.drop_in()).as_mut().poll(&mut cx);
        drop((call, proxy));
        if self.mood == panics_in {
            panic_quietly("an imp")
        }
    }
}

impl Serialize for Imp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.misbehave(Mood::PanicsWhenWritten);
        self.mood.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Imp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mood = Mood::deserialize(deserializer)?;
        Ok(Self { proxy: None, mood })
    }
}

impl Drop for Imp {
    fn drop(&mut self) {
        self.misbehave(Mood::PanicsWhenDropped);
    }
}

#[remote]
pub trait Cave {
    async fn imp(&self, mood: Mood) -> remoting::Result<Imp>;
    async fn keep(&self, imp: Imp) -> remoting::Result<()>;
}

/// Where imps come from.
struct Depth(RoomProxy);

impl Cave for Depth {
    async fn imp(&self, mood: Mood) -> remoting::Result<Imp> {
        let proxy = Some(self.0.clone());
        Ok(Imp { proxy, mood })
    }

    async fn keep(&self, mut imp: Imp) -> remoting::Result<()> {
        imp.proxy = Some(self.0.clone());
        Ok(())
    }
}

async fn values_that_misbehave_when_written_and_dropped_harm_only_their_call(pair: &Pair) {
    pair.server
        .marshal("room", RoomDispatcher::new(Hall::new().room()))
        .unwrap();
    let room: RoomProxy = pair.get("room");
    pair.server
        .marshal("cave", CaveDispatcher::new(Depth(room.clone())))
        .unwrap();
    let cave: CaveProxy = pair.get("cave");
    for mood in [Mood::PanicsWhenWritten, Mood::Calm, Mood::PanicsWhenDropped] {
        let result = cave.imp(mood).await;
        assert_eq!(
            result.is_ok(),
            mood == Mood::Calm,
            "written, and dropped, by the server"
        );
        let imp = Imp {
            proxy: Some(room.clone()),
            mood,
        };
        let cave = cave.clone();
        // The task ends in the panic, where there is one.
        let call = tokio::spawn(async move { cave.keep(imp).await });
        assert_eq!(
            call.await.is_ok(),
            mood == Mood::Calm,
            "written, and dropped, by the client"
        );
        assert_eq!(room.add(1, 2).await.unwrap(), 3);
    }
}

/// Panics when it is dropped.
struct Bomb(Arc<Census>);

impl Counter for Bomb {
    async fn next(&self) -> remoting::Result<u64> {
        Ok(1)
    }
    async fn number(&self) -> remoting::Result<usize> {
        Ok(1)
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.died.fetch_add(1, Ordering::SeqCst);
        self.0.death.notify_one();
        panic_quietly("a bomb")
    }
}

struct BombFactory(Arc<Census>);

impl CounterFactory for BombFactory {
    type Object = Bomb;

    async fn starting_at(&self, _first: u64) -> Result<Bomb, AppError> {
        Ok(Bomb(Arc::clone(&self.0)))
    }
}

async fn an_object_that_panics_when_it_is_dropped_harms_nobody(pair: &Pair) {
    let census = Arc::<Census>::default();
    let publication = CounterDispatcher::activated_with(BombFactory(Arc::clone(&census)));
    pair.server.publish("bombs", publication).unwrap();
    let own = Arc::clone(&census);
    let publication = CounterDispatcher::single_call(move || Bomb(Arc::clone(&own)));
    pair.server.publish("single", publication).unwrap();
    let bombs = pair.client.activate::<CounterProxy>(&pair.url("bombs"));
    let (first, second) = (
        bombs.starting_at(1).await.unwrap(),
        bombs.starting_at(2).await.unwrap(),
    );
    drop(first);
    census.death.notified().await;
    assert_eq!(second.next().await.unwrap(), 1);
    let single: CounterProxy = pair.get("single");
    for _ in 0..2 {
        assert_internal(&single.next().await.unwrap_err());
    }
    until(|| census.died() == 3 && pair.server.kept_objects() == 1).await;
}
