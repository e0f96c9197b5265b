//! Sessions that come back: to whom they belong, and to nobody else.

use remoting::{Host, Secret, TcpChannel};
use remoting_core::wire::{
    Hello, PREFACE, RESUMES, ResumeSecret, SessionId, Violation, kind, write_ack, write_hello,
};

use crate::logs::Log;
use crate::objects::*;
use crate::raw::*;
use crate::support::*;

/// What gets a session back, and how many of its frames have come.
#[derive(Clone, Copy)]
pub struct Ticket {
    pub id: SessionId,
    secret: ResumeSecret,
    rx_count: u64,
}

/// A greeting of somebody whose sessions come back.
pub fn hello(wanted: Option<Ticket>) -> Vec<u8> {
    hello_of(wanted, None)
}

/// The same of a caller that shows a token.
fn hello_of(wanted: Option<Ticket>, token: Option<&str>) -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    let hello = Hello {
        features: RESUMES,
        resume_ms: 60_000,
        session: wanted.map(|ticket| ticket.id),
        secret: wanted.map(|ticket| ticket.secret),
        rx_count: wanted.map_or(0, |ticket| ticket.rx_count),
        token: token.map(Secret::new),
        ..Hello::default()
    };
    write_hello(&mut out, &hello);
    out
}

/// Connects, and gives what the server has said of the session.
pub async fn greet(address: &str, wanted: Option<Ticket>) -> (Raw, Hello) {
    greet_over(Raw::connect(address).await, wanted).await
}

async fn greet_over(mut raw: Raw, wanted: Option<Ticket>) -> (Raw, Hello) {
    raw.send(&hello(wanted)).await;
    match raw.frame().await {
        Some(Seen::Hello(hello)) => (raw, hello),
        other => panic!("a HELLO was to come: {other:?}"),
    }
}

/// How the session is to be had that a HELLO has named.
fn ticket(hello: &Hello, rx_count: u64) -> Ticket {
    Ticket {
        id: hello.session.expect("it has a name"),
        secret: hello.secret.expect("and a secret"),
        rx_count,
    }
}

/// A session with an object in slot 0, of which two frames have come: the answers to a RESOLVE and to a call.
async fn begin(address: &str) -> (Raw, Ticket) {
    begin_over(Raw::connect(address).await).await
}

pub async fn begin_over(raw: Raw) -> (Raw, Ticket) {
    let (mut raw, said) = greet_over(raw, None).await;
    raw.send(&resolve(0, "probe")).await;
    assert!(matches!(raw.frame().await, Some(Seen::Return { .. })));
    raw.send(&call(1, 0, "add", &packed(&(1, 2)))).await;
    assert_eq!(raw.frame().await, Some(sum(1, 3)));
    (raw, ticket(&said, 2))
}

fn sum(call: u32, sum: i64) -> Seen {
    let payload = packed(&sum);
    Seen::Return { call, payload }
}

async fn denied(address: &str, wanted: Ticket) -> bool {
    let mut raw = Raw::connect(address).await;
    raw.send(&hello(Some(wanted))).await;
    matches!(raw.abort().await, Some((7, _)))
}

#[test]
fn a_session_goes_on_where_it_was_and_what_was_lost_comes_again() {
    within_patience(async {
        let mut server = Server::new().await;
        let (mut raw, wanted) = begin(&server.address).await;
        raw.send(&call(1, 0, "wait", &[])).await;
        take(&server.gate.entered, 1).await;
        drop(raw);
        // Two more answers, of which the first is said to have come already.
        server.gate.door.add_permits(1);
        let (mut raw, said) = greet(&server.address, Some(wanted)).await;
        assert_eq!((said.session, said.rx_count), (Some(wanted.id), 3));
        assert_ne!(said.secret, Some(wanted.secret), "the secret is another");
        assert!(matches!(
            raw.frame().await,
            Some(Seen::Return { call: 1, .. })
        ));
        raw.send(&call(2, 0, "add", &packed(&(2, 2)))).await;
        assert_eq!(raw.frame().await, Some(sum(2, 4)), "the object is held");

        // The answers to both did not arrive, as far as the peer says.
        let (mut raw, _) = greet(&server.address, Some(ticket(&said, 2))).await;
        assert!(matches!(
            raw.frame().await,
            Some(Seen::Return { call: 1, .. })
        ));
        assert_eq!(raw.frame().await, Some(sum(2, 4)));
        server.goes_on().await;
    });
}

