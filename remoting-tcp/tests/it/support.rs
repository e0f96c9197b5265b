//! A small interface, and a host that offers it.

use remoting_core::ChannelHandle;
use remoting_core::prelude::*;
use remoting_tcp::TcpChannel;
use tokio::net::TcpSocket;

#[remote]
pub(crate) trait Adder {
    async fn add(&self, a: i32, b: i32) -> remoting_core::Result<i32>;
    async fn echo(&self, text: &str) -> remoting_core::Result<String>;
}

#[derive(Default)]
pub(crate) struct Sums;

impl Adder for Sums {
    async fn add(&self, a: i32, b: i32) -> remoting_core::Result<i32> {
        Ok(a.wrapping_add(b))
    }

    async fn echo(&self, text: &str) -> remoting_core::Result<String> {
        Ok(text.to_owned())
    }
}

/// Starts a server on any port; gives the host and its `ip:port`.
pub(crate) async fn server() -> (Host, String) {
    let host = server_at("127.0.0.1:0").await;
    let authority = authority(&host);
    (host, authority)
}

/// Starts a host with one object, named `adder`.
pub(crate) async fn server_at(address: &str) -> Host {
    let channel = TcpChannel::listen(address);
    let host = Host::builder().channel(channel).start().await.unwrap();
    let adder = AdderDispatcher::singleton(Sums::default);
    host.publish("adder", adder).unwrap();
    host
}

/// Bound, and not listening: the system gives the port to nobody else, and a host may listen there.
pub(crate) fn held_port() -> TcpSocket {
    let held = TcpSocket::new_v4().unwrap();
    held.set_reuseaddr(true).unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    held
}

/// Where the first channel of `host` listens, without the scheme.
pub(crate) fn authority(host: &Host) -> String {
    let channels = host.channels();
    let address = channels.first().and_then(ChannelHandle::address).unwrap();
    address.strip_prefix("tcp://").unwrap().to_owned()
}

/// Starts a host that only dials, and gives a proxy of `adder` at `authority`.
pub(crate) async fn client(authority: &str) -> (Host, AdderProxy) {
    let channel = TcpChannel::client();
    let host = Host::builder().channel(channel).start().await.unwrap();
    let proxy = host.get(&format!("tcp://{authority}/adder")).unwrap();
    (host, proxy)
}
