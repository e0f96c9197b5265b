//! Objects without a session: made by constructors and given out by methods, each known by a
//! ticket that has a lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use remoting::prelude::*;
use remoting::{ErrorKind, Executed, GoneReason, LeasePolicy, Limits};

use crate::raw::{Answer, ask, post};
use crate::until::until;

#[remote]
trait Tally {
    #[constructor]
    async fn from(start: u32) -> Result<Self, TallyError>;
    async fn next(&mut self) -> Result<u32, TallyError>;
    /// The same object.
    async fn twin(&self) -> Result<TallyProxy, TallyError>;
}

#[remote]
trait Shop {
    /// Makes one more tally.
    async fn open(&self, start: u32) -> remoting::Result<TallyProxy>;
    async fn open_many(&self, count: u32) -> remoting::Result<Vec<TallyProxy>>;
    /// Counts on what it is handed.
    async fn count_on(&self, tally: TallyProxy) -> Result<u32, TallyError>;
}

#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize)]
enum TallyError {
    #[error("{0} is too much")]
    TooMuch(u32),
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

/// A count, and how many of them live.
struct Counted(u32, Arc<AtomicUsize>);

impl Counted {
    fn new(start: u32, living: &Arc<AtomicUsize>) -> Self {
        living.fetch_add(1, Ordering::SeqCst);
        Self(start, Arc::clone(living))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Tally for Counted {
    async fn next(&mut self) -> Result<u32, TallyError> {
        self.0 += 1;
        Ok(self.0)
    }

    async fn twin(&self) -> Result<TallyProxy, TallyError> {
        Ok(TallyProxy::local(Counted::new(self.0, &self.1)))
    }
}

#[derive(Clone)]
struct Maker(Arc<AtomicUsize>);

impl TallyFactory for Maker {
    type Object = Counted;
    async fn from(&self, start: u32) -> Result<Counted, TallyError> {
        let context = CallContext::current().unwrap();
        context.set_reply_header("start", start.to_string())?;
        if start > 1000 {
            return Err(TallyError::TooMuch(start));
        }
        Ok(Counted::new(start, &self.0))
    }
}

impl Shop for Maker {
    async fn open(&self, start: u32) -> remoting::Result<TallyProxy> {
        Ok(TallyProxy::local(Counted::new(start, &self.0)))
    }

    async fn open_many(&self, count: u32) -> remoting::Result<Vec<TallyProxy>> {
        let make = |start| TallyProxy::local(Counted::new(start, &self.0));
        Ok((0..count).map(make).collect())
    }

    async fn count_on(&self, tally: TallyProxy) -> Result<u32, TallyError> {
        tally.next().await
    }
}

struct Server {
    host: Host,
    authority: String,
    living: Arc<AtomicUsize>,
}

impl Server {
    async fn start(limits: Limits, lease: LeasePolicy) -> Self {
        let builder = Host::builder().limits(limits);
        let builder = builder.channel(HttpChannel::listen("127.0.0.1:0"));
        let host = builder.start().await.unwrap();
        let living = Arc::<AtomicUsize>::default();
        let maker = Maker(Arc::clone(&living));
        let tallies = TallyDispatcher::activated_with(maker.clone()).lease(lease);
        host.publish("tally", tallies).unwrap();
        host.publish("shop", ShopDispatcher::singleton(move || maker.clone()))
            .unwrap();
        let url = host.url("tally").unwrap();
        let authority = url.split('/').nth(2).unwrap().to_owned();
        Self {
            host,
            authority,
            living,
        }
    }

    async fn usual() -> Self {
        Self::start(Limits::default(), LeasePolicy::default()).await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        ask(&self.authority, &post(path, &[], body)).await.unwrap()
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = post(path, &[], body).replacen("POST", method, 1);
        ask(&self.authority, &request).await.unwrap()
    }

    fn living(&self) -> usize {
        self.living.load(Ordering::SeqCst)
    }
}

async fn client() -> Host {
    let builder = Host::builder().channel(HttpChannel::client());
    builder.start().await.unwrap()
}

/// The path that an answer in JSON is.
fn path_in(answer: &Answer) -> String {
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn a_constructor_gives_a_path_with_a_lease_that_can_be_called_renewed_and_let_go() {
    let server = Server::usual().await;
    let made = server.post("/tally:from", "[41]").await;
    let path = made.header("location").unwrap();
    assert_eq!(
        (made.status, made.header("remoting-lease")),
        (201, Some("300"))
    );
    assert_eq!(made.header("remoting-executed"), Some("yes"));
    assert_eq!(path, path_in(&made));
    let next = server.post(&format!("{path}/next"), "").await;
    assert_eq!((next.status, &*next.body), (200, "42"));
    let lease = format!("{path}/lease");
    let renewed = server.send("PUT", &lease, r#"{"ms":1200000}"#).await;
    let renewed: serde_json::Value = serde_json::from_str(&renewed.body).unwrap();
    let ms = renewed["ms"].as_u64().unwrap();
    assert!((1_199_000..=1_200_000).contains(&ms), "{ms}");
    assert_eq!(server.send("DELETE", path, "").await.status, 204);
    until(|| server.living() == 0).await;
    let gone = server.post(&format!("{path}/next"), "").await;
    assert_eq!(gone.status, 410);
    assert!(
        gone.body.contains(r#""reason":"released""#),
        "{}",
        gone.body
    );
    assert_eq!(server.send("DELETE", path, "").await.status, 410);
    assert_eq!(server.send("PUT", &lease, r#"{"ms":1}"#).await.status, 410);
    assert_eq!(server.host.kept_objects(), 0);
}

#[tokio::test]
async fn a_constructor_that_is_wrong_or_fails_makes_nothing() {
    let server = Server::usual().await;
    for (status, path, body) in [
        (422, "/tally:from", "[1001]"),
        (400, "/tally:from", r#"["x"]"#),
        (404, "/tally:begin", "[1]"),
        (404, "/nobody:from", "[1]"),
        (404, "/shop:from", "[1]"),
        (405, "/tally/next", ""),
    ] {
        let answer = server.post(path, body).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
        assert_eq!(answer.header("location"), None);
    }
    assert_eq!(server.send("GET", "/tally:from", "").await.status, 405);
    assert_eq!((server.living(), server.host.kept_objects()), (0, 0));
}

#[tokio::test]
async fn a_method_gives_objects_as_paths_and_takes_them_so() {
    let server = Server::usual().await;
    let path = path_in(&server.post("/shop/open", "[7]").await);
    let next = server.post(&format!("{path}/next"), "").await;
    assert_eq!(next.body, "8");
    let counted = server
        .post("/shop/count_on", &format!("[\"{path}\"]"))
        .await;
    assert_eq!((counted.status, &*counted.body), (200, "9"));
    let twin = path_in(&server.post(&format!("{path}/twin"), "").await);
    assert_ne!(twin, path);
    for wrong in [
        "/~/rt1.AAAAAAAAAAAAAAAAAAAAAA",
        "/shop",
        "tally",
        "",
        "http://x/tally",
    ] {
        let counted = server
            .post("/shop/count_on", &format!("[\"{wrong}\"]"))
            .await;
        assert_eq!(counted.status, 400, "{wrong}: {}", counted.body);
    }
    for path in [path, twin] {
        assert_eq!(server.send("DELETE", &path, "").await.status, 204);
    }
    until(|| server.living() == 0).await;
    assert_eq!(server.host.kept_objects(), 0);
}

#[tokio::test]
async fn headers_of_a_constructor_come_back_with_its_object_or_its_error() {
    let server = Server::usual().await;
    for (start, status) in [(41, 201), (1001, 422)] {
        let answer = server.post("/tally:from", &format!("[{start}]")).await;
        assert_eq!(answer.status, status);
        let own = answer.header("remoting-headers");
        assert_eq!(own, Some(&*format!("start={start}")));
    }
}

#[tokio::test]
async fn a_ticket_is_over_with_its_lease_and_calls_renew_it() {
    let lease = LeasePolicy::default()
        .initial(Duration::from_millis(200))
        .renew_on_call(Duration::from_secs(600));
    let server = Server::start(Limits::default(), lease).await;
    // A machine that is busy may take longer than the lease until the first call.
    let called = loop {
        let made = server.post("/tally:from", "[1]").await;
        let path = made.header("location").unwrap().to_owned();
        let first = server.post(&format!("{path}/next"), "").await;
        if first.status != 410 {
            assert_eq!(first.body, "2");
            break path;
        }
    };
    let forgotten = server.post("/tally:from", "[1]").await;
    let forgotten = forgotten.header("location").unwrap();
    until(|| server.living() == 1).await;
    let gone = server.post(&format!("{forgotten}/next"), "").await;
    assert_eq!(gone.status, 410);
    assert!(
        gone.body.contains(r#""reason":"lease_expired""#),
        "{}",
        gone.body
    );
    assert_eq!(server.post(&format!("{called}/next"), "").await.body, "3");
}

#[tokio::test]
async fn tickets_are_bounded_and_counted_and_shown_to_nobody() {
    let mut limits = Limits::default();
    limits.tickets = 3;
    let server = Server::start(limits, LeasePolicy::default()).await;
    let first = server.post("/tally:from", "[1]").await;
    let refused = server.post("/shop/open_many", "[3]").await;
    assert_eq!(
        (refused.status, refused.header("remoting-executed")),
        (429, Some("yes"))
    );
    until(|| server.living() == 1).await;
    let two = server.post("/shop/open_many", "[2]").await;
    assert_eq!(two.status, 200);
    assert_eq!(server.post("/tally:from", "[1]").await.status, 429);
    assert_eq!(server.host.counters().tickets.get(), 2);
    until(|| server.living() == 3).await;
    let path = first.header("location").unwrap();
    assert_eq!(server.send("DELETE", path, "").await.status, 204);
    assert_eq!(server.post("/tally:from", "[1]").await.status, 201);
    let listed = ask(
        &server.authority,
        "GET /.well-known/remoting HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    assert!(!listed.await.unwrap().body.contains("rt1."));
    assert!(!format!("{:?}", server.host.leases()).contains("rt1."));
}

#[tokio::test]
async fn a_proxy_that_came_by_ticket_is_called_and_lets_its_object_go() {
    let server = Server::usual().await;
    let client = client().await;
    let shop: ShopProxy = client.get(&server.host.url("shop").unwrap()).unwrap();
    let tally = shop.open(7).await.unwrap();
    assert_eq!(client.open_connections(), 0, "no session was needed");
    assert_eq!(tally.next().await.unwrap(), 8);
    let same: TallyProxy = tally.cast().await.unwrap();
    drop(tally);
    assert_eq!(same.next().await.unwrap(), 9);
    assert_eq!(server.living(), 1);
    let lease = same.lease().renew(Duration::from_secs(900)).await.unwrap();
    assert!(lease.unwrap() > Duration::from_secs(800));
    // Handed back to its own server, over a session.
    assert_eq!(shop.count_on(same.clone()).await.unwrap(), 10);
    drop(same);
    until(|| server.living() == 0).await;
    let many = shop.open_many(5).await.unwrap();
    assert_eq!(server.living(), 5);
    drop(many);
    until(|| server.living() == 0).await;
}

#[tokio::test]
async fn a_url_with_a_ticket_can_be_given_to_somebody_else() {
    let server = Server::usual().await;
    let made = server.post("/tally:from", "[1]").await;
    let path = made.header("location").unwrap();
    let client = client().await;
    for scheme in ["http", "ws"] {
        let url = format!("{scheme}://{}{path}", server.authority);
        let tally: TallyProxy = client.get(&url).unwrap();
        assert!(tally.next().await.unwrap() > 1, "{scheme}");
        drop(tally);
    }
    assert_eq!(server.living(), 1, "it is the ticket's still");
    assert_eq!(server.send("DELETE", path, "").await.status, 204);
    until(|| server.living() == 0).await;
    let url = format!("http://{}{path}", server.authority);
    let tally: TallyProxy = client.get(&url).unwrap();
    let TallyError::Remoting(error) = tally.next().await.unwrap_err() else {
        panic!("an error of the library was expected");
    };
    assert_eq!(error.kind(), ErrorKind::ObjectGone(GoneReason::Released));
    assert_eq!(error.executed(), Executed::No);
}

#[tokio::test]
async fn a_ticket_has_an_end_even_where_its_object_has_none() {
    let server = Server::start(Limits::default(), LeasePolicy::infinite()).await;
    let made = server.post("/tally:from", "[1]").await;
    assert_eq!(made.header("remoting-lease"), Some("300"));
    let path = made.header("location").unwrap();
    assert_eq!(server.post(&format!("{path}/next"), "").await.body, "2");
    assert_eq!(server.send("DELETE", path, "").await.status, 204);
    until(|| server.living() == 0).await;
    assert_eq!(server.host.kept_objects(), 0);
}

#[tokio::test]
async fn what_nobody_waits_for_gives_no_tickets() {
    let server = Server::usual().await;
    let request = post("/shop/open", &["Prefer: respond-async"], "[1]");
    let answer = ask(&server.authority, &request).await.unwrap();
    assert_eq!(answer.status, 202);
    until(|| server.living() == 0).await;
    assert_eq!(server.host.kept_objects(), 0);
}

#[tokio::test]
async fn an_answer_holds_so_many_objects_and_no_more() {
    let server = Server::usual().await;
    let client = client().await;
    let shop: ShopProxy = client.get(&server.host.url("shop").unwrap()).unwrap();
    let many = shop.open_many(1024).await.unwrap();
    assert_eq!((many.len(), server.living()), (1024, 1024));
    let error = shop.open_many(1025).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert_eq!(error.executed(), Executed::Yes);
    until(|| server.living() == 1024).await;
    drop(many);
    until(|| server.living() == 0).await;
    assert_eq!(server.host.kept_objects(), 0);
}
