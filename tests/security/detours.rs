//! Ways around a check that were tried and are closed: through other interfaces, tickets, arguments, answers that are kept,
//! gateways, and servers that were dialled.

use std::sync::{Arc, Mutex};

use remoting::prelude::*;
use remoting::{ErrorKind, Limits, Principal, Principals};

use crate::ground::*;

fn list() -> Principals {
    Principals::new()
        .token("ann's", Principal::new("ann").role("teller"))
        .token("olga's", Principal::new("olga").role("owner"))
        .token("ann's other", Principal::new("ann"))
        .or_strangers()
}

async fn server(kind: Kind) -> Host {
    let builder = kind.listen(Host::builder().authenticator(list()), None);
    builder.start().await.unwrap()
}

fn place(server: &Host) -> String {
    let base = server.channels()[0].address().unwrap();
    base.split("://").nth(1).unwrap().to_owned()
}

async fn ask(place: &str, path: &str, headers: &str, body: &str) -> String {
    let (place, path, body) = (place.to_owned(), path.to_owned(), body.to_owned());
    let headers = headers.to_owned();
    let ask = move || post(&place, &path, &headers, &body);
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[remote]
pub trait Front {
    async fn one(&self) -> remoting::Result<String>;
    async fn look(&self) -> remoting::Result<String>;
}

#[remote]
pub trait Back {
    async fn look(&self) -> remoting::Result<String>;
    #[roles("owner")]
    async fn empty(&self) -> remoting::Result<String>;
    async fn own(&self) -> remoting::Result<String>;
}

pub struct Safe;

impl Front for Safe {
    async fn one(&self) -> remoting::Result<String> {
        Ok("front one".into())
    }
    async fn look(&self) -> remoting::Result<String> {
        Ok("front look".into())
    }
}

impl Back for Safe {
    async fn look(&self) -> remoting::Result<String> {
        Ok("back look".into())
    }
    async fn empty(&self) -> remoting::Result<String> {
        Ok("emptied".into())
    }
    async fn own(&self) -> remoting::Result<String> {
        Ok("back's own".into())
    }
}

/// Keeps a front, gives it to everybody, and looks at fronts of others.
#[remote]
pub trait Board {
    async fn put(&self, front: FrontProxy) -> remoting::Result<()>;
    async fn take(&self) -> remoting::Result<FrontProxy>;
    async fn look_for_me(&self, front: FrontProxy) -> remoting::Result<String>;
}

#[derive(Clone, Default)]
pub struct Wall(Arc<Mutex<Option<FrontProxy>>>);

impl Board for Wall {
    async fn put(&self, front: FrontProxy) -> remoting::Result<()> {
        *self.0.lock().unwrap() = Some(front);
        Ok(())
    }
    async fn take(&self) -> remoting::Result<FrontProxy> {
        Ok(self.0.lock().unwrap().clone().unwrap())
    }
    async fn look_for_me(&self, front: FrontProxy) -> remoting::Result<String> {
        front.look().await
    }
}

fn board(host: &Host, front: Option<FrontProxy>) {
    let wall = Wall(Arc::new(Mutex::new(front)));
    let board = BoardDispatcher::singleton(move || wall.clone());
    host.publish("board", board).unwrap();
}

#[test]
fn a_ticket_runs_the_method_that_was_checked_through_whichever_interface_it_is_seen() {
    within_patience(async {
        let server = server(Kind::Http).await;
        let safe = FrontDispatcher::new(Safe).also::<BackDispatcher<_>>();
        board(&server, Some(safe.proxy()));
        let client = caller(None);
        let board: BoardProxy = client.get(&server.url("board").unwrap()).unwrap();
        let front = board.take().await.unwrap();
        assert_eq!(front.look().await.unwrap(), "front look");
        let back: BackProxy = front.cast().await.unwrap();
        assert_eq!(back.look().await.unwrap(), "back look");
        assert_eq!(back.own().await.unwrap(), "back's own");
        let error = back.empty().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    });
}

#[test]
fn what_is_guarded_by_its_publication_stays_so_when_it_is_passed_on() {
    within_patience(async {
        let builder = Host::builder().authenticator(list());
        let builder = Kind::Http.listen(Kind::Tcp.listen(builder, None), None);
        let server = builder.start().await.unwrap();
        let guarded = FrontDispatcher::singleton(|| Safe).roles(["teller"]);
        server.publish("safe", guarded).unwrap();
        board(&server, None);
        let url = |scheme: &str, name: &str| {
            let urls = server.urls(name);
            let found = urls
                .iter()
                .find(|url| url.starts_with(&scheme.replace("ws", "http")));
            found
                .unwrap()
                .replacen("http", &scheme.replace("tcp", "http"), 1)
        };
        // Over the connection on which she has got it, the reference comes home.
        let ann = caller(Some("ann's"));
        let hers: FrontProxy = ann.connect(&url("tcp", "safe")).await.unwrap();
        let shared: BoardProxy = ann.get(&url("tcp", "board")).unwrap();
        shared.put(hers).await.unwrap();
        for scheme in ["tcp", "http", "ws"] {
            let stranger = caller(None);
            let board: BoardProxy = stranger.get(&url(scheme, "board")).unwrap();
            let front = board.take().await.unwrap();
            let error = front.look().await.unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::Unauthenticated,
                "{scheme}: {error}"
            );
            // Nor has it somebody call who may.
            let error = board.look_for_me(front).await.unwrap_err();
            let told = [ErrorKind::UpstreamFailed, ErrorKind::BadArguments];
            assert!(told.contains(&error.kind()), "{scheme}: {error}");
        }
        assert_eq!(
            shared.take().await.unwrap().look().await.unwrap(),
            "front look"
        );
    });
}

