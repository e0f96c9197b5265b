//! Panics of the user's code: each is the error of one call, and nobody else's.

use remoting::prelude::*;
use remoting::{ErrorKind, Executed};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::task::JoinSet;

use crate::objects::*;
use crate::raw::*;
use crate::support::*;

/// How many calls panic.
const PANICS: usize = 10_000;
/// How many callers make them, each with as many good calls.
const CALLERS: usize = 50;

#[test]
fn ten_thousand_panics_lose_no_good_call_on_their_connection() {
    within_patience(async {
        let mut server = Server::new().await;
        let probe = server.probe();
        let own = server
            .client()
            .activate::<ProbeProxy>(&server.url("makers"));
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let probe = probe.clone();
            let own = own.make().await.unwrap();
            callers.spawn(async move {
                for round in 0..PANICS / CALLERS {
                    let (panicked, counted) = tokio::join!(probe.panic(round % 2 == 0), own.next());
                    let error = panicked.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Internal);
                    assert_eq!(error.executed(), Executed::Yes);
                    assert_eq!(counted.unwrap(), u64::try_from(round).unwrap());
                }
            });
        }
        callers.join_all().await;
        assert_eq!(server.host.open_connections(), 1);
        server.goes_on().await;
    });
}

#[test]
fn what_a_panic_says_stays_at_the_server() {
    within_patience(async {
        let server = Server::new().await;
        let mut raw = server.attacker().await;
        for at_once in [true, false] {
            raw.send(&call(1, 0, "panic", &packed(&(at_once,)))).await;
            let failure = raw.failure().await;
            assert_eq!((failure.code, failure.executed), (15, 1), "{failure:?}");
            assert!(!failure.text.contains("canary"), "{failure:?}");
        }
        raw.finish().await;
        let rest = String::from_utf8_lossy(&raw.rest().await).into_owned();
        assert!(!rest.contains("canary"), "{rest}");
    });
}

/// What goes wrong wherever it can.
#[remote]
pub trait Trouble {
    #[constructor]
    async fn make(panic: bool) -> remoting::Result<Self>;
    async fn read(&self, value: Unreadable) -> remoting::Result<()>;
    async fn write(&self) -> remoting::Result<Unwritable>;
    async fn fine(&self) -> remoting::Result<u32>;
}

#[derive(Debug, Serialize)]
pub struct Unreadable;

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        std::panic::resume_unwind(Box::new(SECRET))
    }
}

#[derive(Debug, Deserialize)]
pub struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        std::panic::resume_unwind(Box::new(SECRET))
    }
}

pub struct Troubled;

impl Trouble for Troubled {
    async fn make(panic: bool) -> remoting::Result<Self> {
        if panic {
            std::panic::resume_unwind(Box::new(SECRET))
        }
        Ok(Self)
    }
    async fn read(&self, _: Unreadable) -> remoting::Result<()> {
        Ok(())
    }
    async fn write(&self) -> remoting::Result<Unwritable> {
        Ok(Unwritable)
    }
    async fn fine(&self) -> remoting::Result<u32> {
        Ok(7)
    }
}

impl Drop for Troubled {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new(SECRET))
    }
}

#[test]
fn panics_of_constructors_of_values_and_of_drops_stay_with_their_call() {
    within_patience(async {
        let mut server = Server::new().await;
        let publication = TroubleDispatcher::<Troubled>::activated();
        server.host.publish("trouble", publication).unwrap();
        let makers = server
            .client()
            .activate::<TroubleProxy>(&server.url("trouble"));
        for _ in 0..50 {
            let error = makers.make(true).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.executed()),
                (ErrorKind::Internal, Executed::Yes)
            );
            let trouble = makers.make(false).await.unwrap();
            let error = trouble.read(Unreadable).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.executed()),
                (ErrorKind::BadArguments, Executed::No)
            );
            let error = trouble.write().await.unwrap_err();
            assert_eq!(
                (error.kind(), error.executed()),
                (ErrorKind::Internal, Executed::Yes)
            );
            assert_eq!(trouble.fine().await.unwrap(), 7);
            // Its drop at the server panics.
            drop(trouble);
            server.goes_on().await;
        }
        until(|| server.host.kept_objects() == 1).await;
        server.goes_on().await;
    });
}