#[test]
fn a_connection_that_is_only_half_open_gives_way_at_once() {
    within_patience(async {
        let mut server = Server::new().await;
        let (mut old, wanted) = begin(&server.address).await;
        let (mut new, _) = greet(&server.address, Some(wanted)).await;
        assert_eq!(old.frame().await, None, "closed without a word");
        new.send(&call(1, 0, "add", &packed(&(3, 4)))).await;
        assert_eq!(new.frame().await, Some(sum(1, 7)));
        server.goes_on().await;
    });
}

#[test]
fn who_does_not_know_the_secret_gets_nothing_and_disturbs_nobody() {
    within_patience(async {
        let mut server = Server::new().await;
        let (mut raw, wanted) = begin(&server.address).await;
        let mut wrong = wanted;
        wrong.secret.0[15] ^= 1;
        for _ in 0..2 {
            assert!(denied(&server.address, wrong).await);
        }
        raw.send(&call(1, 0, "add", &packed(&(3, 4)))).await;
        assert_eq!(raw.frame().await, Some(sum(1, 7)));
        // At the third time nobody can have it any more, not even its owner.
        assert!(denied(&server.address, wrong).await);
        assert!(denied(&server.address, wanted).await);
        raw.send(&call(1, 0, "add", &packed(&(4, 4)))).await;
        assert_eq!(raw.frame().await, Some(sum(1, 8)));
        server.goes_on().await;
    });
}

#[test]
fn a_secret_that_was_used_is_good_only_until_the_next_is_known() {
    within_patience(async {
        let mut server = Server::new().await;
        let (_, wanted) = begin(&server.address).await;
        let (_, first) = greet(&server.address, Some(wanted)).await;
        let (mut raw, said) = greet(&server.address, Some(wanted)).await;
        assert_eq!(
            said.session,
            Some(wanted.id),
            "the answer may not have come"
        );
        assert_eq!(said.secret, first.secret, "or it has, and holds");
        raw.send(&call(1, 0, "add", &packed(&(3, 4)))).await;
        assert_eq!(raw.frame().await, Some(sum(1, 7)));
        assert!(denied(&server.address, wanted).await);
        server.goes_on().await;
    });
}

#[test]
fn a_session_that_was_never_there_is_a_new_one() {
    within_patience(async {
        let mut server = Server::new().await;
        let wanted = Ticket {
            id: SessionId([7; 16]),
            secret: ResumeSecret([7; 16]),
            rx_count: 40,
        };
        let (mut raw, said) = greet(&server.address, Some(wanted)).await;
        assert_ne!(said.session, Some(wanted.id));
        assert_eq!(said.rx_count, 0);
        raw.send(&resolve(0, "probe")).await;
        assert!(matches!(raw.frame().await, Some(Seen::Return { .. })));
        server.goes_on().await;
    });
}

#[test]
fn a_session_belongs_to_the_caller_that_has_begun_it() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = Raw::connect(&server.address).await;
        raw.send(&hello_of(None, Some(TOKEN))).await;
        let Some(Seen::Hello(said)) = raw.frame().await else {
            panic!("a HELLO was to come");
        };
        let wanted = ticket(&said, 0);
        assert!(
            denied(&server.address, wanted).await,
            "a stranger knows the secret"
        );
        let mut raw = Raw::connect(&server.address).await;
        raw.send(&hello_of(Some(wanted), Some(TOKEN))).await;
        assert!(
            matches!(raw.frame().await, Some(Seen::Hello(said)) if said.session == Some(wanted.id))
        );
        server.goes_on().await;
    });
}

#[test]
fn a_session_does_not_go_on_through_another_channel() {
    within_patience(async {
        let listen = |name| TcpChannel::listen("127.0.0.1:0").named(name);
        let builder = Host::builder()
            .channel(listen("one"))
            .channel(listen("other"));
        let (host, _gate) = serve(builder).await;
        let address = |name| {
            let address = host.channel(name).and_then(|channel| channel.address());
            address.unwrap().trim_start_matches("tcp://").to_owned()
        };
        let (_raw, wanted) = begin(&address("one")).await;
        let (_, said) = greet(&address("other"), Some(wanted)).await;
        assert_ne!(said.session, Some(wanted.id));
        let (_, said) = greet(&address("one"), Some(wanted)).await;
        assert_eq!(said.session, Some(wanted.id));
    });
}

#[test]
fn a_session_that_has_ended_is_gone_for_good() {
    within_patience(async {
        let mut server = Server::new().await;
        for farewell in [frame(kind::ABORT, &[0, 0]), frame(18, &[])] {
            let (mut raw, wanted) = begin(&server.address).await;
            raw.send(&farewell).await;
            while raw.frame().await.is_some() {}
            let (_, said) = greet(&server.address, Some(wanted)).await;
            assert_ne!(said.session, Some(wanted.id), "{farewell:?}");
        }
        server.goes_on().await;
    });
}

