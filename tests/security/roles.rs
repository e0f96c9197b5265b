//! What callers may do: roles of methods and of publications, checked before anything of a call is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use remoting::prelude::*;
use remoting::{ErrorKind, Executed, Principal, Principals};
use serde::{Deserialize, Deserializer, Serialize};

use crate::ground::*;

/// How often a value of the argument's type was read.
static READ: AtomicUsize = AtomicUsize::new(0);

/// An argument that tells when it is read.
#[derive(Debug, Serialize)]
pub struct Note(String);

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        READ.fetch_add(1, Ordering::SeqCst);
        String::deserialize(from).map(Self)
    }
}

#[remote]
pub trait Vault {
    #[constructor]
    #[roles("owner")]
    async fn build() -> remoting::Result<Self>;

    async fn look(&self) -> remoting::Result<u32>;

    #[roles("teller", "owner")]
    async fn open(&self, note: Note) -> remoting::Result<u32>;

    #[roles("owner")]
    async fn empty(&mut self) -> remoting::Result<u32>;
}

pub struct Room(Arc<AtomicUsize>);

impl Vault for Room {
    async fn build() -> remoting::Result<Self> {
        Ok(Self(Arc::default()))
    }
    async fn look(&self) -> remoting::Result<u32> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(1)
    }
    async fn open(&self, _: Note) -> remoting::Result<u32> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(2)
    }
    async fn empty(&mut self) -> remoting::Result<u32> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(3)
    }
}

fn list() -> Principals {
    Principals::new()
        .token("ann's", Principal::new("ann").role("teller"))
        .token("olga's", Principal::new("olga").role("owner"))
        .token("tim's", Principal::new("tim"))
        .or_strangers()
}

async fn server(kind: Kind, entered: &Arc<AtomicUsize>) -> Host {
    let builder = kind.listen(Host::builder().authenticator(list()), None);
    let host = builder.start().await.unwrap();
    let room = VaultDispatcher::new(Room(Arc::clone(entered)));
    host.marshal("vault", room).unwrap();
    let own = Arc::clone(entered);
    let guarded = VaultDispatcher::singleton(move || Room(Arc::clone(&own)));
    let guarded = guarded
        .roles(["teller"])
        .method_roles("look", ["owner", "teller"]);
    host.publish("guarded", guarded).unwrap();
    let vaults = VaultDispatcher::<Room>::activated();
    host.publish("vaults", vaults).unwrap();
    host
}

/// What a call came to: its result, or which kind of error.
fn outcome<T>(result: remoting::Result<T>) -> Result<T, ErrorKind> {
    result.map_err(|error| {
        assert_eq!(error.executed(), Executed::No, "{error}");
        error.kind()
    })
}

#[test]
fn a_method_with_roles_is_for_those_who_have_one_of_them() {
    within_patience(async {
        use ErrorKind::{PermissionDenied as Denied, Unauthenticated as Unknown};
        for kind in KINDS {
            let entered = Arc::default();
            let server = server(kind, &entered).await;
            let url = kind.url_of(&server, "vault");
            for (token, open, empty) in [
                (None, Err(Unknown), Err(Unknown)),
                (Some("tim's"), Err(Denied), Err(Denied)),
                (Some("ann's"), Ok(2), Err(Denied)),
                (Some("olga's"), Ok(2), Ok(3)),
            ] {
                let host = caller(token);
                let vault: VaultProxy = host.connect(&url).await.unwrap();
                assert_eq!(outcome(vault.look().await), Ok(1), "{kind:?} {token:?}");
                let (before, ran) = (READ.load(Ordering::SeqCst), entered.load(Ordering::SeqCst));
                assert_eq!(
                    outcome(vault.open(Note("n".into())).await),
                    open,
                    "{kind:?} {token:?}"
                );
                let read = READ.load(Ordering::SeqCst) - before;
                assert_eq!(read, usize::from(open.is_ok()), "refused before it is read");
                assert_eq!(outcome(vault.empty().await), empty, "{kind:?} {token:?}");
                let done = [open, empty].iter().filter(|result| result.is_ok()).count();
                assert_eq!(entered.load(Ordering::SeqCst) - ran, done);
            }
        }
    });
}

#[test]
fn a_publication_with_roles_is_for_those_who_have_one_and_so_is_everything_about_it() {
    within_patience(async {
        for kind in KINDS {
            let entered = Arc::default();
            let server = server(kind, &entered).await;
            let url = kind.url_of(&server, "guarded");
            for (token, expected) in [
                (None, ErrorKind::Unauthenticated),
                (Some("tim's"), ErrorKind::PermissionDenied),
                (Some("olga's"), ErrorKind::PermissionDenied),
            ] {
                let host = caller(token);
                let vault: VaultProxy = host.get(&url).unwrap();
                let handle = host.get::<remoting::ObjectHandle>(&url).unwrap();
                for error in [
                    vault.look().await.unwrap_err(),
                    vault.lease().info().await.unwrap_err(),
                    handle.describe().await.unwrap_err(),
                    host.connect::<VaultProxy>(&url).await.unwrap_err(),
                    host.activate::<VaultProxy>(&url).build().await.unwrap_err(),
                ] {
                    assert_eq!(error.kind(), expected, "{kind:?} {token:?}: {error}");
                    assert_eq!(error.executed(), Executed::No);
                }
            }
            let teller = caller(Some("ann's"));
            let vault: VaultProxy = teller.connect(&url).await.unwrap();
            assert_eq!(vault.look().await.unwrap(), 1);
            assert_eq!(
                outcome(vault.empty().await),
                Err(ErrorKind::PermissionDenied)
            );
        }
    });
}

