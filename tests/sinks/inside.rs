//! What is inside of a sink keeps its own rules, and so does what is outside.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use remoting::prelude::*;
use remoting::sink::{MessageSink, MethodCall, MethodReply, Next};
use remoting::{Error, ErrorKind, Executed};
use tokio::time::timeout;

use crate::ground::*;

#[tokio::test]
async fn a_method_that_may_not_be_cut_runs_to_its_end_although_a_sink_has_given_it_up() {
    for way in WAYS {
        let server = server(Host::builder().server_sink(Hasty("count_slowly"))).await;
        let client = client(Host::builder());
        let desk = way.desk(&client, &server);
        let error = desk.count_slowly().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{way:?}");
        assert_ne!(error.executed(), Executed::No, "{way:?}");
        // It is not poisoned, and was changed.
        assert_eq!(desk.count().await.unwrap(), 2, "{way:?}");
    }
}

/// Waits for ever, before the call or after it.
struct Stuck(bool);

impl MessageSink for Stuck {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        if self.0 {
            return std::future::pending().await;
        }
        let reply = next.run(call).await;
        std::future::pending::<()>().await;
        reply
    }
}

/// How long a call has to come to where it waits: more and more, for a machine that is busy.
const TIMES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_millis(2500),
    Duration::from_millis(12_500),
];

#[tokio::test]
async fn a_call_that_waits_in_a_sink_ends_at_its_deadline() {
    for way in WAYS {
        for before in [true, false] {
            let inside = server(Host::builder()).await;
            let outer = client(Host::builder().client_sink(Stuck(before)));
            let desk = way.desk(&outer, &inside);
            let executed = if before { Executed::No } else { Executed::Yes };
            let mut seen = None;
            for time in TIMES {
                let error = desk.count().deadline(time).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{way:?}");
                seen = Some(error.executed());
                if seen == Some(executed) {
                    break;
                }
            }
            assert_eq!(seen, Some(executed), "{way:?}");

            let left = Watching::default();
            let builder = Host::builder().server_sink(left.clone());
            let inside = server(builder.server_sink(Stuck(before))).await;
            let outer = client(Host::builder());
            let desk = way.desk(&outer, &inside);
            let mut has_come = false;
            for time in TIMES {
                let error = desk.count().deadline(time).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{way:?}");
                has_come = timeout(time, left.0.notified()).await.is_ok();
                if has_come {
                    break;
                }
            }
            assert!(has_come, "{way:?}");
            left.1.notified().await;
        }
    }
}

/// Runs the call and then says that it has not.
struct Liar;

impl MessageSink for Liar {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        drop(next.run(call).await);
        Error::new(ErrorKind::Overloaded, "nothing happened").into()
    }
}

#[tokio::test]
async fn sinks_outside_are_told_the_truth_about_a_call_too() {
    for way in WAYS {
        let record = Record::default();
        let builder = Host::builder().server_sink(record.sink("s"));
        let inside = server(builder.server_sink(Liar)).await;
        let builder = Host::builder().client_sink(record.sink("c"));
        let outside = client(builder.client_sink(Liar));
        let desk = way.desk(&outside, &inside);
        desk.count().await.unwrap_err();
        let seen = record.take();
        assert_eq!(seen[2..], ["ss< Overloaded Yes", "cc< Overloaded Yes"]);
    }
}

#[tokio::test]
async fn a_call_that_goes_on_to_a_third_party_passes_through_the_sinks_of_the_one_between() {
    let record = Record::default();
    let third = server(Host::builder()).await;
    let builder = Host::builder().server_sink(record.sink("m"));
    let between = listening(builder.client_sink(record.sink("m"))).await;
    let beyond = Way::Tcp.desk(&between, &third);
    between.publish("lender", lender(beyond)).unwrap();
    let outside = client(Host::builder());
    let desk = lend(&outside, &Way::Tcp.url(&between, "lender")).await;
    record.take();
    assert_eq!(desk.count().await.unwrap(), 1);
    let seen = record.take();
    // Whose name the one between does not know: it has a number.
    assert_eq!(seen.len(), 4, "{seen:?}");
    let number = seen[0].rsplit("::").next().unwrap();
    assert!(number.len() == 9 && number.starts_with('$'), "{seen:?}");
    assert!(
        seen[0].starts_with("ms> ") && seen[1].starts_with("mc> "),
        "{seen:?}"
    );
    assert!(seen[1].ends_with(number), "{seen:?}");
    assert_eq!(seen[2..], ["mc< ok", "ms< ok"]);
}

