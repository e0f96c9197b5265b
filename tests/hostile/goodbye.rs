//! Drains that end with a call which nobody answers and no word is sent of.

use std::future::ready;
use std::time::Duration;

use remoting::{ConnectionState, ErrorKind, Limits};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::objects::*;
use crate::support::*;

/// How long nobody has to wait who is woken.
const SOON: Duration = Duration::from_secs(20);

type Visit = JoinHandle<remoting::Result<()>>;

/// A client that may send no CANCEL and drains, with a call under way; gives the call, and the drain.
async fn drain(server: &Server, deadline: Duration) -> (Visit, JoinHandle<()>) {
    let mut limits = Limits::default();
    limits.cancels_per_second = 0;
    without_timers(&mut limits);
    let host = client(limits);
    let probe: ProbeProxy = host.get(&server.url("probe")).unwrap();
    assert_eq!(probe.add(1, 2).await.unwrap(), 3);
    let call = tokio::spawn(async move { probe.wait().deadline(deadline).await });
    take(&server.gate.entered, 1).await;
    let own = host.clone();
    let drain = tokio::spawn(async move {
        own.run_until(ready(())).drain(HOUR).await;
    });
    until(|| {
        let connections = host.connections();
        connections.is_empty() || connections[0].state == ConnectionState::Draining
    })
    .await;
    (call, drain)
}

#[test]
fn a_call_whose_deadline_ends_the_drain_hears_of_it() {
    within_patience(async {
        let server = Server::new().await;
        let (call, _drain) = drain(&server, Duration::from_secs(1)).await;
        let ended = timeout(SOON, call).await.expect("the caller is woken");
        let error = ended.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    });
}

#[test]
fn a_drain_ends_with_the_last_call_that_is_given_up() {
    within_patience(async {
        let server = Server::new().await;
        let (call, drain) = drain(&server, HOUR).await;
        call.abort();
        let ended = timeout(SOON, drain).await;
        ended.expect("nothing is under way").unwrap();
    });
}
