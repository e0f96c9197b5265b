//! The floor of streams: `[length u32][body]` over tokio's TCP, and whoever reads cuts and copies.
//!
//! One stream at a time has a connection for itself; nobody can leave it, and only the kernel's
//! buffers hold the producer back. What is gathered up to [`BURST`] leaves in one write.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use rmp_serde::Serializer;
use serde::Serialize;
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::streamed::{Passed, piece, take};
use super::{Caller, Peer, Serving};
use crate::measure::Turn;
use crate::workloads::Streamed;

const HEAD: usize = 4;
const BURST: usize = 256 * 1024;

const ADD: u64 = 0;
const NUMBERS: u64 = 1;
const DOWN: u64 = 2;
const UP: u64 = 3;

/// How items stand in their frames.
pub(crate) trait Code: 'static {
    const ABOUT: &'static str;

    fn put_number(out: &mut Vec<u8>, number: u64);
    fn number(body: &[u8]) -> Result<u64>;
    fn put_piece(out: &mut Vec<u8>, piece: &[u8]);
    fn piece(body: &[u8]) -> Result<Vec<u8>>;
}

/// As they lie in memory.
pub(crate) struct Plain;

impl Code for Plain {
    const ABOUT: &'static str = "raw tokio TCP; bytes are copied and nothing is encoded";

    fn put_number(out: &mut Vec<u8>, number: u64) {
        out.extend_from_slice(&number.to_le_bytes());
    }

    fn number(body: &[u8]) -> Result<u64> {
        let bytes = body.first_chunk().context("a short number")?;
        Ok(u64::from_le_bytes(*bytes))
    }

    fn put_piece(out: &mut Vec<u8>, piece: &[u8]) {
        out.extend_from_slice(piece);
    }

    fn piece(body: &[u8]) -> Result<Vec<u8>> {
        Ok(body.to_vec())
    }
}

/// In MessagePack.
pub(crate) struct Rmp;

impl Code for Rmp {
    const ABOUT: &'static str = "the floor, with each item encoded by rmp-serde";

    fn put_number(out: &mut Vec<u8>, number: u64) {
        put(out, &number);
    }

    fn number(body: &[u8]) -> Result<u64> {
        Ok(rmp_serde::from_slice(body)?)
    }

    fn put_piece(out: &mut Vec<u8>, piece: &[u8]) {
        put(out, serde_bytes::Bytes::new(piece));
    }

    fn piece(body: &[u8]) -> Result<Vec<u8>> {
        Ok(rmp_serde::from_slice::<ByteBuf>(body)?.into_vec())
    }
}

fn put(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    value
        .serialize(&mut Serializer::new(out))
        .expect("a vector takes everything");
}

/// One end of a connection.
struct Wire {
    socket: TcpStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl Wire {
    fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            incoming: Vec::with_capacity(2 * BURST),
            outgoing: Vec::with_capacity(2 * BURST),
        })
    }

    /// Writes as many frames.
    ///
    /// - `write`: appends the body of the frame of that number.
    async fn send(&mut self, count: u64, write: impl Fn(&mut Vec<u8>, u64)) -> io::Result<()> {
        for number in 0..count {
            put_frame(&mut self.outgoing, |out| write(out, number));
            if self.outgoing.len() >= BURST {
                self.flush().await?;
            }
        }
        self.flush().await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.outgoing).await?;
        self.outgoing.clear();
        Ok(())
    }

    /// Reads as many frames; gives the sum of what `take` makes of their bodies.
    async fn add_up(&mut self, count: u64, take: impl Fn(&[u8]) -> Result<u64>) -> Result<u64> {
        let (mut left, mut sum) = (count, 0);
        loop {
            let taken = each_frame(&self.incoming, &mut left, |body| {
                sum += take(body)?;
                Ok(())
            })?;
            self.incoming.drain(..taken);
            if left == 0 {
                return Ok(sum);
            }
            let read = self.socket.read_buf(&mut self.incoming).await?;
            ensure!(read > 0, "the other side has gone");
        }
    }

    async fn add_up_numbers<C: Code>(&mut self, count: u64) -> Result<u64> {
        self.add_up(count, C::number).await
    }

    async fn add_up_pieces<C: Code>(&mut self, count: u64, passed: &Passed) -> Result<u64> {
        self.add_up(count, |body| Ok(take(C::piece(body)?, passed)))
            .await
    }
}