#[test]
fn a_constructor_with_roles_makes_objects_for_those_who_have_one() {
    within_patience(async {
        for kind in KINDS {
            let server = server(kind, &Arc::default()).await;
            let url = kind.url_of(&server, "vaults");
            for token in [None, Some("ann's")] {
                let error = caller(token).activate::<VaultProxy>(&url).build().await;
                assert!(outcome(error.map(drop)).is_err(), "{kind:?} {token:?}");
            }
            assert_eq!(server.kept_objects(), 1, "the one that was marshalled");
            let olga = caller(Some("olga's"));
            let own = olga.activate::<VaultProxy>(&url).build().await.unwrap();
            assert_eq!(own.empty().await.unwrap(), 3, "{kind:?}");
        }
    });
}

#[test]
fn code_of_the_servers_own_process_may_do_everything() {
    within_patience(async {
        let vault = VaultDispatcher::new(Room(Arc::default())).roles(["nobody"]);
        assert_eq!(vault.proxy().look().await.unwrap(), 1);
        assert_eq!(vault.proxy().empty().await.unwrap(), 3);
    });
}

#[test]
fn what_a_caller_may_not_use_is_not_listed_to_it() {
    within_patience(async {
        let server = server(Kind::Http, &Arc::default()).await;
        let base = server.channels()[0].address().unwrap();
        let place = base.split("://").nth(1).unwrap().to_owned();
        let list = |token: Option<&'static str>| {
            let place = place.clone();
            tokio::task::spawn_blocking(move || get(&place, "/.well-known/remoting", token))
        };
        let to_stranger = list(None).await.unwrap();
        assert!(
            to_stranger.contains("vaults") && !to_stranger.contains("guarded"),
            "{to_stranger}"
        );
        let to_teller = list(Some("ann's")).await.unwrap();
        assert!(to_teller.contains("guarded"), "{to_teller}");
    });
}

#[test]
fn a_ticket_is_for_whom_it_was_given_to() {
    within_patience(async {
        let server = server(Kind::Http, &Arc::default()).await;
        let base = server.channels()[0].address().unwrap();
        let place = base.split("://").nth(1).unwrap().to_owned();
        let made = {
            let place = place.clone();
            let make = move || send(&place, "POST", "/vaults:build", Some("olga's"), "[]");
            tokio::task::spawn_blocking(make).await.unwrap()
        };
        let path = made.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("location")
                .then(|| value.trim().to_owned())
        });
        let path = path.unwrap_or_else(|| panic!("{made}"));
        let ask = |method: &'static str, path: String, token: Option<&'static str>| {
            let place = place.clone();
            tokio::task::spawn_blocking(move || send(&place, method, &path, token, "{\"ms\":1000}"))
        };
        let look = format!("{path}/look");
        let absent = path.replace("rt1.", "rt1.x").replacen("rt1.xx", "rt1.x", 1);
        let absent = format!("{}/look", &absent[..path.len()]);
        let nothing = ask("GET", absent, Some("ann's")).await.unwrap();
        assert!(nothing.starts_with("HTTP/1.1 404"), "{nothing}");
        for token in [Some("ann's"), None] {
            for (method, path) in [
                ("POST", look.clone()),
                ("PUT", format!("{path}/lease")),
                ("DELETE", path.clone()),
            ] {
                let answer = ask(method, path, token).await.unwrap();
                assert!(
                    answer.starts_with("HTTP/1.1 404"),
                    "{method} {token:?}: {answer}"
                );
            }
        }
        let body = |answer: &str| answer.split("\r\n\r\n").nth(1).map(str::to_owned);
        let foreign = ask("POST", look.clone(), Some("ann's")).await.unwrap();
        assert_eq!(body(&foreign), body(&nothing), "as if there were none");
        let answer = ask("PUT", format!("{path}/lease"), Some("olga's"))
            .await
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let answer = ask("DELETE", path, Some("olga's")).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    });
}

#[test]
fn who_may_not_call_an_object_cannot_have_it_called_by_somebody_who_may() {
    #[remote]
    trait Errand {
        async fn look_for_me(&self, vault: VaultProxy) -> remoting::Result<u32>;
    }
    struct Servant;
    impl Errand for Servant {
        async fn look_for_me(&self, vault: VaultProxy) -> remoting::Result<u32> {
            vault.look().await
        }
    }
    within_patience(async {
        let server = server(Kind::Http, &Arc::default()).await;
        server
            .publish("errand", ErrandDispatcher::single_call(|| Servant))
            .unwrap();
        let base = server.channels()[0].address().unwrap();
        let place = base.split("://").nth(1).unwrap().to_owned();
        for (token, status) in [
            (Some("ann's"), "200"),
            (Some("tim's"), "400"),
            (None, "400"),
        ] {
            let place = place.clone();
            let ask = move || {
                send(
                    &place,
                    "POST",
                    "/errand/look_for_me",
                    token,
                    "[\"/guarded\"]",
                )
            };
            let answer = tokio::task::spawn_blocking(ask).await.unwrap();
            let expected = format!("HTTP/1.1 {status}");
            assert!(answer.starts_with(&expected), "{token:?}: {answer}");
        }
    });
}