#[test]
fn a_server_that_was_dialled_may_use_what_it_was_lent_and_ask_for_nothing_by_name() {
    #[remote]
    trait Host1 {
        async fn visit(&self, of: FrontProxy) -> remoting::Result<String>;
    }
    struct Hostile;
    impl Host1 for Hostile {
        async fn visit(&self, of: FrontProxy) -> remoting::Result<String> {
            of.look().await
        }
    }
    within_patience(async {
        let server = Host::builder().channel(TcpChannel::listen("127.0.0.1:0"));
        let server = server.start().await.unwrap();
        server
            .publish("host", Host1Dispatcher::single_call(|| Hostile))
            .unwrap();
        let victim = Host::builder()
            .authenticator(Principals::new())
            .channel(TcpChannel::client())
            .start()
            .await
            .unwrap();
        victim
            .publish("safe", FrontDispatcher::single_call(|| Safe))
            .unwrap();
        let host: Host1Proxy = victim.get(&server.url("host").unwrap()).unwrap();
        let lent = FrontProxy::local(Safe);
        assert_eq!(host.visit(lent).await.unwrap(), "front look");
    });
}

#[test]
fn an_answer_that_is_kept_is_for_whoever_may_still_have_it() {
    within_patience(async {
        let server = server(Kind::Http).await;
        let guarded = BackDispatcher::singleton(|| Safe).method_roles("look", ["teller"]);
        server.publish("safe", guarded).unwrap();
        let place = place(&server);
        let key = "Idempotency-Key: one\r\n";
        let with = |token: &str| format!("Authorization: Bearer {token}\r\n{key}");
        let first = ask(&place, "/safe/look", &with("ann's"), "[]").await;
        assert!(first.starts_with("HTTP/1.1 200"), "{first}");
        let again = ask(&place, "/safe/look", &with("ann's"), "[]").await;
        assert!(
            again.to_lowercase().contains("remoting-replayed: yes"),
            "{again}"
        );
        let without_role = ask(&place, "/safe/look", &with("ann's other"), "[]").await;
        assert!(without_role.starts_with("HTTP/1.1 403"), "{without_role}");
        let stranger = ask(&place, "/safe/look", key, "[]").await;
        assert!(stranger.starts_with("HTTP/1.1 401"), "{stranger}");
    });
}