fn put_frame(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend_from_slice(&[0; HEAD]);
    body(out);
    let length = (out.len() - begin - HEAD) as u32;
    out[begin..begin + HEAD].copy_from_slice(&length.to_le_bytes());
}

/// Hands each whole frame of `bytes` to `take`, but no more than are `left`; gives the number of
/// bytes they have.
fn each_frame(
    bytes: &[u8],
    left: &mut u64,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<usize> {
    let mut at = 0;
    while *left > 0
        && let Some((head, rest)) = bytes[at..].split_first_chunk::<HEAD>()
        && let Some(body) = rest.get(..u32::from_le_bytes(*head) as usize)
    {
        take(body)?;
        at += HEAD + body.len();
        *left -= 1;
    }
    Ok(at)
}

pub(crate) struct StreamFloor<C>(PhantomData<C>);

pub(crate) type Floor = StreamFloor<Plain>;
pub(crate) type FloorRmp = StreamFloor<Rmp>;

impl<C: Code> Peer for StreamFloor<C> {
    type Caller = FloorCaller<C>;

    const ABOUT: &'static str = C::ABOUT;

    async fn serve() -> Result<Serving> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve_one::<C>(socket));
            }
        });
        Ok(Serving::new(address, serving))
    }

    async fn connect(address: &str) -> Result<Self::Caller> {
        let wire = Wire::new(TcpStream::connect(address).await?)?;
        Ok(FloorCaller(Arc::new(Mutex::new(wire)), PhantomData))
    }
}

/// A request is two frames: what is wanted, and a number.
async fn serve_one<C: Code>(socket: TcpStream) -> Result<()> {
    let mut wire = Wire::new(socket)?;
    loop {
        let wanted = wire.add_up_numbers::<C>(1).await?;
        let number = wire.add_up_numbers::<C>(1).await?;
        match wanted {
            NUMBERS => wire.send(number, C::put_number).await?,
            DOWN => {
                let write = |out: &mut Vec<u8>, _| C::put_piece(out, piece());
                wire.send(number, write).await?;
            }
            UP => {
                let total = wire.add_up_pieces::<C>(number, &Passed::default()).await?;
                wire.send(1, |out, _| C::put_number(out, total)).await?;
            }
            _ => wire.send(1, |out, _| C::put_number(out, number)).await?,
        }
    }
}

pub(crate) struct FloorCaller<C>(Arc<Mutex<Wire>>, PhantomData<fn() -> C>);

impl<C> Clone for FloorCaller<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}

impl<C: Code> Caller for FloorCaller<C> {
    async fn add(&self, a: i32, b: i32) -> Result<i32> {
        let mut wire = self.0.lock().await;
        let sum = a.wrapping_add(b) as u32;
        let request = [ADD, sum.into()];
        wire.send(2, |out, at| C::put_number(out, request[at as usize]))
            .await?;
        Ok(wire.add_up_numbers::<C>(1).await? as i32)
    }

    async fn get_person(&self, _: u32, _: &str, _: bool) -> Result<u32> {
        bail!("this floor is one of streams")
    }

    async fn echo(&self, _: &Bytes) -> Result<usize> {
        bail!("this floor is one of streams")
    }

    async fn stream(&self, streamed: Streamed, passed: Passed) -> Result<u64> {
        let mut wire = self.0.lock().await;
        let request = match streamed {
            Streamed::Numbers(count) => [NUMBERS, count],
            Streamed::Down(count) => [DOWN, count],
            Streamed::Up(count) => [UP, count],
        };
        wire.send(2, |out, at| C::put_number(out, request[at as usize]))
            .await?;
        match streamed {
            Streamed::Numbers(count) => wire.add_up_numbers::<C>(count).await,
            Streamed::Down(count) => wire.add_up_pieces::<C>(count, &passed).await,
            Streamed::Up(count) => {
                let write = |out: &mut Vec<u8>, _| C::put_piece(out, piece());
                wire.send(count, write).await?;
                wire.add_up_numbers::<C>(1).await
            }
        }
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
