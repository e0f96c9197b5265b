//! The texts that users meet first: each says what, where, and what to do.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

use remoting::prelude::*;
use remoting::{ErrorKind, Executed};

#[remote]
pub trait Counter {
    async fn next(&self) -> remoting::Result<u32>;
}

async fn client() -> Host {
    Host::builder()
        .channel(TcpChannel::client())
        .start()
        .await
        .unwrap()
}

fn check(error: &remoting::Error, kind: ErrorKind, parts: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.executed(), Executed::No);
    for part in parts {
        assert!(error.to_string().contains(part), "no `{part}` in: {error}");
    }
}

#[tokio::test]
async fn a_wrong_url_is_shown_beside_a_right_one() {
    let error = client()
        .await
        .get::<CounterProxy>("127.0.0.1:8080/tally")
        .unwrap_err();
    check(
        &error,
        ErrorKind::InvalidUrl,
        &[
            "127.0.0.1:8080/tally",
            "no scheme",
            "tcp://127.0.0.1:8080/bank",
        ],
    );
}

#[tokio::test]
async fn an_address_that_there_cannot_be_is_refused_before_anything_is_dialled() {
    let client = client().await;
    for (url, what) in [
        ("tcp://localhost/tally", "names no port"),
        ("tcp://localhost:99999/tally", "`99999` is no port"),
        ("tcp://localhost:1/objects/tally", "`/objects` has no place"),
    ] {
        let error = client.get::<CounterProxy>(url).unwrap_err();
        let example = "tcp://127.0.0.1:8080/bank";
        check(&error, ErrorKind::InvalidUrl, &[url, what, example]);
    }
}

#[tokio::test]
async fn a_scheme_without_a_channel_names_the_channels_there_are() {
    let error = client()
        .await
        .get::<CounterProxy>("smoke://signal/tally")
        .unwrap_err();
    check(
        &error,
        ErrorKind::NoChannel,
        &["`smoke`", "only `tcp`", "Host::builder().channel("],
    );
}

#[tokio::test]
async fn a_name_without_an_object_says_where_it_was_looked_for() {
    let server = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .start()
        .await
        .unwrap();
    let address = server.channel("tcp").unwrap().address().unwrap();
    let url = format!("{address}/taly");
    let expected = ["`taly`", url.as_str(), "host.publish"];
    let client = client().await;
    // Many times: the name is asked for anew each time, on one connection.
    for _ in 0..200 {
        let error = client.connect::<CounterProxy>(&url).await.unwrap_err();
        check(&error, ErrorKind::NotFound, &expected);
        let misspelt: CounterProxy = client.get(&url).unwrap();
        let error = misspelt.next().await.unwrap_err();
        check(&error, ErrorKind::NotFound, &expected);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_its_address() {
    // Bound and not listening: the system gives the port to nobody else meanwhile.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = held.local_addr().unwrap().to_string();
    let url = format!("tcp://{address}/tally");
    let error = client()
        .await
        .get::<CounterProxy>(&url)
        .unwrap()
        .next()
        .await
        .unwrap_err();
    check(
        &error,
        ErrorKind::ConnectFailed,
        &[&address, "refused", "running"],
    );
}

#[tokio::test]
async fn listening_beyond_this_machine_in_clear_text_has_to_be_written_out() {
    let error = Host::builder()
        .channel(TcpChannel::listen("0.0.0.0:0"))
        .start()
        .await
        .unwrap_err();
    check(&error, ErrorKind::Config, &["0.0.0.0", "allow_plaintext"]);
    let host = Host::builder()
        .channel(TcpChannel::listen("0.0.0.0:0"))
        .allow_plaintext()
        .start()
        .await;
    assert!(host.unwrap().channel("tcp").unwrap().is_listening());
}
