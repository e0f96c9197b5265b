//! A peer to which more is to be written than may wait: nothing is read from it meanwhile, and then again.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::{Duration, Instant};

use remoting::channel::{
    Acceptor, BoxFuture, Channel, ChannelSettings, Dialed, Link, LinkError, LinkReader, LinkWriter,
    Listener,
};
use remoting::{Counters, Error, Host, ObjectUrl, Peer};
use remoting_core::wire::PREFACE;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpListener;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Handle;

use crate::objects::take;
use crate::raw::*;
use crate::support::*;

/// How long one who writes is held up at most.
const PATIENCE: Duration = Duration::from_secs(1);

/// Holds up whoever writes next, in the midst of that, until the connection has stopped reading.
#[derive(Clone, Default)]
struct Hold {
    is_set: Arc<AtomicBool>,
    holds: Arc<AtomicBool>,
    counters: Arc<Mutex<Option<Arc<Counters>>>>,
}

impl Hold {
    fn pass(&self) {
        if !self.is_set.swap(false, Ordering::SeqCst) {
            return;
        }
        self.holds.store(true, Ordering::SeqCst);
        let counters = self.counters.lock().unwrap().clone().unwrap();
        let (begun, runtime) = (Instant::now(), Handle::current());
        while counters.unsent.get() == 0 && begun.elapsed() < PATIENCE {
            // This thread is held, and may be the one that was to hear of what comes in: another looks.
            drop(runtime.spawn(std::future::ready(())));
            thread::yield_now();
        }
    }
}

/// TCP, with a hold on what is written.
struct Held {
    settings: ChannelSettings,
    hold: Hold,
}

impl Channel for Held {
    fn scheme(&self) -> &'static str {
        "held"
    }

    fn settings(&self) -> &ChannelSettings {
        &self.settings
    }

    fn listen(&self, acceptor: Acceptor) -> BoxFuture<'_, Result<Option<Listener>, Error>> {
        Box::pin(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("held://{}", listener.local_addr().unwrap());
            let hold = self.hold.clone();
            *hold.counters.lock().unwrap() = Some(acceptor.counters());
            tokio::spawn(async move {
                let (mut stream, peer) = listener.accept().await.unwrap();
                // What is before the first frame is the channel's.
                let mut preface = PREFACE;
                stream.read_exact(&mut preface).await.unwrap();
                stream.write_all(&preface).await.unwrap();
                let admission = acceptor.admit(Some(peer.ip())).unwrap();
                let (reader, writer) = stream.into_split();
                let link = Link {
                    reader: Box::new(Incoming(reader)),
                    writer: Box::new(Outgoing(writer, hold)),
                    peer: Peer::at(peer),
                    formatter: None,
                };
                acceptor.accept(link, admission);
            });
            let guard = Box::new(());
            Ok(Some(Listener { address, guard }))
        })
    }

    fn dial<'a>(&'a self, _: &'a ObjectUrl) -> BoxFuture<'a, Result<Dialed, Error>> {
        unreachable!("nobody dials here")
    }
}

struct Incoming(OwnedReadHalf);

impl LinkReader for Incoming {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<Result<usize, LinkError>> {
        let mut room = [0; 1024];
        let mut read = ReadBuf::new(&mut room);
        let came = ready!(std::pin::Pin::new(&mut self.0).poll_read(cx, &mut read));
        came.map_err(LinkError::Io)?;
        buffer.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }
}

struct Outgoing(OwnedWriteHalf, Hold);

impl LinkWriter for Outgoing {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.1.pass();
        std::pin::Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[test]
fn reading_goes_on_when_another_has_written_what_was_too_much() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    within_patience_on(builder.worker_threads(3), async {
        let hold = Hold::default();
        let channel = Held {
            settings: ChannelSettings::new("held"),
            hold: hold.clone(),
        };
        let mut limits = remoting::Limits::default();
        limits.unsent = 8 * 1024;
        without_timers(&mut limits);
        let (host, gate) = serve(Host::builder().limits(limits).channel(channel)).await;
        let address = host.channel("held").unwrap().address().unwrap();
        let mut raw = Raw::greeted(address.trim_start_matches("held://")).await;
        raw.send(&resolve(0, "probe")).await;
        assert!(raw.answer().await.is_some());
        // Methods that were called before are called where they are read.
        raw.send(&call(1, 0, "bytes", &packed(&(1,)))).await;
        assert!(matches!(
            raw.answer().await,
            Some(Seen::Return { call: 1, .. })
        ));
        // The answer may be written by the connection's own task, which then reads nothing anyway: again, if so.
        let mut id = 2;
        while counter(&host, "unsent") == 0 && id < 80 {
            raw.send(&call(id, 0, "wait", &[])).await;
            take(&gate.entered, 1).await;
            hold.holds.store(false, Ordering::SeqCst);
            hold.is_set.store(true, Ordering::SeqCst);
            gate.door.add_permits(1);
            until(|| hold.holds.load(Ordering::SeqCst)).await;
            raw.send(&call(id + 1, 0, "bytes", &packed(&(20_000,))))
                .await;
            for _ in 0..2 {
                assert!(matches!(raw.answer().await, Some(Seen::Return { .. })));
            }
            id += 2;
        }
        assert_eq!(counter(&host, "unsent"), 1, "nothing was read meanwhile");
        let served = tokio::time::timeout(Duration::from_secs(20), raw.is_served(id));
        served.await.expect("reading goes on");
    });
}
