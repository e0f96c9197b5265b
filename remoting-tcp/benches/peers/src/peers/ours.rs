//! This library as its users meet it: a remote trait, its proxy, a TCP channel.

mod company;

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use remoting::Limits;
use remoting::prelude::*;
use tokio::task::JoinHandle;

use self::company::{CompanyDispatcher, CompanyProxy, Crowd};
use super::{Caller, Peer, Person, Serving};
use crate::measure::Turn;
use crate::workloads::Deed;

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

/// The bounds of the hosts of both sides.
pub(crate) trait Bounds: 'static {
    const ABOUT: &'static str;

    fn limits() -> Limits;
}

/// Those by default, but for what the largest row needs.
pub(crate) struct AsUsual;

impl Bounds for AsUsual {
    const ABOUT: &'static str = "as by default, but Limits::max_message, raised on both sides from \
        4 MiB to 5 MiB: a call that carries 4 MiB is a little longer than that";

    fn limits() -> Limits {
        let mut limits = Limits::default();
        limits.max_message = 5 * 1024 * 1024;
        limits
    }
}

/// As high as growing needs them.
pub(crate) struct AsHighAsNeeded;

impl Bounds for AsHighAsNeeded {
    const ABOUT: &'static str = "Limits raised on both sides: calls_per_session from 1,024 to \
        8,192; connections from 10,000 and connections_per_address from 1,024, both to 20,000; \
        objects_per_session from 10,000 and objects_per_host from 1,000,000, both to 1,100,000; \
        max_message from 4 to 65 MiB; assembly from 16 to 160 MiB";

    fn limits() -> Limits {
        let mut limits = Limits::default();
        limits.calls_per_session = 8192;
        limits.connections = 20_000;
        limits.connections_per_address = 20_000;
        limits.objects_per_session = 1_100_000;
        limits.objects_per_host = 1_100_000;
        limits.max_message = 65 * 1024 * 1024;
        limits.assembly = 160 * 1024 * 1024;
        limits
    }
}

/// The library with certain bounds.
pub(crate) struct Bounded<B>(PhantomData<B>);

pub(crate) type Ours = Bounded<AsUsual>;
pub(crate) type Raised = Bounded<AsHighAsNeeded>;

impl<B: Bounds> Peer for Bounded<B> {
    type Caller = OursCaller;

    const ABOUT: &'static str = B::ABOUT;

    async fn serve() -> Result<Serving> {
        let channel = TcpChannel::listen("127.0.0.1:0");
        let host = Host::builder()
            .limits(B::limits())
            .channel(channel)
            .start()
            .await?;
        host.publish("directory", DirectoryDispatcher::singleton(|| OnePerson))?;
        host.publish("cells", CellDispatcher::<Kept>::activated())?;
        host.publish("company", CompanyDispatcher::singleton(|| Crowd))?;
        Ok(Serving::new(host.url("directory")?, host))
    }

    /// A host of its own for each connection: one host makes one connection to a peer.
    async fn connect(address: &str) -> Result<Self::Caller> {
        let builder = Host::builder()
            .limits(B::limits())
            .channel(TcpChannel::client());
        let host = builder.start().await?;
        Ok(OursCaller {
            directory: host.get(address)?,
            more: Arc::default(),
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

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
