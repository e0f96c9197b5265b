//! Streams over a line that is cut at every byte, where sessions end with their connections: what came is the beginning of
//! the stream, and its end says that it is none.

use std::sync::{Arc, Mutex};

use remoting::prelude::*;
use remoting::testing::{Cut, Direction, FaultProxy, Trouble};
use remoting::{ErrorKind, Executed, Limits};
use tokio::task::JoinSet;

use crate::ground::{Way, address, client, until, url};

#[remote]
pub trait Mill {
    async fn grind(&self, corn: Streaming<u64>) -> remoting::Result<Streaming<u64>>;
}

/// Gives back what it is given, doubled, and notes how what it was given has ended.
#[derive(Clone, Default)]
struct Wheel(Arc<Mutex<Vec<Ground>>>);

/// How many items came, and the error that they ended with.
type Ground = (u64, Option<remoting::Error>);

impl Mill for Wheel {
    async fn grind(&self, mut corn: Streaming<u64>) -> remoting::Result<Streaming<u64>> {
        let ends = Arc::clone(&self.0);
        Ok(Streaming::produce(|mut out| async move {
            let mut came = 0;
            let end = loop {
                match corn.next().await {
                    None => break None,
                    Some(Err(error)) => break Some(error),
                    Some(Ok(number)) => {
                        came += 1;
                        assert_eq!(number, came, "in order, and none is missing");
                    }
                }
                if out.send(2 * came).await.is_err() {
                    break None;
                }
            };
            ends.lock().unwrap().push((came, end.clone()));
            end.map_or(Ok(()), Err)
        }))
    }
}

/// How many items go through the mill.
const CORN: u64 = 30;

/// What came back, and the error that it ended with.
async fn grind(mill: &MillProxy) -> Ground {
    let mut flour = match mill.grind(Streaming::of(1..=CORN)).await {
        Ok(flour) => flour,
        Err(error) => return (0, Some(error)),
    };
    let mut came = 0;
    while let Some(item) = flour.next().await {
        match item {
            Err(error) => return (came, Some(error)),
            Ok(number) => {
                came += 1;
                assert_eq!(number, 2 * came);
            }
        }
    }
    (came, None)
}

/// A mill behind a line, and how the stream went through it.
async fn run(direction: Direction, trouble: Trouble) -> (FaultProxy, Ground) {
    let wheel = Wheel::default();
    let mut mortal = Limits::default();
    mortal.resume_window = std::time::Duration::ZERO;
    let channel = TcpChannel::listen("127.0.0.1:0").named("main");
    let builder = Host::builder().limits(mortal.clone()).channel(channel);
    let server = builder.start().await.unwrap();
    server
        .marshal("mill", MillDispatcher::new(wheel.clone()))
        .unwrap();
    let line = FaultProxy::to(address(&server))
        .trouble(direction, trouble)
        .start()
        .await
        .unwrap();
    let client = client(mortal).await;
    let mill: MillProxy = client.get(&url(Way::Tcp, line.addr(), "mill")).unwrap();
    let went = grind(&mill).await;
    if went.1.is_some() {
        // Nothing is left at either side when the line is gone.
        until(|| server.open_connections() == 0).await;
        until(|| client.open_connections() == 0).await;
    }
    // A mill that was given corn has seen its end, or was stopped where it waited to send.
    let ends = wheel.0.lock().unwrap().clone();
    assert!(ends.len() <= 1);
    for (came, end) in ends {
        assert!(came == CORN || end.is_some() || went.1.is_some());
        assert!(end.is_none_or(|end| is_of_the_line(&end)));
    }
    (line, went)
}

fn is_of_the_line(error: &remoting::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::SessionLost
            | ErrorKind::Disconnected
            | ErrorKind::UpstreamFailed
            | ErrorKind::Cancelled
    )
}

async fn cut_everywhere(direction: Direction) {
    let (line, whole) = run(direction, Trouble::none()).await;
    assert_eq!(whole, (CORN, None));
    let bytes = line.bytes(direction);
    assert!(bytes > 200, "{bytes}");
    let lines: JoinSet<u64> = (0..8)
        .map(|line| async move {
            let mut most = 0;
            for at in (line..bytes).step_by(8) {
                for cut in [Cut::Reset, Cut::Close] {
                    let short = Trouble::none().cut_after(at, cut);
                    let (_, (came, end)) = run(direction, short).await;
                    let whole = came == CORN && end.is_none();
                    let says = end.as_ref().is_some_and(is_of_the_line);
                    assert!(whole || says, "{direction:?} {at} {cut:?}: {came} {end:?}");
                    assert!(end.is_none_or(|end| end.executed() != Executed::No || came == 0));
                    most = most.max(came);
                }
            }
            most
        })
        .collect();
    let most = lines.join_all().await.into_iter().max();
    // What goes to the server is there before anything comes back.
    if direction == Direction::ToClient {
        assert_eq!(most, Some(CORN), "some cuts come behind the last item");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_on_its_way_to_the_server_does_not_seem_to_have_ended() {
    cut_everywhere(Direction::ToServer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_on_its_way_to_the_client_does_not_seem_to_have_ended() {
    cut_everywhere(Direction::ToClient).await;
}
