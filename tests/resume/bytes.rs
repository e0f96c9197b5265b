//! A line that is cut at every byte of a whole conversation, in either direction.

use std::sync::atomic::Ordering;

use remoting::prelude::*;
use remoting::testing::{Cut, FaultProxy, Lane, Trouble};
use remoting::{Executed, Limits};
use tokio::task::JoinSet;

use crate::ground::*;

/// What is said over a line: calls, an activation, a callback, streams, a release.
async fn converse(ledger: &LedgerProxy, own: &LedgerProxy) -> remoting::Result<()> {
    for _ in 0..3 {
        ledger.next().await?;
    }
    assert_eq!(own.next().await?, 8);
    let ear = Ear::default();
    ledger.tell(ListenerProxy::local(ear.clone()), 3).await?;
    assert_eq!(ear.0.load(Ordering::SeqCst), 3);
    assert_eq!(ledger.sum(Streaming::of(1..=10)).await?, 55);
    let numbers: Vec<u64> = ledger.count_to(10).await?.collect().await?;
    assert!(numbers.into_iter().eq(1..=10));
    Ok(())
}

struct Run {
    server: Host,
    book: Book,
    line: FaultProxy,
}

impl Run {
    async fn new() -> Self {
        let book = Book::default();
        let server = serve(Way::Tcp, Limits::default(), &book, "127.0.0.1:0").await;
        let line = FaultProxy::to(address(&server)).start().await.unwrap();
        Self { server, book, line }
    }

    /// A client has the whole conversation.
    async fn whole(&self) -> Result<(), remoting::Error> {
        let client = client(Limits::default()).await;
        let url = |name| url(Way::Tcp, self.line.addr(), name);
        let own = client
            .activate::<LedgerProxy>(&url("ledgers"))
            .open(7)
            .await?;
        let ledger: LedgerProxy = client.get(&url("ledger"))?;
        let said = converse(&ledger, &own).await;
        drop((ledger, own));
        until(|| said.is_err() || self.server.kept_objects() == 1).await;
        said
    }
}

/// How many lines are cut at the same time.
const LINES: u64 = 8;

async fn cut_everywhere(lane: Lane) {
    let run = Run::new().await;
    run.whole().await.unwrap();
    let bytes = run.line.bytes(lane);
    assert!(bytes > 300, "{bytes}");
    let lines: JoinSet<u64> = (0..LINES)
        .map(|line| async move {
            let mut went_on = 0;
            for at in (line..bytes).step_by(LINES as usize) {
                for cut in [Cut::Reset, Cut::Close] {
                    went_on += u64::from(cut_once(lane, at, cut).await);
                }
            }
            went_on
        })
        .collect();
    let went_on: u64 = lines.join_all().await.into_iter().sum();
    assert!(
        went_on > bytes,
        "{went_on} of {} cuts were not noticed",
        2 * bytes
    );
}

/// Cuts the first connection of a conversation. Tells whether it went on all the same.
async fn cut_once(lane: Lane, at: u64, cut: Cut) -> bool {
    let run = Run::new().await;
    let short = Trouble::none().cut_after(at, cut);
    run.line.set_new(lane, short);
    let whole = run.whole();
    let said = {
        tokio::pin!(whole);
        tokio::select! {
            said = &mut whole => said,
            () = until(|| run.line.connections() > 0) => {
                run.line.set_new(lane, Trouble::none());
                whole.await
            }
        }
    };
    let added = run.book.count.load(Ordering::SeqCst);
    match said {
        Ok(()) => assert_eq!(added, 3, "{lane:?} {at} {cut:?}"),
        // The line was cut before the two sides had agreed that the session outlives it.
        Err(error) => {
            assert_eq!(added, 0, "{lane:?} {at} {cut:?}: {error}");
            assert_ne!(error.executed(), Executed::Yes);
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_cut_at_any_byte_to_the_server_loses_nothing() {
    cut_everywhere(Lane::ToServer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_cut_at_any_byte_to_the_client_loses_nothing() {
    cut_everywhere(Lane::ToClient).await;
}