#[test]
fn more_than_was_sent_cannot_be_confirmed() {
    within_patience(async {
        let mut server = Server::new().await;
        let broken = Some((20, Violation::AckOfUnsent.to_string()));
        let (mut raw, _) = begin(&server.address).await;
        let mut ack = Vec::new();
        write_ack(&mut ack, 2);
        write_ack(&mut ack, 1);
        write_ack(&mut ack, 3);
        raw.send(&ack).await;
        assert_eq!(raw.abort().await, broken);

        let (_lost, mut greedy) = begin(&server.address).await;
        greedy.rx_count = u64::MAX;
        let mut again = Raw::connect(&server.address).await;
        again.send(&hello(Some(greedy))).await;
        assert_eq!(again.abort().await, broken);
        server.goes_on().await;
    });
}

#[test]
fn frames_behind_the_hello_of_a_session_that_comes_back_are_refused() {
    within_patience(async {
        let mut server = Server::new().await;
        let (mut old, wanted) = begin(&server.address).await;
        let mut raw = Raw::connect(&server.address).await;
        let said = [hello(Some(wanted)), call(1, 0, "add", &packed(&(1, 1)))];
        raw.send(&said.concat()).await;
        let broken = Violation::FramesBehindPlea.to_string();
        assert_eq!(raw.abort().await, Some((20, broken)));
        old.send(&call(1, 0, "add", &packed(&(3, 4)))).await;
        assert_eq!(
            old.frame().await,
            Some(sum(1, 7)),
            "the session is as it was"
        );
        server.goes_on().await;
    });
}

#[test]
fn what_a_lost_session_holds_goes_when_nobody_comes_back_for_it() {
    within_patience(async {
        let mut server = Server::with(|limits| {
            limits.resume_window = std::time::Duration::from_millis(40);
        })
        .await;
        let (mut raw, wanted) = begin(&server.address).await;
        raw.send(&call(1, 0, "wait", &[])).await;
        take(&server.gate.entered, 1).await;
        drop(raw);
        take(&server.gate.cut, 1).await;
        assert_eq!(counter(&server.host, "resume_window"), 1);
        let (_, said) = greet(&server.address, Some(wanted)).await;
        assert_ne!(said.session, Some(wanted.id));
        server.goes_on().await;
    });
}

#[test]
fn a_session_that_waits_for_its_peer_ends_when_the_host_stops() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut builder = tokio::runtime::Builder::new_current_thread();
    within_patience_on(&mut builder, async {
        let server = Server::new().await;
        let (mut raw, wanted) = begin(&server.address).await;
        raw.send(&call(1, 0, "wait", &[])).await;
        take(&server.gate.entered, 1).await;
        drop(raw);
        until(|| {
            let lines = log.lines();
            lines.iter().any(|line| line.contains("waits for another"))
        })
        .await;
        // Nobody listens any more, so that the peer cannot come back: it is not waited for.
        let run = server.host.run_until(std::future::ready(()));
        let stopped = run.drain(std::time::Duration::from_secs(3600)).await;
        assert_eq!(stopped.cut, 1);
        take(&server.gate.cut, 1).await;
        server.host.channels()[0].start_listening().await.unwrap();
        let (_, said) = greet(&server.address, Some(wanted)).await;
        assert_ne!(said.session, Some(wanted.id));
    });
}

/// For the table of limits: nobody comes back in time.
pub async fn resume_window() -> Host {
    let mut server = Server::with(|limits| {
        limits.resume_window = std::time::Duration::from_millis(40);
    })
    .await;
    drop(begin(&server.address).await);
    until(|| counter(&server.host, "resume_window") > 0).await;
    server.goes_on().await;
    server.host
}

/// One session waits, and the next one ends with its connection.
pub async fn detached_sessions() -> Host {
    let mut server = Server::with(|limits| limits.detached_sessions = 1).await;
    let (raw, first) = begin(&server.address).await;
    let (other, second) = begin(&server.address).await;
    drop(raw);
    // The one that waits has no connection: it is found all the same.
    drop(other);
    until(|| counter(&server.host, "detached_sessions") > 0).await;
    let mut found = 0;
    for wanted in [first, second] {
        let (_, said) = greet(&server.address, Some(wanted)).await;
        found += usize::from(said.session == Some(wanted.id));
    }
    assert_eq!(found, 1);
    server.goes_on().await;
    server.host
}
