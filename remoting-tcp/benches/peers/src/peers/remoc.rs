//! remoc, as in the documentation of its module `rtc`: for each connection a server
//! of a trait, whose client is sent to the other end. The object is shared, so that
//! calls run at the same time.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use remoc::prelude::*;
use remoc::rtc::CallError;
use serde_bytes::ByteBuf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Caller, Peer, Person, Serving};
use crate::measure::Turn;

#[rtc::remote]
pub(crate) trait Directory {
    async fn add(&self, a: i32, b: i32) -> Result<i32, CallError>;
    async fn get_person(
        &self,
        id: u32,
        country: String,
        detailed: bool,
    ) -> Result<Person, CallError>;
    async fn echo(&self, data: ByteBuf) -> Result<ByteBuf, CallError>;
}

pub(crate) struct OnePerson;

impl Directory for OnePerson {
    async fn add(&self, a: i32, b: i32) -> Result<i32, CallError> {
        Ok(a.wrapping_add(b))
    }

    async fn get_person(
        &self,
        id: u32,
        country: String,
        detailed: bool,
    ) -> Result<Person, CallError> {
        Ok(Person::find(id, &country, detailed))
    }

    async fn echo(&self, data: ByteBuf) -> Result<ByteBuf, CallError> {
        Ok(data)
    }
}

pub(crate) struct Remoc;

impl Peer for Remoc {
    type Caller = RemocCaller;

    const ABOUT: &'static str = "remoc::rtc with Cfg::default() and its own codec; byte strings \
        through serde_bytes; nothing raised";

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
        let (reader, writer) = stream.into_split();
        let connect = remoc::Connect::io(remoc::Cfg::default(), reader, writer);
        Ok(RemocCaller(connect.consume().await?))
    }
}

async fn serve_one(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let (server, client) =
        DirectoryServerShared::<_, remoc::codec::Default>::new(Arc::new(OnePerson));
    let connect = remoc::Connect::io(remoc::Cfg::default(), reader, writer);
    connect.provide(client).await?;
    // Its error cannot be shared between threads.
    let served = server.serve().await;
    served.map_err(|error| anyhow!("{error}"))
}

#[derive(Clone)]
pub(crate) struct RemocCaller(DirectoryClient);

impl Caller for RemocCaller {
    async fn add(&self, a: i32, b: i32) -> Result<i32> {
        Ok(self.0.add(a, b).await?)
    }

    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> Result<u32> {
        let person = self.0.get_person(id, country.to_owned(), detailed).await?;
        Ok(std::hint::black_box(person).id)
    }

    async fn echo(&self, data: &Bytes) -> Result<usize> {
        let back = self.0.echo(ByteBuf::from(data.to_vec())).await?;
        Ok(std::hint::black_box(back).len())
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
