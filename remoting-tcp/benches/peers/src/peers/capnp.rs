//! capnp-rpc, as in its example `hello-world`: each end is one thread, for its types
//! stay on theirs. So its callers are tasks of that thread as well.

use std::rc::Rc;

use anyhow::Result;
use bytes::Bytes;
use capnp::message::ReaderOptions;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, twoparty};
use futures::AsyncReadExt;
use futures::io::{BufReader, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{AbortHandle, JoinHandle, spawn_local};
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::{Caller, Peer, Person, Serving};
use crate::measure::Turn;
use directory_capnp::directory;

#[allow(unsafe_code, reason = "it is generated")]
mod generated {
    capnp::generated_code!(pub mod directory_capnp);
}
use generated::directory_capnp;

struct OnePerson;

impl directory::Server for OnePerson {
    async fn add(
        self: Rc<Self>,
        params: directory::AddParams,
        mut results: directory::AddResults,
    ) -> Result<(), capnp::Error> {
        let asked = params.get()?;
        results
            .get()
            .set_sum(asked.get_a().wrapping_add(asked.get_b()));
        Ok(())
    }

    async fn get_person(
        self: Rc<Self>,
        params: directory::GetPersonParams,
        mut results: directory::GetPersonResults,
    ) -> Result<(), capnp::Error> {
        let asked = params.get()?;
        let country = asked.get_country()?.to_str()?;
        let found = Person::find(asked.get_id(), country, asked.get_detailed());
        let mut person = results.get().init_person();
        person.set_id(found.id);
        person.set_name(&found.name);
        person.set_email(&found.email);
        person.set_age(found.age);
        person.set_balance(found.balance);
        Ok(())
    }

    async fn echo(
        self: Rc<Self>,
        params: directory::EchoParams,
        mut results: directory::EchoResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_data(params.get()?.get_data()?);
        Ok(())
    }
}

pub(crate) struct Capnp;

impl Peer for Capnp {
    type Caller = CapnpCaller;

    const ABOUT: &'static str = "capnp-rpc; each end has one thread, not two workers, as its \
        types cannot change threads; nothing raised";

    fn runtime() -> Result<Runtime> {
        Ok(Builder::new_current_thread().enable_all().build()?)
    }

    async fn serve() -> Result<Serving> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let offered: directory::Client = capnp_rpc::new_client(OnePerson);
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if stream.set_nodelay(true).is_ok() {
                    let network = network(stream, Side::Server);
                    let client = offered.clone().client;
                    spawn_local(RpcSystem::new(Box::new(network), Some(client)));
                }
            }
        });
        Ok(Serving::new(address, ()))
    }

    async fn connect(address: &str) -> Result<Self::Caller> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut system = RpcSystem::new(Box::new(network(stream, Side::Client)), None);
        let directory = system.bootstrap(Side::Server);
        let task = spawn_local(system).abort_handle();
        Ok(CapnpCaller {
            directory,
            _system: Rc::new(System(task)),
        })
    }
}

type Network = twoparty::VatNetwork<BufReader<Reading>>;
type Reading = futures::io::ReadHalf<tokio_util::compat::Compat<TcpStream>>;

fn network(stream: TcpStream, side: Side) -> Network {
    let (reader, writer) = stream.compat().split();
    let (reader, writer) = (BufReader::new(reader), BufWriter::new(writer));
    twoparty::VatNetwork::new(reader, writer, side, ReaderOptions::default())
}

/// The connection, which ends with the last caller.
struct System(AbortHandle);

impl Drop for System {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Clone)]
pub(crate) struct CapnpCaller {
    directory: directory::Client,
    _system: Rc<System>,
}

impl Caller for CapnpCaller {
    async fn add(&self, a: i32, b: i32) -> Result<i32> {
        let mut request = self.directory.add_request();
        request.get().set_a(a);
        request.get().set_b(b);
        let reply = request.send().promise.await?;
        Ok(reply.get()?.get_sum())
    }

    /// Takes all fields out into a struct, as the others get one.
    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> Result<u32> {
        let mut request = self.directory.get_person_request();
        let mut asked = request.get();
        asked.set_id(id);
        asked.set_country(country);
        asked.set_detailed(detailed);
        let reply = request.send().promise.await?;
        let person = reply.get()?.get_person()?;
        let person = Person {
            id: person.get_id(),
            name: person.get_name()?.to_string()?,
            email: person.get_email()?.to_string()?,
            age: person.get_age(),
            balance: person.get_balance(),
        };
        Ok(std::hint::black_box(person).id)
    }

    /// The bytes that come back are read where they lie: nothing makes a caller copy them.
    async fn echo(&self, data: &Bytes) -> Result<usize> {
        let mut request = self.directory.echo_request();
        request.get().set_data(data);
        let reply = request.send().promise.await?;
        Ok(std::hint::black_box(reply.get()?.get_data()?).len())
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        spawn_local(turn.run(self))
    }
}
