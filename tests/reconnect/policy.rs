//! The table of `ConnectPolicy`, cell by cell.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use remoting::ConnectPolicy::{FailFast, Wait};
use remoting::testing::FaultProxy;
use remoting::{Call, CallOptions, ConnectPolicy, ErrorKind, Executed, Host, Limits, Proxy};

use crate::desk::*;
use crate::dials::Counting;
use crate::relay::Relay;

/// A call that has been polled once, and is not ready.
async fn begun<T, E>(call: Call<T, E>) -> Pin<Box<Call<T, E>>> {
    let mut call = Box::pin(call);
    let polled = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
    assert!(polled, "the call waits");
    call
}

/// The ways to say a policy for all calls.
fn clients(policy: ConnectPolicy) -> [(Host, std::sync::Arc<crate::dials::Dials>); 2] {
    let (counting, of_channel) = Counting::new(None);
    let by_channel = counting.policy(policy).client();
    let (counting, of_host) = Counting::new(None);
    let builder = Host::builder().connect_policy(policy).channel(counting);
    [
        (by_channel, of_channel),
        (builder.start_client().unwrap(), of_host),
    ]
}

#[test]
fn a_call_that_fails_fast_dials_once() {
    within_patience(async {
        let mut server = Server::start("gone").await;
        server.kill().await;
        for (client, dials) in clients(FailFast) {
            let desk: DeskProxy = client.get(&server.url("tcp")).unwrap();
            let error = desk.name().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectFailed);
            assert_eq!(error.executed(), Executed::No);
            assert_eq!(dials.count(), 1);
        }
        // Said for the call, it stands in the place of what the host says.
        for (client, dials) in clients(Wait) {
            let desk: DeskProxy = client.get(&server.url("tcp")).unwrap();
            let call = desk.name().connect_policy(FailFast);
            assert_eq!(call.await.unwrap_err().kind(), ErrorKind::ConnectFailed);
            let strict = desk.with(CallOptions::new().connect_policy(FailFast));
            let error = strict.name().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectFailed);
            assert_eq!(dials.count(), 2);
        }
    });
}

#[test]
fn a_call_that_waits_is_answered_when_the_server_comes() {
    within_patience(async {
        let mut server = Server::start("late").await;
        for said_for_the_call in [false, true] {
            for (client, dials) in clients(if said_for_the_call { FailFast } else { Wait }) {
                server.kill().await;
                let desk: DeskProxy = client.get(&server.url("tcp")).unwrap();
                let mut call = desk.name();
                if said_for_the_call {
                    call = call.connect_policy(Wait);
                }
                let call = tokio::spawn(call);
                until(|| dials.count() >= 3).await;
                server.revive().await;
                assert_eq!(call.await.unwrap().unwrap(), "late");
            }
        }
    });
}

#[test]
fn connecting_and_activating_wait_too() {
    within_patience(async {
        for client in 0..2 {
            let mut server = Server::start("late").await;
            server.kill().await;
            let (client, dials) = clients(Wait).into_iter().nth(client).unwrap();
            let (url, own) = (server.url("tcp"), client.clone());
            let connecting =
                tokio::spawn(async move { own.connect::<DeskProxy>(&url).await.map(drop) });
            until(|| dials.count() >= 2).await;
            let desks = client.activate::<DeskProxy>(&format!("{}s", server.url("tcp")));
            let opening = tokio::spawn(async move { desks.open().await?.name().await });
            server.revive().await;
            connecting.await.unwrap().unwrap();
            assert_eq!(opening.await.unwrap().unwrap(), "opened");
        }
    });
}

#[test]
fn a_call_that_has_waited_in_vain_names_the_last_failure() {
    within_patience(async {
        let mut server = Server::start("gone").await;
        server.kill().await;
        for (client, dials) in clients(Wait) {
            let desk: DeskProxy = client.get(&server.url("tcp")).unwrap();
            let call = desk.name().deadline(Duration::from_secs(2));
            let error = call.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
            assert_eq!(error.executed(), Executed::No);
            let text = error.to_string();
            assert!(text.contains("could not be reached"), "{text}");
            assert!(text.contains("is the server running"), "{text}");
            assert!(text.contains(&server.address), "{text}");
            assert!(dials.count() >= 2, "{:?}", dials.all());
        }
    });
}

#[test]
fn what_does_not_pass_is_told_at_once_even_to_those_who_wait() {
    within_patience(async {
        for kind in [
            ErrorKind::TlsRequired,
            ErrorKind::Unauthenticated,
            ErrorKind::InvalidUrl,
            ErrorKind::VersionMismatch,
        ] {
            let (counting, dials) = Counting::new(Some(kind));
            let client = counting.policy(Wait).client();
            let desk: DeskProxy = client.get("tcp://127.0.0.1:1/desk").unwrap();
            assert_eq!(desk.name().await.unwrap_err().kind(), kind);
            let connecting = client.connect::<DeskProxy>("tcp://127.0.0.1:1/desk");
            assert_eq!(connecting.await.unwrap_err().kind(), kind);
            assert_eq!(dials.count(), 2);
        }
    });
}

