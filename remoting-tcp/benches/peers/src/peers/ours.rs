//! This library as its users meet it: a remote trait, its proxy, a TCP channel.

use anyhow::Result;
use bytes::Bytes;
use remoting::Limits;
use remoting::prelude::*;
use tokio::task::JoinHandle;

use super::{Caller, Peer, Person, Serving};
use crate::measure::Turn;

#[remote]
trait Directory {
    async fn add(&self, a: i32, b: i32) -> remoting::Result<i32>;
    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> remoting::Result<Person>;
    async fn echo(&self, data: Vec<u8>) -> remoting::Result<Vec<u8>>;
}

struct OnePerson;

impl Directory for OnePerson {
    async fn add(&self, a: i32, b: i32) -> remoting::Result<i32> {
        Ok(a.wrapping_add(b))
    }

    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> remoting::Result<Person> {
        Ok(Person::find(id, country, detailed))
    }

    async fn echo(&self, data: Vec<u8>) -> remoting::Result<Vec<u8>> {
        Ok(data)
    }
}

/// The bounds of both hosts: those by default, but for what the largest row needs.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_message = 5 * 1024 * 1024;
    limits
}

pub(crate) struct Ours;

impl Peer for Ours {
    type Caller = OursCaller;

    const ABOUT: &'static str = "as by default, but Limits::max_message, raised on both sides from \
        4 MiB to 5 MiB: a call that carries 4 MiB is a little longer than that";

    async fn serve() -> Result<Serving> {
        let channel = TcpChannel::listen("127.0.0.1:0");
        let host = Host::builder()
            .limits(limits())
            .channel(channel)
            .start()
            .await?;
        host.publish("directory", DirectoryDispatcher::singleton(|| OnePerson))?;
        Ok(Serving::new(host.url("directory")?, host))
    }

    /// A host of its own for each connection: one host makes one connection to a peer.
    async fn connect(address: &str) -> Result<Self::Caller> {
        let builder = Host::builder()
            .limits(limits())
            .channel(TcpChannel::client());
        let host = builder.start().await?;
        Ok(OursCaller {
            directory: host.get(address)?,
            _host: host,
        })
    }
}

#[derive(Clone)]
pub(crate) struct OursCaller {
    directory: DirectoryProxy,
    _host: Host,
}

impl Caller for OursCaller {
    async fn add(&self, a: i32, b: i32) -> Result<i32> {
        Ok(self.directory.add(a, b).await?)
    }

    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> Result<u32> {
        let person = self.directory.get_person(id, country, detailed).await?;
        Ok(std::hint::black_box(person).id)
    }

    async fn echo(&self, data: &Bytes) -> Result<usize> {
        let back = self.directory.echo(data.to_vec()).await?;
        Ok(std::hint::black_box(back).len())
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
