//! This library as its users meet it: a remote trait, its proxy, a TCP channel.

mod company;
mod settings;
mod streams;

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use remoting::prelude::*;
use tokio::task::JoinHandle;

use self::company::{CompanyDispatcher, CompanyProxy, Crowd};
use self::settings::{
    AsHighAsNeeded, AsUsual, ClientSinks, NeverResumed, Producing, ServerSinks, Setting, client,
    server,
};
use self::streams::{Source, StreamsDispatcher, StreamsProxy};
use super::streamed::Passed;
use super::{Caller, Peer, Person, Serving};
use crate::measure::Turn;
use crate::workloads::{Deed, Streamed};

/// How many objects are being made at a time.
const AHEAD: usize = 64;

#[remote]
trait Directory {
    async fn add(&self, a: i32, b: i32) -> remoting::Result<i32>;
    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> remoting::Result<Person>;
    async fn echo(&self, data: &[u8]) -> remoting::Result<Vec<u8>>;
}

struct OnePerson;

impl Directory for OnePerson {
    async fn add(&self, a: i32, b: i32) -> remoting::Result<i32> {
        Ok(a.wrapping_add(b))
    }

    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> remoting::Result<Person> {
        Ok(Person::find(id, country, detailed))
    }

    async fn echo(&self, data: &[u8]) -> remoting::Result<Vec<u8>> {
        Ok(data.to_vec())
    }
}

/// An object that its client holds.
#[remote]
trait Cell {
    #[constructor]
    async fn build(kept: u64) -> remoting::Result<Self>;
    async fn add(&self, a: i32, b: i32) -> remoting::Result<i32>;
}

struct Kept(u64);

impl Cell for Kept {
    async fn build(kept: u64) -> remoting::Result<Self> {
        Ok(Self(kept))
    }

    async fn add(&self, a: i32, b: i32) -> remoting::Result<i32> {
        std::hint::black_box(self.0);
        Ok(a.wrapping_add(b))
    }
}

/// The library, set in a certain way.
pub(crate) struct Set<S>(PhantomData<S>);

pub(crate) type Ours = Set<AsUsual>;
pub(crate) type Raised = Set<AsHighAsNeeded>;
pub(crate) type Produced = Set<Producing>;
pub(crate) type Once = Set<NeverResumed>;
pub(crate) type WithClientSinks = Set<ClientSinks>;
pub(crate) type WithServerSinks = Set<ServerSinks>;

impl<S: Setting> Peer for Set<S> {
    type Caller = OursCaller;

    const ABOUT: &'static str = S::ABOUT;

    async fn serve() -> Result<Serving> {
        let channel = TcpChannel::listen("127.0.0.1:0");
        let builder = server::<S>(Host::builder());
        let host = builder.channel(channel).start().await?;
        host.publish("directory", DirectoryDispatcher::singleton(|| OnePerson))?;
        host.publish("cells", CellDispatcher::<Kept>::activated())?;
        host.publish("company", CompanyDispatcher::singleton(|| Crowd))?;
        host.publish("streams", StreamsDispatcher::singleton(|| Source))?;
        Ok(Serving::new(host.url("directory")?, host))
    }

    /// A host of its own for each connection: one host makes one connection to a peer.
    async fn connect(address: &str) -> Result<Self::Caller> {
        let builder = client::<S>(Host::builder());
        let host = builder.channel(TcpChannel::client()).start().await?;
        Ok(OursCaller {
            directory: host.get(address)?,
            more: Arc::default(),
            produces: S::PRODUCES,
            address: address.into(),
            host,
        })
    }
}

/// The address of another object of the same server.
fn beside(address: &str, name: &str) -> String {
    let server = address.rsplit_once('/').map_or(address, |parts| parts.0);
    format!("{server}/{name}")
}

#[derive(Clone)]
pub(crate) struct OursCaller {
    directory: DirectoryProxy,
    more: Arc<More>,
    /// Whether futures send the items of streams.
    produces: bool,
    address: Arc<str>,
    host: Host,
}

/// What few rows need.
#[derive(Default)]
struct More {
    company: OnceLock<CompanyProxy>,
    /// The objects that this connection holds.
    cells: Vec<CellProxy>,
}

impl OursCaller {
    fn company(&self) -> Result<&CompanyProxy> {
        if let Some(company) = self.more.company.get() {
            return Ok(company);
        }
        let company = self.host.get(&beside(&self.address, "company"))?;
        Ok(self.more.company.get_or_init(|| company))
    }
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
        let back = self.directory.echo(data).await?;
        Ok(std::hint::black_box(back).len())
    }

    async fn hold(mut self, objects: usize) -> Result<Self> {
        let url = beside(&self.address, "cells");
        let host = &self.host;
        let cells = stream::iter(0..objects as u64)
            .map(|number| host.activate::<CellProxy>(&url).build(number))
            .buffer_unordered(AHEAD)
            .try_collect()
            .await?;
        self.more = Arc::new(More {
            cells,
            ..More::default()
        });
        Ok(self)
    }

    async fn add_among(&self, place: usize, a: i32, b: i32) -> Result<i32> {
        Ok(self.more.cells[place].add(a, b).await?)
    }

    async fn deed(&self, deed: Deed, number: i32, data: &Bytes) -> Result<()> {
        Ok(self.company()?.act(deed, number, data).await?)
    }

    async fn stream(&self, streamed: Streamed, passed: Passed) -> Result<u64> {
        let streams: StreamsProxy = self.host.get(&beside(&self.address, "streams"))?;
        Ok(streams.run(streamed, self.produces, passed).await?)
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