#[remote(name = "sinks.Lender")]
trait Lender {
    async fn lend(&self) -> remoting::Result<DeskProxy>;
}

struct Lending(DeskProxy);

impl Lender for Lending {
    async fn lend(&self) -> remoting::Result<DeskProxy> {
        Ok(self.0.clone())
    }
}

/// What lends a desk of somebody else's.
pub fn lender(desk: DeskProxy) -> remoting::Publication<impl Send + Sync + 'static> {
    LenderDispatcher::singleton(move || Lending(desk.clone()))
}

/// What lends a desk of its own.
pub fn own_lender() -> remoting::Publication<impl Send + Sync + 'static> {
    LenderDispatcher::singleton(|| Lending(DeskProxy::local(Clerk::default())))
}

/// Gets the desk that is lent there.
pub async fn lend(client: &Host, url: &str) -> DeskProxy {
    let lender: LenderProxy = client.get(url).unwrap();
    lender.lend().await.unwrap()
}

#[tokio::test]
async fn connecting_over_http_asks_through_the_sinks() {
    let demanding = Before(|call: &mut MethodCall| {
        let is_missing = call.header("reason").is_none();
        is_missing.then(|| Error::new(ErrorKind::PermissionDenied, "say why").into())
    });
    let inside = server(Host::builder().server_sink(demanding)).await;
    let outside = client(Host::builder().client_sink(Before(|call: &mut MethodCall| {
        call.headers
            .push(("reason".to_owned(), "a test".to_owned()));
        None
    })));
    for way in WAYS {
        let url = way.url(&inside, "desk");
        let desk = outside.connect::<DeskProxy>(&url).await.unwrap();
        assert_eq!(
            desk.header("reason").await.unwrap().as_deref(),
            Some("a test")
        );
    }
}

/// Polls what is inside only if that was woken, as futures in a set are.
struct Strict;

struct Flag(AtomicBool, Waker);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
        self.1.wake_by_ref();
    }
}

impl MessageSink for Strict {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        let mut inside = pin!(next.run(call));
        let mut flag: Option<Arc<Flag>> = None;
        std::future::poll_fn(|cx| {
            let known = flag.take().filter(|known| !known.0.load(Ordering::SeqCst));
            if let Some(known) = known {
                flag = Some(known);
                return Poll::Pending;
            }
            let new = Arc::new(Flag(AtomicBool::new(false), cx.waker().clone()));
            let waker = Waker::from(Arc::clone(&new));
            flag = Some(new);
            inside.as_mut().poll(&mut Context::from_waker(&waker))
        })
        .await
    }
}

#[tokio::test]
async fn a_blocking_method_starts_inside_a_sink_that_polls_only_what_was_woken() {
    for way in WAYS {
        let inside = server(Host::builder().server_sink(Strict)).await;
        let outside = client(Host::builder());
        let desk = way.desk(&outside, &inside);
        assert_eq!(desk.block(b"four").await.unwrap(), 4, "{way:?}");
    }
}

/// Passes the call on until it goes well.
struct Again;

impl MessageSink for Again {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        let reply = next.clone().run(call.clone()).await;
        match reply.executed() {
            Executed::No => next.run(call).await,
            Executed::Yes | Executed::Unknown => reply,
        }
    }
}

fn busy_at_first() -> impl MessageSink {
    let first = AtomicBool::new(true);
    Before(move |_: &mut MethodCall| {
        let is_first = first.swap(false, Ordering::SeqCst);
        is_first.then(|| Error::new(ErrorKind::Overloaded, "busy").into())
    })
}

#[tokio::test]
async fn a_sink_of_the_client_may_pass_a_call_on_twice_and_one_of_the_server_may_not() {
    for way in WAYS {
        let inside = server(Host::builder().server_sink(busy_at_first())).await;
        let outside = client(Host::builder().client_sink(Again));
        assert_eq!(way.desk(&outside, &inside).count().await.unwrap(), 1);

        let inside = server(Host::builder().server_sink(Twice)).await;
        let outside = client(Host::builder());
        let error = way.desk(&outside, &inside).count().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{way:?}: {error}");
        assert_eq!(error.executed(), Executed::Yes, "{way:?}: {error}");
    }
}

struct Twice;

impl MessageSink for Twice {
    async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
        drop(next.clone().run(call.clone()).await);
        next.run(call).await
    }
}
