//! Who callers are: tokens over every kind of channel, certificates by name, and what those get to know who are
//! not let in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use remoting::prelude::*;
use remoting::{
    Admitted, Authenticator, ClientTls, Credentials, Denied, ErrorKind, Executed, HostBuilder,
    Principal, Principals,
};

use crate::certificates::Authority;
use crate::ground::*;

pub const GOOD: &str = "a canary that opens the door";

pub fn known() -> Principals {
    Principals::new().token(GOOD, Principal::new("ann").role("teller"))
}

pub async fn server(kind: Kind, builder: HostBuilder) -> Host {
    let host = kind.listen(builder, None).start().await.unwrap();
    host.publish("desk", DeskDispatcher::single_call(|| Clerk))
        .unwrap();
    host.publish("tills", TillDispatcher::<Drawer>::activated())
        .unwrap();
    host
}

#[remote]
pub trait Till {
    #[constructor]
    async fn open() -> remoting::Result<Self>;
    async fn put(&mut self, cents: u64) -> remoting::Result<u64>;
}

pub struct Drawer(u64);

impl Till for Drawer {
    async fn open() -> remoting::Result<Self> {
        Ok(Self(0))
    }
    async fn put(&mut self, cents: u64) -> remoting::Result<u64> {
        self.0 += cents;
        Ok(self.0)
    }
}

#[test]
fn a_caller_with_a_known_token_is_who_the_token_says() {
    within_patience(async {
        for kind in KINDS {
            let server = server(kind, Host::builder().authenticator(known())).await;
            let client = caller(Some(GOOD));
            let desk: DeskProxy = client.connect(&kind.url(&server)).await.unwrap();
            let (_, principal) = desk.who().await.unwrap();
            assert_eq!(principal.as_deref(), Some("ann"), "{kind:?}");
            let mut till = client
                .activate::<TillProxy>(&kind.url(&server).replace("desk", "tills"))
                .open()
                .await
                .unwrap();
            assert_eq!(Till::put(&mut till, 5).await.unwrap(), 5, "{kind:?}");
        }
    });
}

#[test]
fn a_wrong_or_missing_token_opens_nothing_and_only_the_operator_is_told_why() {
    for (token, logged) in [
        (None, "it has shown neither a token nor a certificate"),
        (
            Some("a canary that opens nothing"),
            "its token is none of those that are known",
        ),
        (
            Some("a canary that opens the doo"),
            "its token is none of those that are known",
        ),
        (
            Some("a canary that opens the door2"),
            "its token is none of those that are known",
        ),
    ] {
        for kind in KINDS {
            let log = within_patience(async {
                let server = server(kind, Host::builder().authenticator(known())).await;
                let client = caller(token);
                let desk: DeskProxy = client.get(&kind.url(&server)).unwrap();
                let tills = kind.url(&server).replace("desk", "tills");
                let made = client.activate::<TillProxy>(&tills).open().await;
                for error in [
                    desk.add(1, 2).await.unwrap_err(),
                    made.unwrap_err(),
                    desk.lease().info().await.unwrap_err(),
                    client
                        .connect::<DeskProxy>(&kind.url(&server))
                        .await
                        .unwrap_err(),
                ] {
                    assert_eq!(
                        error.kind(),
                        ErrorKind::Unauthenticated,
                        "{kind:?} {token:?}: {error}"
                    );
                    assert_eq!(error.executed(), Executed::No);
                    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
                    assert!(!error.message().contains(logged), "{error}");
                }
                assert_eq!(server.kept_objects(), 0);
            });
            assert!(log.contains(logged), "{kind:?} {token:?}: {log}");
            assert!(!log.contains("canary"), "{kind:?}: {log}");
        }
    }
}

#[test]
fn strangers_are_let_in_where_the_list_says_so_and_a_wrong_token_is_not_theirs() {
    within_patience(async {
        for kind in KINDS {
            let builder = Host::builder().authenticator(known().or_strangers());
            let server = server(kind, builder).await;
            let stranger = caller(None);
            let desk: DeskProxy = stranger.get(&kind.url(&server)).unwrap();
            assert_eq!(desk.who().await.unwrap(), (None, None));
            let liar = caller(Some("wrong"));
            let desk: DeskProxy = liar.get(&kind.url(&server)).unwrap();
            assert_eq!(
                desk.add(1, 2).await.unwrap_err().kind(),
                ErrorKind::Unauthenticated
            );
        }
    });
}

#[test]
fn a_certificate_is_found_on_the_list_by_its_names() {
    within_patience(async {
        let authority = Authority::new("issuer");
        for kind in KINDS {
            let list = Principals::new().certificate("CN=ann", Principal::new("Ann of sales"));
            let tls = authority
                .server()
                .server_tls()
                .client_roots(authority.root());
            let builder = kind.listen(Host::builder().authenticator(list), Some(tls));
            let server = builder.start().await.unwrap();
            server
                .publish("desk", DeskDispatcher::single_call(|| Clerk))
                .unwrap();
            let trusting = || ClientTls::new().roots(authority.root());
            let ann = client(authority.client("ann").shown_by(trusting()));
            let desk: DeskProxy = ann.get(&kind.url(&server)).unwrap();
            let (_, principal) = desk.who().await.unwrap();
            assert_eq!(principal.as_deref(), Some("Ann of sales"), "{kind:?}");
            let bob = client(authority.client("bob").shown_by(trusting()));
            let desk: DeskProxy = bob.get(&kind.url(&server)).unwrap();
            let error = desk.add(1, 2).await.unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::Unauthenticated,
                "{kind:?}: {error}"
            );
        }
    });
}

