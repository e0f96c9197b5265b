//! Several addresses in one URL.

use std::time::Duration;

use remoting::ConnectPolicy::{FailFast, Wait};
use remoting::{
    ConnectionInfo, ConnectionState, ErrorKind, Executed, GoneReason, Host, Limits, TcpChannel,
};
use tokio::net::TcpListener;

use crate::desk::*;
use crate::dials::Counting;
use crate::relay::Relay;

fn url(servers: &[&Server]) -> String {
    let addresses: Vec<_> = servers
        .iter()
        .map(|server| server.address.as_str())
        .collect();
    format!("tcp://{}/desk", addresses.join(","))
}

/// Waits until a client knows that its connection is lost: what it sends before that is sent.
async fn noticed(client: &Host) {
    let is_open = |connection: ConnectionInfo| connection.state == ConnectionState::Open;
    until(|| !client.connections().into_iter().any(is_open)).await;
}

#[test]
fn addresses_are_dialled_in_order_beginning_with_the_one_that_worked_last() {
    within_patience(async {
        let mut first = Server::start("first").await;
        let mut second = Server::start("second").await;
        let (counting, dials) = Counting::new(None);
        let client = counting.client();
        let desk: DeskProxy = client.get(&url(&[&first, &second])).unwrap();
        assert_eq!(desk.name().await.unwrap(), "first");
        assert_eq!(dials.all(), [first.address.clone()]);
        // The call was not sent when the first server went: it goes to the second by itself.
        first.kill().await;
        noticed(&client).await;
        assert_eq!(desk.name().await.unwrap(), "second");
        assert_eq!(dials.all().last(), Some(&second.address));
        // It stays there although the first is back, and when it has to be dialled again.
        first.revive().await;
        assert_eq!(desk.name().await.unwrap(), "second");
        dials.forget();
        second.kill().await;
        noticed(&client).await;
        second.revive().await;
        assert_eq!(desk.name().await.unwrap(), "second");
        assert!(dials.all().iter().all(|dialled| *dialled == second.address));
    });
}

#[test]
fn the_error_of_several_addresses_names_them_all() {
    within_patience(async {
        let mut servers = [Server::start("a").await, Server::start("b").await];
        for server in &mut servers {
            server.kill().await;
        }
        let client = client(FailFast);
        let [first, second] = &servers;
        let desk: DeskProxy = client.get(&url(&[first, second])).unwrap();
        let error = desk.name().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectFailed);
        assert_eq!(error.executed(), Executed::No);
        let text = error.to_string();
        for server in &servers {
            let tried = format!("cannot connect to `tcp://{}`", server.address);
            assert!(text.contains(&tried), "{text}");
        }
        let advice = text.matches("is the server running").count();
        assert_eq!(advice, 1, "{text}");
    });
}

#[test]
fn those_who_wait_get_whichever_server_comes_first() {
    within_patience(async {
        let mut first = Server::start("first").await;
        let mut second = Server::start("second").await;
        first.kill().await;
        second.kill().await;
        let (counting, dials) = Counting::new(None);
        let client = counting.policy(Wait).client();
        let desk: DeskProxy = client.get(&url(&[&first, &second])).unwrap();
        let waiting = tokio::spawn(desk.name());
        until(|| dials.count() >= 4).await;
        second.revive().await;
        assert_eq!(waiting.await.unwrap().unwrap(), "second");
    });
}

#[test]
fn a_server_that_lets_nobody_in_is_passed_by() {
    within_patience(async {
        let (full, _occupant) = Server::full().await;
        let other = Server::start("other").await;
        let client = client(FailFast);
        let desk: DeskProxy = client.get(&url(&[&full, &other])).unwrap();
        assert_eq!(desk.name().await.unwrap(), "other");
    });
}

#[test]
fn all_that_let_nobody_in_are_passed_by() {
    within_patience(async {
        let [(one, _in_one), (two, _in_two)] = [Server::full().await, Server::full().await];
        let other = Server::start("other").await;
        let client = client(FailFast);
        let desk: DeskProxy = client.get(&url(&[&one, &two, &other])).unwrap();
        assert_eq!(desk.name().await.unwrap(), "other");
    });
}

#[test]
fn a_reference_of_a_server_that_stopped_is_told_nothing_of_another_one() {
    within_patience(async {
        let first = Server::start("first").await;
        let second = Server::start("second").await;
        let client = client(FailFast);
        let desks = url(&[&first, &second]).replace("/desk", "/desks");
        let opened = client.activate::<DeskProxy>(&desks).open().await.unwrap();
        assert_eq!(opened.name().await.unwrap(), "opened");
        first.host().run_until(std::future::ready(())).await;
        let desk: DeskProxy = client.get(&url(&[&first, &second])).unwrap();
        assert_eq!(desk.name().await.unwrap(), "second");
        let gone = opened.name().await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::ObjectGone(GoneReason::Drained));
    });
}

#[test]
fn a_server_that_stands_still_is_passed_by() {
    within_patience(async {
        // The system takes connections for it.
        let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = frozen.local_addr().unwrap();
        let other = Server::start("other").await;
        let mut limits = Limits::default();
        limits.handshake_time = Duration::from_millis(100);
        let builder = Host::builder().limits(limits).channel(TcpChannel::client());
        let client = builder.start_client().unwrap();
        let url = format!("tcp://{address},{}/desk", other.address);
        let desk: DeskProxy = client.get(&url).unwrap();
        // It may still read the call.
        let error = desk.name().await.unwrap_err();
        assert_eq!(error.executed(), Executed::Unknown, "{error}");
        for _ in 0..2 {
            assert_eq!(desk.name().await.unwrap(), "other");
        }
    });
}

#[test]
fn a_session_that_is_lost_comes_back_where_it_was_or_not_at_all() {
    within_patience(async {
        let first = Server::start("first").await;
        let second = Server::start("second").await;
        let relay = Relay::to(&first.address).await;
        let (counting, dials) = Counting::new(None);
        let client = counting.client();
        let url = format!("tcp://{},{}/desk", relay.address, second.address);
        let desk: DeskProxy = client.get(&url).unwrap();
        assert_eq!(desk.name().await.unwrap(), "first");
        relay.close();
        until(|| dials.count() > 1).await;
        relay.open();
        assert_eq!(desk.name().await.unwrap(), "first");
        assert!(dials.all().iter().all(|dialled| *dialled == relay.address));
    });
}

#[test]
fn what_is_called_without_a_session_has_one_address() {
    within_patience(async {
        let client = client(FailFast);
        let error = client.get::<DeskProxy>("http://a:1,b:2/desk").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUrl);
        assert!(error.to_string().contains("use `ws://`"), "{error}");
        let error = client.get::<DeskProxy>("tcp://a:1,b/desk").unwrap_err();
        assert!(error.to_string().contains("names no port"), "{error}");
        for url in ["tcp://[::1]:1,b:2/desk", "tcps://a:1,b:2/desk"] {
            assert!(client.get::<DeskProxy>(url).is_ok(), "{url}");
        }
        let mut gone = Server::with(Kind::Http, "gone", Limits::default()).await;
        gone.kill().await;
        let there = Server::with(Kind::Http, "there", Limits::default()).await;
        let url = format!("ws://{},{}/desk", gone.address, there.address);
        let desk: DeskProxy = client.get(&url).unwrap();
        assert_eq!(desk.name().await.unwrap(), "there");
    });
}