/// A client with a session that has lost its connection, and cannot get it back for now.
async fn away(server: &Server, policy: ConnectPolicy) -> (Relay, Host, DeskProxy) {
    let relay = Relay::to(&server.address).await;
    let client = client(policy);
    let url = format!("tcp://{}/desk", relay.address);
    let desk: DeskProxy = client.get(&url).unwrap();
    assert_eq!(desk.name().await.unwrap(), "away");
    relay.close();
    // A call that fails fast knows when the loss was noticed.
    loop {
        let call = desk.name().connect_policy(FailFast);
        let call = call.deadline(Duration::from_millis(200));
        match call.await {
            Err(error) if error.kind() == ErrorKind::Disconnected => break,
            _ => tokio::task::yield_now().await,
        }
    }
    (relay, client, desk)
}

#[test]
fn while_a_session_is_away_a_call_waits_unless_it_was_told_itself_to_fail_fast() {
    within_patience(async {
        let server = Server::start("away").await;
        for policy in [FailFast, Wait] {
            let (relay, _client, desk) = away(&server, policy).await;
            let strict = desk.name().connect_policy(FailFast).await.unwrap_err();
            assert_eq!(strict.kind(), ErrorKind::Disconnected);
            assert_eq!(strict.executed(), Executed::No);
            assert!(strict.to_string().contains("fail fast"), "{strict}");
            let as_host_says = begun(desk.name()).await;
            let waiting = begun(desk.name().connect_policy(Wait)).await;
            relay.open();
            assert_eq!(as_host_says.await.unwrap(), "away");
            assert_eq!(waiting.await.unwrap(), "away");
            let strict = desk.name().connect_policy(FailFast).await;
            assert_eq!(strict.unwrap(), "away");
        }
    });
}

#[test]
fn a_reference_whose_session_is_away_is_no_object_that_is_gone() {
    within_patience(async {
        let server = Server::start("away").await;
        let relay = Relay::to(&server.address).await;
        let client = client(FailFast);
        let url = format!("tcp://{}/desks", relay.address);
        let desk = client.activate::<DeskProxy>(&url).open().await.unwrap();
        relay.close();
        let strict = desk.with(CallOptions::new().connect_policy(FailFast));
        let error = loop {
            let call = strict.name().deadline(Duration::from_millis(200));
            match call.await {
                Err(error) if error.kind() == ErrorKind::Disconnected => break error,
                Err(error) => assert_eq!(error.kind(), ErrorKind::DeadlineExceeded),
                Ok(_) => tokio::task::yield_now().await,
            }
        };
        assert_eq!(error.executed(), Executed::No);
        let waiting = begun(desk.name()).await;
        relay.open();
        assert_eq!(waiting.await.unwrap(), "opened");
    });
}

#[test]
fn a_call_that_waits_goes_out_on_another_session_when_its_own_has_ended() {
    within_patience(async {
        let mut server = Server::start("again").await;
        let line = FaultProxy::to(&server.address).start().await.unwrap();
        let (counting, dials) = Counting::new(None);
        let client = counting.policy(Wait).client();
        let desk: DeskProxy = client.get(&format!("tcp://{}/desk", line.addr())).unwrap();
        assert_eq!(desk.name().await.unwrap(), "again");
        // What was sent is not sent again by any policy.
        let sent = begun(desk.wait()).await;
        server.clerk.entered.acquire().await.unwrap().forget();
        // A server that is taken apart may still say so of its calls; of one that is dead nothing is heard.
        line.refuse().await;
        line.cut_all();
        server.kill().await;
        let error = sent.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SessionLost);
        assert_eq!(error.executed(), Executed::Unknown);
        let waiting = tokio::spawn(desk.name());
        dials.forget();
        until(|| dials.count() >= 2).await;
        server.revive().await;
        line.accept().await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), "again");
    });
}

#[test]
fn a_full_server_is_waited_for_at_its_door() {
    within_patience(async {
        let (server, occupant) = Server::full().await;
        let (counting, dials) = Counting::new(None);
        let second = counting.client();
        let desk: DeskProxy = second.get(&server.url("tcp")).unwrap();
        let error = desk.name().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Overloaded);
        assert_eq!(error.executed(), Executed::No);
        let waiting = tokio::spawn(desk.name().connect_policy(Wait));
        until(|| dials.count() >= 4).await;
        drop(occupant);
        assert_eq!(waiting.await.unwrap().unwrap(), "full");
    });
}

#[test]
fn a_call_without_a_session_waits_for_its_server_too() {
    within_patience(async {
        let mut server = Server::with(Kind::Http, "http", Limits::default()).await;
        let client = client(FailFast);
        let desk: DeskProxy = client.get(&server.url("http")).unwrap();
        assert_eq!(desk.name().await.unwrap(), "http");
        server.kill().await;
        // The first may still find a connection that it had.
        while desk.name().await.unwrap_err().kind() != ErrorKind::ConnectFailed {}
        let call = desk.name().connect_policy(Wait);
        let in_vain = call.deadline(Duration::from_millis(300)).await.unwrap_err();
        assert_eq!(in_vain.kind(), ErrorKind::DeadlineExceeded);
        assert_eq!(in_vain.executed(), Executed::No);
        let waiting = begun(desk.name().connect_policy(Wait)).await;
        server.revive().await;
        assert_eq!(waiting.await.unwrap(), "http");
    });
}
