//! A call that streams both ways, cut at every byte of either direction: its consumer gets the first items and then an
//! error, or all of them; producers stop, nothing hangs, and the server holds nothing any more.

use std::net::SocketAddr;
use std::sync::Arc;

use remoting::prelude::*;
use remoting::testing::{Cut, FaultProxy, Lane, Trouble};
use remoting::{Error, ErrorKind, Executed, GoneReason};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::ground::{BenchProxy, Record, Transport, client, server, url};
use crate::support::{until, within_patience};

use Lane::{ToClient, ToServer};

const FIRST: u64 = 7;
const ITEMS: u64 = 50;

/// How many conversations go on at once.
const AT_ONCE: usize = 32;

/// How a conversation has ended.
#[derive(Debug)]
enum End {
    /// Nothing was streamed.
    Call(Error),
    /// So many items came, and then an error.
    Stream(u64, Error),
    Whole,
}

/// Has an object made, streams one item up and many down, and checks that those that come are the first ones.
async fn converse(client: &Host, url: &str, own: &Record) -> End {
    let call = async {
        let bench = client.activate::<BenchProxy>(url).build().await?;
        let work = own.work();
        let up = Streaming::produce(move |mut out| async move {
            let _work = work;
            out.send(FIRST).await?;
            // It stops when nobody reads it any more.
            std::future::pending().await
        });
        Ok((bench.count_on(up, ITEMS).await?, bench))
    };
    let (mut down, _bench) = match call.await {
        Ok(both) => both,
        Err(error) => return End::Call(error),
    };
    let mut count = 0;
    while let Some(item) = down.next().await {
        match item {
            Ok(number) => assert_eq!(number, FIRST + count),
            Err(error) => {
                assert!(down.next().await.is_none(), "an error is the last");
                return End::Stream(count, error);
            }
        }
        count += 1;
    }
    assert_eq!(count, ITEMS, "a stream that ends without an error is whole");
    End::Whole
}

/// Converses through a proxy of its own.
async fn cut_at(server: SocketAddr, lane: Lane, at: u64, cut: Cut) -> End {
    let trouble = Trouble::none().cut_after(at, cut);
    let proxy = FaultProxy::to(server).trouble(lane, trouble);
    let proxy = proxy.start().await.unwrap();
    let client = client(|_| {});
    let own = Record::default();
    let end = converse(&client, &url(Transport::Tcp, &proxy, "benches"), &own).await;
    until(|| own.is_idle()).await;
    let (error, has_run) = match &end {
        End::Call(error) => (error, false),
        // The call has returned its stream.
        End::Stream(_, error) => (error, true),
        End::Whole => return end,
    };
    let place = format!("{lane:?} {at} {cut:?}: {error:?}");
    match error.kind() {
        ErrorKind::SessionLost | ErrorKind::Disconnected => {}
        // The connection was lost between two calls, and the object with it.
        ErrorKind::ObjectGone(GoneReason::SessionExpired) => {
            assert_eq!(error.executed(), Executed::No, "{place}");
        }
        // A connection that is reset before anything else was never there.
        ErrorKind::ConnectFailed if at == 0 => {
            assert_eq!(error.executed(), Executed::No, "{place}");
        }
        _ => panic!("{place}"),
    }
    assert_eq!(error.executed() == Executed::Yes, has_run, "{place}");
    end
}

/// How many bytes go each way when nothing is cut.
async fn clean_run(server: SocketAddr) -> [(Lane, u64); 2] {
    let proxy = FaultProxy::to(server).start().await.unwrap();
    let client = client(|_| {});
    let own = Record::default();
    let end = converse(&client, &url(Transport::Tcp, &proxy, "benches"), &own).await;
    assert!(matches!(end, End::Whole), "{end:?}");
    until(|| own.is_idle()).await;
    [ToServer, ToClient].map(|lane| (lane, proxy.bytes(lane)))
}

async fn a_stream_cut_at_every_byte(cut: Cut) {
    let record = Record::default();
    let (server, address) = server(Transport::Tcp, &record, |_| {}).await;
    let (kept, leases) = (server.kept_objects(), server.leases().len());
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut conversations = JoinSet::new();
    for (lane, length) in clean_run(address).await {
        for at in 0..=length {
            let places = Arc::clone(&places);
            conversations.spawn(async move {
                let _place = places.acquire_owned().await.unwrap();
                cut_at(address, lane, at, cut).await
            });
        }
    }
    let (mut calls, mut parts, mut wholes) = (0, 0, 0);
    while let Some(end) = conversations.join_next().await {
        match end.unwrap() {
            End::Call(_) => calls += 1,
            End::Stream(0..ITEMS, _) => parts += 1,
            // Only what ends the stream was cut off.
            End::Stream(..) | End::Whole => wholes += 1,
        }
    }
    // The cuts have met all parts of the conversation.
    assert!(
        calls > 50 && parts > 50 && wholes > 1,
        "{calls} {parts} {wholes}"
    );
    until(|| record.is_idle()).await;
    until(|| server.open_connections() == 0).await;
    until(|| server.kept_objects() == kept && server.leases().len() == leases).await;
    for (limit, reached) in server.counters().all() {
        assert_eq!(reached, 0, "{limit}");
    }
}

#[test]
fn a_stream_whose_connection_is_reset_at_any_byte_ends_in_order() {
    within_patience(a_stream_cut_at_every_byte(Cut::Reset));
}

#[test]
fn a_stream_whose_connection_is_closed_at_any_byte_ends_in_order() {
    within_patience(a_stream_cut_at_every_byte(Cut::Close));
}

#[test]
fn a_stream_of_which_one_direction_ends_at_any_byte_ends_in_order() {
    within_patience(a_stream_cut_at_every_byte(Cut::HalfClose));
}
