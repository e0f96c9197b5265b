//! A process that is told to end, by real signals: this one.
#![cfg(unix)]
#![allow(missing_docs, reason = "an interface of a test explains nothing")]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use remoting::prelude::*;
use remoting::{Executed, shutdown_signal};
use tokio::sync::Semaphore;

#[remote]
pub trait Waiting {
    async fn wait(&self) -> remoting::Result<()>;
}

struct ForEver(Arc<Semaphore>);

impl Waiting for ForEver {
    async fn wait(&self) -> remoting::Result<()> {
        self.0.add_permits(1);
        std::future::pending().await
    }
}

async fn send(signal: &'static str) {
    let own = std::process::id().to_string();
    let sent =
        tokio::task::spawn_blocking(move || Command::new("kill").args([signal, &own]).status());
    assert!(sent.await.unwrap().unwrap().success());
}

async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// The test has the process for itself: signals come to all who listen.
#[tokio::test]
async fn the_first_signal_drains_and_the_second_cuts() {
    // A signal that comes before anybody listens would end the process.
    let mut listening = Box::pin(shutdown_signal());
    assert!(
        std::future::poll_fn(|cx| std::task::Poll::Ready(listening.as_mut().poll(cx)))
            .await
            .is_pending()
    );
    for (first, second) in [("-TERM", "-TERM"), ("-INT", "-TERM"), ("-TERM", "-INT")] {
        let entered = Arc::new(Semaphore::new(0));
        let builder = Host::builder().channel(TcpChannel::listen("127.0.0.1:0"));
        let host = builder.start().await.unwrap();
        let object = ForEver(Arc::clone(&entered));
        host.marshal("object", WaitingDispatcher::new(object))
            .unwrap();
        let builder = Host::builder().channel(TcpChannel::client());
        let client = builder.start().await.unwrap();
        let waiting: WaitingProxy = client.get(&host.url("object").unwrap()).unwrap();
        let call = tokio::spawn(async move { waiting.wait().await });
        entered.acquire().await.unwrap().forget();
        let run = host
            .run_until(shutdown_signal())
            .drain(Duration::from_secs(3600))
            .cut_on(shutdown_signal());
        let mut run = Box::pin(run.into_future());
        assert!(
            std::future::poll_fn(|cx| std::task::Poll::Ready(run.as_mut().poll(cx)))
                .await
                .is_pending()
        );
        let run = tokio::spawn(run);
        send(first).await;
        until(|| !host.channels()[0].is_listening()).await;
        assert!(!call.is_finished() && !run.is_finished());
        send(second).await;
        assert_eq!(run.await.unwrap().cut, 1);
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.executed(), Executed::Unknown, "{error}");
    }
}