/// Lets in whoever it is asked for, in its own time, and counts.
struct Slow(Arc<AtomicUsize>);

impl Authenticator for Slow {
    fn authenticate<'a>(&'a self, shown: Credentials<'a>) -> Admitted<'a> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            match shown.token() {
                Some(name) => Ok(Some(Principal::new(name))),
                None => Err(Denied::new("it has no name")),
            }
        })
    }
}

#[test]
fn an_authenticator_that_waits_is_asked_once_for_a_session_and_its_calls_wait_in_order() {
    within_patience(async {
        for kind in [Kind::Tcp, Kind::WebSocket] {
            let asked = Arc::default();
            let slow = Slow(Arc::clone(&asked));
            let server = server(kind, Host::builder().authenticator(slow)).await;
            let client = caller(Some("bob"));
            let desk: DeskProxy = client.get(&kind.url(&server)).unwrap();
            let (first, second) = tokio::join!(desk.who(), desk.add(1, 2));
            assert_eq!(first.unwrap().1.as_deref(), Some("bob"));
            assert_eq!(second.unwrap(), 3);
            assert_eq!(desk.add(1, 2).await.unwrap(), 3);
            assert_eq!(asked.load(Ordering::SeqCst), 1, "{kind:?}");
        }
    });
}

/// Never says anything.
struct Silent;

impl Authenticator for Silent {
    fn authenticate<'a>(&'a self, _: Credentials<'a>) -> Admitted<'a> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn an_authenticator_that_says_nothing_has_denied_when_the_time_of_a_handshake_is_over() {
    for kind in KINDS {
        let log = within_patience(async {
            let mut limits = remoting::Limits::default();
            // Long enough to say who one is.
            limits.handshake_time = std::time::Duration::from_secs(1);
            let builder = Host::builder().limits(limits).authenticator(Silent);
            let server = server(kind, builder).await;
            let client = caller(Some(GOOD));
            let desk: DeskProxy = client.get(&kind.url(&server)).unwrap();
            let error = desk.add(1, 2).await.unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::Unauthenticated,
                "{kind:?}: {error}"
            );
        });
        assert!(log.contains("took longer than a handshake may"), "{log}");
    }
}

#[test]
fn a_token_goes_nowhere_where_others_could_read_it() {
    within_patience(async {
        let client = caller(Some(GOOD));
        for url in [
            "tcp://bank.example:1/desk",
            "http://bank.example/desk",
            "ws://192.0.2.1:1/desk",
        ] {
            let desk: DeskProxy = client.get(url).unwrap();
            let error = desk.add(1, 2).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TlsRequired, "{url}: {error}");
            assert!(error.message().contains("in clear text"), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    });
}

#[test]
fn a_token_is_shown_by_no_debug() {
    let tcp = TcpChannel::client().token(GOOD);
    let http = HttpChannel::client().token(GOOD);
    let texts = [
        format!("{tcp:?}"),
        format!("{http:?}"),
        format!("{:?}", known()),
        format!("{:?}", caller(Some(GOOD))),
    ];
    for text in texts {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn the_servers_own_calls_of_a_client_need_no_token() {
    #[remote]
    trait Listener {
        async fn heard(&self) -> remoting::Result<u32>;
    }
    #[remote]
    trait Speaker {
        async fn speak(&self, to: ListenerProxy) -> remoting::Result<u32>;
    }
    struct Ear;
    impl Listener for Ear {
        async fn heard(&self) -> remoting::Result<u32> {
            Ok(7)
        }
    }
    struct Mouth;
    impl Speaker for Mouth {
        async fn speak(&self, to: ListenerProxy) -> remoting::Result<u32> {
            to.heard().await
        }
    }
    within_patience(async {
        let server = server(Kind::Tcp, Host::builder().authenticator(known())).await;
        server
            .publish("speaker", SpeakerDispatcher::single_call(|| Mouth))
            .unwrap();
        // The client has an authenticator too, for those who dial it.
        let builder = Host::builder().authenticator(Principals::new());
        let client = builder.channel(TcpChannel::client().token(GOOD));
        let client = client.start_client().unwrap();
        let speaker: SpeakerProxy = client.get(&server.url("speaker").unwrap()).unwrap();
        assert_eq!(speaker.speak(ListenerProxy::local(Ear)).await.unwrap(), 7);
    });
}

#[test]
fn a_token_that_cannot_be_sent_is_refused_when_the_channel_is_made() {
    for (token, what) in [
        (String::new(), "is empty"),
        ("secret\n".to_owned(), "has a line break"),
        (" secret".to_owned(), "begins or ends with a space"),
        ("schlüssel".to_owned(), "besides those of ASCII"),
        ("x".repeat(5000), "longer than 4,096 bytes"),
    ] {
        for builder in [
            Host::builder().channel(TcpChannel::client().token(token.clone())),
            Host::builder().channel(HttpChannel::client().token(token.clone())),
        ] {
            let error = builder.start_client().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().contains(what), "{error}");
            assert!(!error.message().contains("secret"), "{error}");
        }
    }
}
