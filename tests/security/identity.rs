//! Who callers are: tokens over every kind of channel, certificates by name, and what those get to know who are
//! not let in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use remoting::prelude::*;
use remoting::{
    Admitted, Authenticator, ClientTls, Credentials, Denied, ErrorKind, Executed, HostBuilder,
    Principal, Principals, Token,
};

use crate::certificates::Authority;
use crate::ground::*;

const GOOD: &str = "a canary that opens the door";

fn known() -> Principals {
    Principals::new().token(GOOD, Principal::new("ann").role("teller"))
}

/// A client that shows a token, if it has one.
fn shows(token: Option<&str>) -> Host {
    let (tcp, http) = (TcpChannel::client(), HttpChannel::client());
    let builder = match token {
        Some(token) => Host::builder()
            .channel(tcp.token(token))
            .channel(http.token(token)),
        None => Host::builder().channel(tcp).channel(http),
    };
    builder.start_client().unwrap()
}

async fn server(kind: Kind, builder: HostBuilder) -> Host {
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
            let client = shows(Some(GOOD));
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
        (Some(""), "its token is none of those that are known"),
    ] {
        for kind in KINDS {
            let log = within_patience(async {
                let server = server(kind, Host::builder().authenticator(known())).await;
                let client = shows(token);
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
            let stranger = shows(None);
            let desk: DeskProxy = stranger.get(&kind.url(&server)).unwrap();
            assert_eq!(desk.who().await.unwrap(), (None, None));
            let liar = shows(Some("wrong"));
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
            let client = shows(Some("bob"));
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
            limits.handshake_time = std::time::Duration::from_millis(30);
            let builder = Host::builder().limits(limits).authenticator(Silent);
            let server = server(kind, builder).await;
            let client = shows(Some(GOOD));
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
        let client = shows(Some(GOOD));
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
        format!("{:?}", shows(Some(GOOD))),
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
fn a_signed_token_is_good_once() {
    within_patience(async {
        const KEY: &str = "a canary of a key that both sides know";
        for kind in KINDS {
            let list = Principals::new().key(KEY, Principal::new("ann"));
            let server = server(kind, Host::builder().authenticator(list)).await;
            let signing = Token::signed("ann", KEY);
            let caller = |token: Token| {
                let builder = Host::builder()
                    .channel(TcpChannel::client().token(token.clone()))
                    .channel(HttpChannel::client().token(token));
                builder.start_client().unwrap()
            };
            // Each session, and each request, has one of its own.
            for _ in 0..2 {
                let host = caller(signing.clone());
                let desk: DeskProxy = host.get(&kind.url(&server)).unwrap();
                assert_eq!(desk.add(1, 2).await.unwrap(), 3, "{kind:?}");
                assert_eq!(desk.who().await.unwrap().1.as_deref(), Some("ann"));
            }
            // Somebody has seen one, and sends it again.
            let seen = signing.mint();
            for (round, expected) in [(0, Ok(3)), (1, Err(ErrorKind::Unauthenticated))] {
                let host = caller(Token::new(seen.clone()));
                let desk: DeskProxy = host.get(&kind.url(&server)).unwrap();
                let sum = desk.add(1, 2).await.map_err(|error| error.kind());
                assert_eq!(sum, expected, "{kind:?} {round}");
            }
            for other in [
                Token::signed("ann", "another key"),
                Token::signed("bob", KEY),
            ] {
                let host = caller(other);
                let desk: DeskProxy = host.get(&kind.url(&server)).unwrap();
                let error = desk.add(1, 2).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{kind:?}");
            }
        }
    });
}

/// Passes bytes on between two sockets, and keeps a copy of all of them.
async fn relay(to: String) -> (String, Arc<std::sync::Mutex<Vec<u8>>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let seen = Arc::<std::sync::Mutex<Vec<u8>>>::default();
    let copies = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = tokio::net::TcpStream::connect(&to).await.unwrap();
            let (near, far) = (near.into_split(), far.into_split());
            for (mut from, mut onto) in [(near.0, far.1), (far.0, near.1)] {
                let copies = Arc::clone(&copies);
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = from.read(&mut buffer).await {
                        copies.lock().unwrap().extend_from_slice(&buffer[..count]);
                        if onto.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                    }
                    let _ended = onto.shutdown().await;
                });
            }
        }
    });
    (place, seen)
}

#[test]
fn neither_token_nor_arguments_are_among_the_bytes_on_the_wire() {
    let log = within_patience(async {
        let authority = Authority::new("issuer");
        for kind in KINDS {
            let tls = authority.server().server_tls();
            let builder = kind.listen(Host::builder().authenticator(known()), Some(tls));
            let server = builder.start().await.unwrap();
            server
                .publish("desk", DeskDispatcher::single_call(|| Clerk))
                .unwrap();
            let url = kind.url(&server);
            let address = url.split('/').nth(2).unwrap().to_owned();
            let (place, seen) = relay(address.clone()).await;
            let trusting = ClientTls::new().roots(authority.root());
            let client = Host::builder()
                .channel(
                    TcpChannel::client()
                        .client_tls(trusting.clone())
                        .token(GOOD),
                )
                .channel(HttpChannel::client().client_tls(trusting).token(GOOD))
                .start_client()
                .unwrap();
            let desk: DeskProxy = client.get(&url.replace(&address, &place)).unwrap();
            let sum = desk.add(0x6361_6e61_7279, 0).await.unwrap();
            assert_eq!(sum, 0x6361_6e61_7279);
            let bytes = seen.lock().unwrap().clone();
            assert!(!bytes.is_empty());
            let text = String::from_utf8_lossy(&bytes);
            for word in ["canary", "desk", "Bearer", "RMT1", "HTTP/1.1"] {
                assert!(!text.contains(word), "{kind:?}: {word}");
            }
        }
    });
    assert!(!log.contains("canary"), "{log}");
}
