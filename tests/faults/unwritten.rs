//! Calls whose bytes have left although the link did not say so, when the connection breaks: as through TLS or a WebSocket, which
//! take more than the socket does. Nobody may be told that they were not executed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use remoting::channel::{
    Acceptor, BoxFuture, Channel, ChannelSettings, Dialed, LinkWriter, Listener,
};
use remoting::prelude::*;
use remoting::testing::cut;
use remoting::{Error, Executed, Limits, ObjectUrl};

use crate::ground::{BenchProxy, Record, Transport, server};
use crate::support::within_patience;

/// TCP, with a writer that passes bytes on and keeps to itself that it did, once it is told to.
struct Secretive {
    tcp: TcpChannel,
    is_secretive: Arc<AtomicBool>,
}

impl Channel for Secretive {
    fn scheme(&self) -> &'static str {
        "tcp"
    }

    fn settings(&self) -> &ChannelSettings {
        self.tcp.settings()
    }

    fn listen(&self, _: Acceptor) -> BoxFuture<'_, Result<Option<Listener>, Error>> {
        Box::pin(async { Ok(None) })
    }

    fn dial<'a>(&'a self, url: &'a ObjectUrl) -> BoxFuture<'a, Result<Dialed, Error>> {
        Box::pin(async move {
            let mut dialed = self.tcp.dial(url).await?;
            if let Dialed::Link(link) = &mut dialed {
                let nothing = Box::new(Nothing) as Box<dyn LinkWriter>;
                link.writer = Box::new(Writer {
                    link: std::mem::replace(&mut link.writer, nothing),
                    is_secretive: Arc::clone(&self.is_secretive),
                    kept: 0,
                });
            }
            Ok(dialed)
        })
    }
}

struct Nothing;

impl LinkWriter for Nothing {
    fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

struct Writer {
    link: Box<dyn LinkWriter>,
    is_secretive: Arc<AtomicBool>,
    kept: usize,
}

impl LinkWriter for Writer {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.is_secretive.load(Ordering::SeqCst) {
            return self.link.poll_write(cx, bytes);
        }
        if self.kept == 0 {
            self.kept = ready!(self.link.poll_write(cx, bytes))?;
        }
        Poll::Pending
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.poll_close(cx)
    }

    fn kept_back(&self) -> usize {
        self.kept
    }
}

/// Has a call run of which the link says nothing, and then the connection break, with or without a session that outlives it.
async fn lose(limits: Limits, is_resumed: bool) {
    let record = Record::default();
    let (server, address) = server(Transport::Tcp, &record, |of_server| {
        of_server.resume_window = limits.resume_window;
    })
    .await;
    let is_secretive = Arc::new(AtomicBool::new(false));
    let channel = Secretive {
        tcp: TcpChannel::client(),
        is_secretive: Arc::clone(&is_secretive),
    };
    let client = Host::builder().limits(limits).channel(channel);
    let client = client.start_client().unwrap();
    let bench: BenchProxy = client.get(&format!("tcp://{address}/bench")).unwrap();
    assert_eq!(bench.add(1, 2).await.unwrap(), 3);
    is_secretive.store(true, Ordering::SeqCst);
    let call = tokio::spawn(bench.wait());
    record.entered.acquire().await.unwrap().forget();
    if is_resumed {
        // It is not there when the client dials again.
        drop(server);
    } else {
        cut(&server);
    }
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.executed(), Executed::Unknown, "{error}");
}

#[test]
fn a_call_that_has_left_without_a_word_of_the_link_may_have_been_executed() {
    within_patience(async {
        let mut limits = Limits::default();
        lose(limits.clone(), true).await;
        limits.resume_window = std::time::Duration::ZERO;
        lose(limits, false).await;
    });
}