#[test]
fn strangers_cannot_have_the_answers_of_others_forgotten() {
    within_patience(async {
        let mut limits = Limits::default();
        limits.kept_answers = 4;
        let builder = Host::builder().limits(limits).authenticator(list());
        let server = Kind::Http.listen(builder, None).start().await.unwrap();
        server
            .publish("safe", FrontDispatcher::single_call(|| Safe))
            .unwrap();
        let place = place(&server);
        let hers = "Authorization: Bearer ann's\r\nIdempotency-Key: hers\r\n";
        ask(&place, "/safe/look", hers, "[]").await;
        for number in 0..20 {
            let key = format!("Idempotency-Key: {number}\r\n");
            let answer = ask(&place, "/safe/look", &key, "[]").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        let again = ask(&place, "/safe/look", hers, "[]").await;
        assert!(
            again.to_lowercase().contains("remoting-replayed: yes"),
            "{again}"
        );
    });
}

#[remote]
pub trait Clock {
    async fn tick(&self) -> remoting::Result<()>;
}

impl Clock for Safe {
    async fn tick(&self) -> remoting::Result<()> {
        std::future::pending().await
    }
}

#[test]
fn calls_of_strangers_that_nobody_waits_for_leave_room_for_those_of_others() {
    within_patience(async {
        let mut limits = Limits::default();
        limits.calls_per_session = 2;
        let builder = Host::builder().limits(limits).authenticator(list());
        let server = Kind::Http.listen(builder, None).start().await.unwrap();
        server
            .publish("clock", ClockDispatcher::single_call(|| Safe))
            .unwrap();
        let place = place(&server);
        for caller in ["", "Authorization: Bearer ann's\r\n"] {
            let headers = format!("{caller}Prefer: respond-async\r\n");
            for expected in [202, 202, 503] {
                let answer = ask(&place, "/clock/tick", &headers, "[]").await;
                let status = format!("HTTP/1.1 {expected}");
                assert!(answer.starts_with(&status), "{caller}{expected}: {answer}");
            }
        }
    });
}

#[test]
fn tickets_in_answers_count_for_whom_they_are_for() {
    within_patience(async {
        let mut limits = Limits::default();
        limits.objects_per_principal = 2;
        let builder = Host::builder().limits(limits).authenticator(list());
        let server = Kind::Http.listen(builder, None).start().await.unwrap();
        board(&server, Some(FrontProxy::local(Safe)));
        let place = place(&server);
        let token = "Authorization: Bearer ann's\r\n";
        let mut given = 0;
        for _ in 0..5 {
            let answer = ask(&place, "/board/take", token, "[]").await;
            given += usize::from(answer.starts_with("HTTP/1.1 200"));
        }
        assert_eq!(given, 2);
        assert_eq!(server.counters().objects_per_principal.get(), 3);
        let other = ask(&place, "/board/take", "", "[]").await;
        assert!(other.starts_with("HTTP/1.1 200"), "{other}");
    });
}

#[test]
fn who_has_logged_in_takes_no_place_of_those_who_have_not() {
    within_patience(async {
        let mut limits = Limits::default();
        limits.handshakes = 2;
        for kind in [Kind::Tcp, Kind::WebSocket] {
            let builder = Host::builder().limits(limits.clone()).authenticator(list());
            let server = kind.listen(builder, None).start().await.unwrap();
            server
                .publish("safe", FrontDispatcher::single_call(|| Safe))
                .unwrap();
            let url = kind.url_of(&server, "safe");
            let clients: Vec<_> = (0..6).map(|_| caller(Some("ann's"))).collect();
            for client in &clients {
                let front: FrontProxy = client.connect(&url).await.unwrap();
                assert_eq!(front.look().await.unwrap(), "front look", "{kind:?}");
            }
            assert_eq!(server.counters().handshakes.get(), 0);
        }
    });
}

#[test]
fn an_interface_is_told_to_nobody_who_may_not_use_the_name() {
    within_patience(async {
        for kind in KINDS {
            let server = server(kind).await;
            let guarded = FrontDispatcher::singleton(|| Safe).roles(["teller"]);
            server.publish("safe", guarded).unwrap();
            let url = kind.url_of(&server, "safe");
            let stranger = caller(None);
            let error = stranger.connect::<BackProxy>(&url).await.unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::Unauthenticated,
                "{kind:?}: {error}"
            );
            assert!(!error.message().contains("Front"), "{error}");
        }
    });
}

#[test]
fn roles_of_a_method_that_there_is_not_are_refused_when_it_is_published() {
    within_patience(async {
        let host = Host::builder().start().await.unwrap();
        let misspelt = || FrontDispatcher::singleton(|| Safe).method_roles("lok", ["owner"]);
        let error = host.publish("safe", misspelt()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains("`lok`"), "{error}");
        assert!(host.published().is_empty());
        let marshalled = FrontDispatcher::new(Safe).method_roles("lok", ["owner"]);
        let error = host.marshal("safe", marshalled).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let second = FrontDispatcher::singleton(|| Safe)
            .also::<BackDispatcher<_>>()
            .method_roles("empty", ["owner"]);
        host.publish("safe", second).unwrap();
    });
}

/// Panics when it is asked.
struct Clumsy;

impl remoting::Authenticator for Clumsy {
    fn authenticate<'a>(&'a self, _: remoting::Credentials<'a>) -> remoting::Admitted<'a> {
        std::panic::resume_unwind(Box::new("clumsy"))
    }
}

#[test]
fn an_authenticator_that_panics_has_denied() {
    for kind in KINDS {
        let log = within_patience(async {
            let builder = kind.listen(Host::builder().authenticator(Clumsy), None);
            let server = builder.start().await.unwrap();
            server
                .publish("safe", FrontDispatcher::single_call(|| Safe))
                .unwrap();
            let client = caller(Some("ann's"));
            let front: FrontProxy = client.get(&kind.url_of(&server, "safe")).unwrap();
            let error = front.look().await.unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::Unauthenticated,
                "{kind:?}: {error}"
            );
        });
        assert!(log.contains("the authenticator panicked"), "{log}");
    }
}
