//! remoc, as in the documentation of its module `rtc`: for each connection a server
//! of a trait, whose client is sent to the other end. The object is shared, so that
//! calls run at the same time.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use remoc::RemoteSend;
use remoc::prelude::*;
use remoc::rch::mpsc::{Receiver, RecvError, channel};
use remoc::rtc::CallError;
use serde_bytes::ByteBuf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::streamed::{Passed, pieces, take};
use super::{Caller, Peer, Person, Serving};
use crate::measure::Turn;
use crate::workloads::Streamed;

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
    async fn numbers(&self, count: u64) -> Result<Receiver<u64>, CallError>;
    async fn down(&self, count: u64) -> Result<Receiver<ByteBuf>, CallError>;
    async fn up(&self, pieces: Receiver<ByteBuf>) -> Result<u64, CallError>;
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

    async fn numbers(&self, count: u64) -> Result<Receiver<u64>, CallError> {
        Ok(streaming(0..count))
    }

    async fn down(&self, count: u64) -> Result<Receiver<ByteBuf>, CallError> {
        Ok(streaming(
            pieces(count, Passed::default()).map(ByteBuf::from),
        ))
    }

    async fn up(&self, pieces: Receiver<ByteBuf>) -> Result<u64, CallError> {
        // What has gone wrong shows in the sum.
        Ok(add_up(pieces, &Passed::default()).await.unwrap_or(0))
    }
}

/// A channel into which a task sends the items.
fn streaming<T: RemoteSend>(items: impl Iterator<Item = T> + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = channel();
    tokio::spawn(async move {
        for item in items {
            if sender.send(item).await.is_err() {
                break;
            }
        }
    });
    receiver
}

async fn add_up(mut pieces: Receiver<ByteBuf>, passed: &Passed) -> Result<u64, RecvError> {
    let mut total = 0;
    while let Some(piece) = pieces.recv().await? {
        total += take(piece.into_vec(), passed);
    }
    Ok(total)
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

    async fn stream(&self, streamed: Streamed, passed: Passed) -> Result<u64> {
        match streamed {
            Streamed::Numbers(count) => {
                let mut numbers = self.0.numbers(count).await?;
                let mut sum = 0;
                while let Some(number) = numbers.recv().await? {
                    sum += number;
                }
                Ok(sum)
            }
            Streamed::Down(count) => Ok(add_up(self.0.down(count).await?, &passed).await?),
            Streamed::Up(count) => {
                let pieces = streaming(pieces(count, passed).map(ByteBuf::from));
                Ok(self.0.up(pieces).await?)
            }
        }
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
