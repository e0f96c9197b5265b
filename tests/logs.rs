//! What an operator reads: one line each for what matters, none for a call.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

use std::time::Duration;

use remoting::ErrorDetail;
use remoting::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[path = "support/log.rs"]
mod log;

use log::{Log, with_log};

#[remote]
pub trait Counter {
    async fn next(&self) -> remoting::Result<u32>;
    /// Waits for ever.
    async fn last(&self) -> remoting::Result<u32>;
    async fn fail(&self) -> remoting::Result<()>;
    /// Waits for ever, and may not be cut.
    #[detached]
    async fn stay(&self) -> remoting::Result<()>;
}

struct Tally;

impl Counter for Tally {
    async fn next(&self) -> remoting::Result<u32> {
        Ok(1)
    }
    async fn last(&self) -> remoting::Result<u32> {
        tracing::info!("the last call has begun");
        std::future::pending().await
    }
    async fn fail(&self) -> remoting::Result<()> {
        panic!("a secret\nof two lines")
    }
    async fn stay(&self) -> remoting::Result<()> {
        tracing::info!("somebody stays");
        std::future::pending().await
    }
}

/// Waits until a line has all of `parts`, and gives it.
async fn line(log: &Log, parts: &[&str]) -> String {
    let found = async {
        loop {
            if let Some(line) = log.lines(parts).into_iter().next() {
                return line;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), found).await;
    found.unwrap_or_else(|_| panic!("no line has all of {parts:?}:\n{}", log.text()))
}

async fn server() -> (Host, String) {
    let host = Host::builder()
        .error_detail(ErrorDetail::Off)
        .channel(TcpChannel::listen("127.0.0.1:0").named("front"))
        .start()
        .await
        .unwrap();
    host.publish("tally", CounterDispatcher::singleton(|| Tally))
        .unwrap();
    let address = host.channel("front").unwrap().address().unwrap();
    (host, address)
}

#[test]
fn a_connection_is_logged_when_it_comes_and_goes_and_its_calls_are_not() {
    with_log(async |log| {
        let (_server, address) = server().await;
        line(&log, &["INFO", "remoting::host", "started"]).await;
        line(
            &log,
            &["INFO", "remoting::channel", "listening", "front", &address],
        )
        .await;
        let client = Host::builder()
            .channel(TcpChannel::client())
            .start()
            .await
            .unwrap();
        let tally: CounterProxy = client.connect(&format!("{address}/tally")).await.unwrap();
        line(
            &log,
            &["INFO", "remoting::connection", "connected", "127.0.0.1:"],
        )
        .await;
        let before = log.text().lines().count();
        for _ in 0..10 {
            tally.next().await.unwrap();
        }
        tokio::task::yield_now().await;
        let lines = log.text().lines().count();
        assert!(lines <= before + 1, "calls were logged:\n{}", log.text());
        drop((tally, client));
        line(
            &log,
            &[
                "INFO",
                "remoting::connection",
                "connection closed",
                "127.0.0.1:",
            ],
        )
        .await;
    });
}

#[test]
fn a_panic_is_logged_with_its_method_on_one_line_and_the_caller_gets_its_number() {
    with_log(async |log| {
        let (_server, address) = server().await;
        let client = Host::builder()
            .channel(TcpChannel::client())
            .start()
            .await
            .unwrap();
        let tally: CounterProxy = client.get(&format!("{address}/tally")).unwrap();
        let error = tally.fail().await.unwrap_err();
        let number = format!(
            "{:016x}",
            error
                .correlation()
                .expect("the error names a line of the log")
        );
        let line = line(
            &log,
            &["ERROR", "remoting::call", "fail", "panicked", &number],
        )
        .await;
        assert!(
            line.contains("a secret") && line.contains("of two lines"),
            "{line}"
        );
        assert!(!error.to_string().contains("secret"), "{error}");
    });
}

#[test]
fn a_refused_frame_is_logged_with_its_rule_and_its_peer() {
    with_log(async |log| {
        let (_server, address) = server().await;
        let mut peer = TcpStream::connect(address.trim_start_matches("tcp://"))
            .await
            .unwrap();
        let from = peer.local_addr().unwrap().to_string();
        // The preface, and a CALL where a HELLO belongs.
        peer.write_all(b"RMT1\x01\0\0\0\x01\0\0\x01\0")
            .await
            .unwrap();
        peer.read_to_end(&mut Vec::new()).await.unwrap();
        let line = line(&log, &["WARN", "remoting::connection", &from, "rule"]).await;
        assert!(line.contains("connection closed"), "{line}");
    });
}

#[test]
fn a_host_that_waits_for_calls_tells_how_many_there_are() {
    with_log(async |log| {
        let (host, address) = server().await;
        let client = Host::builder().channel(TcpChannel::client());
        let client = client.start().await.unwrap();
        let tally: CounterProxy = client.get(&format!("{address}/tally")).unwrap();
        let call = tokio::spawn(async move { tally.last().await });
        line(&log, &["the last call has begun"]).await;
        let (cut, is_cut) = tokio::sync::oneshot::channel::<()>();
        let run = host.run_until(std::future::ready(())).cut_on(is_cut);
        let run = tokio::spawn(run.drain(Duration::from_secs(3600)).into_future());
        line(&log, &["INFO", "calls are under way", "calls=1"]).await;
        drop(cut);
        assert_eq!(run.await.unwrap().cut, 1);
        assert!(call.await.unwrap().is_err());
    });
}

#[test]
fn a_connection_that_is_cut_says_so_and_one_that_has_nothing_to_do_says_that() {
    with_log(async |log| {
        let (host, address) = server().await;
        let [idle, busy] = [0, 1].map(|_| {
            let client = Host::builder().channel(TcpChannel::client());
            client.start_client().unwrap()
        });
        let resting: CounterProxy = idle.get(&format!("{address}/tally")).unwrap();
        resting.next().await.unwrap();
        let staying: CounterProxy = busy.get(&format!("{address}/tally")).unwrap();
        let call = tokio::spawn(async move { staying.stay().await });
        line(&log, &["somebody stays"]).await;
        // Time enough for the one that rests to close by itself.
        let run = host.run_until(std::future::ready(()));
        assert_eq!(run.drain(Duration::from_secs(1)).await.cut, 1);
        assert!(call.await.unwrap().is_err());
        line(
            &log,
            &["connection closed", "nothing is under way any more"],
        )
        .await;
        line(
            &log,
            &["connection closed", "the host stops, and waits no longer"],
        )
        .await;
    });
}
