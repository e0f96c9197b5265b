//! tarpc, as in its example service: a channel for each connection, a task for each
//! request. Here with its Bincode transport, which is quicker than the JSON one, and
//! with byte strings marked as such, without which each byte is encoded by itself.

use anyhow::Result;
use bytes::Bytes;
use futures::StreamExt;
use serde_bytes::ByteBuf;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context, serde_transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::codec::LengthDelimitedCodec;

use super::{Caller, Peer, Person, Serving};
use crate::measure::Turn;

#[tarpc::service]
trait Directory {
    async fn add(a: i32, b: i32) -> i32;
    async fn get_person(id: u32, country: String, detailed: bool) -> Person;
    async fn echo(data: ByteBuf) -> ByteBuf;
}

#[derive(Clone)]
struct OnePerson;

impl Directory for OnePerson {
    async fn add(self, _: context::Context, a: i32, b: i32) -> i32 {
        a.wrapping_add(b)
    }

    async fn get_person(
        self,
        _: context::Context,
        id: u32,
        country: String,
        detailed: bool,
    ) -> Person {
        Person::find(id, &country, detailed)
    }

    async fn echo(self, _: context::Context, data: ByteBuf) -> ByteBuf {
        data
    }
}

pub(crate) struct Tarpc;

impl Peer for Tarpc {
    type Caller = TarpcCaller;

    const ABOUT: &'static str = "tarpc::serde_transport with Bincode; byte strings through \
        serde_bytes; nothing raised";

    async fn serve() -> Result<Serving> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_one(stream));
            }
        });
        Ok(Serving::new(address, ()))
    }

    async fn connect(address: &str) -> Result<Self::Caller> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let framed = LengthDelimitedCodec::builder().new_framed(stream);
        let transport = serde_transport::new(framed, Bincode::default());
        let client = DirectoryClient::new(client::Config::default(), transport).spawn();
        Ok(TarpcCaller(client))
    }
}

async fn serve_one(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let framed = LengthDelimitedCodec::builder().new_framed(stream);
    let transport = serde_transport::new(framed, Bincode::default());
    BaseChannel::with_defaults(transport)
        .execute(OnePerson.serve())
        .for_each(|response| async move {
            tokio::spawn(response);
        })
        .await;
    Ok(())
}

#[derive(Clone)]
pub(crate) struct TarpcCaller(DirectoryClient);

impl Caller for TarpcCaller {
    async fn add(&self, a: i32, b: i32) -> Result<i32> {
        Ok(self.0.add(context::current(), a, b).await?)
    }

    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> Result<u32> {
        let country = country.to_owned();
        let call = self.0.get_person(context::current(), id, country, detailed);
        Ok(std::hint::black_box(call.await?).id)
    }

    async fn echo(&self, data: &Bytes) -> Result<usize> {
        let data = ByteBuf::from(data.to_vec());
        let back = self.0.echo(context::current(), data).await?;
        Ok(std::hint::black_box(back).len())
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
