//! The floor: the least that a call over tokio's TCP can cost. Bytes are only copied.

use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::frames::Client;
use super::{Caller, Peer, Serving, at_times, burn, serve_frames};
use crate::measure::Turn;
use crate::workloads::Deed;

const ADD: u8 = 0;
const GET_PERSON: u8 = 1;
const ECHO: u8 = 2;
const UPLOAD: u8 = 3;
const DOWNLOAD: u8 = 4;
const BURN: u8 = 5;

/// What `get_person` answers: about as many bytes as the person has.
const PERSON: &[u8] = b"\x2a\0\0\0Ada Lovelace\0ada@analytical.engine\0\x24\0\0\0\0\0\0\x45\x40";

pub(crate) struct Floor;

impl Peer for Floor {
    type Caller = FloorCaller;

    const ABOUT: &'static str = "raw tokio TCP; bytes are copied and nothing is encoded";

    async fn serve() -> Result<Serving> {
        serve_frames(answer).await
    }

    async fn connect(address: &str) -> Result<Self::Caller> {
        Ok(FloorCaller(Client::connect(address).await?))
    }
}

fn answer(operation: u8, body: &[u8], out: &mut Vec<u8>) {
    match operation {
        ADD => {
            let sum = number(body).wrapping_add(number(&body[4..]));
            out.extend_from_slice(&sum.to_le_bytes());
        }
        GET_PERSON => out.extend_from_slice(PERSON),
        UPLOAD => {}
        DOWNLOAD => out.resize(out.len() + number(body) as usize, 1),
        BURN => burn(Duration::from_micros(number(body) as u64)),
        _ => out.extend_from_slice(body),
    }
}

fn number(body: &[u8]) -> i32 {
    body.first_chunk()
        .map_or(0, |bytes| i32::from_le_bytes(*bytes))
}

#[derive(Clone)]
pub(crate) struct FloorCaller(Client);

impl Caller for FloorCaller {
    async fn add(&self, a: i32, b: i32) -> Result<i32> {
        let write = |out: &mut Vec<u8>| {
            let mut body = [0; 8];
            body[..4].copy_from_slice(&a.to_le_bytes());
            body[4..].copy_from_slice(&b.to_le_bytes());
            out.extend_from_slice(&body);
        };
        Ok(self.0.call(ADD, write, |body| number(body)).await)
    }

    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> Result<u32> {
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(&id.to_le_bytes());
            out.push(u8::from(detailed));
            out.extend_from_slice(country.as_bytes());
        };
        let read = |body: &mut Vec<u8>| {
            let mut copy = [0; PERSON.len()];
            copy.copy_from_slice(body);
            number(std::hint::black_box(&copy)) as u32
        };
        Ok(self.0.call(GET_PERSON, write, read).await)
    }

    async fn echo(&self, data: &Bytes) -> Result<usize> {
        let write = |out: &mut Vec<u8>| out.extend_from_slice(data);
        let back = self.0.call(ECHO, write, std::mem::take).await;
        Ok(std::hint::black_box(back).len())
    }

    async fn deed(&self, deed: Deed, number: i32, data: &Bytes) -> Result<()> {
        let (operation, value) = match deed {
            Deed::Upload(_) => {
                let write = |out: &mut Vec<u8>| out.extend_from_slice(data);
                self.0.call(UPLOAD, write, |_| ()).await;
                return Ok(());
            }
            Deed::Download(size) => (DOWNLOAD, size as u32),
            Deed::Burn(micros) => (BURN, micros),
            Deed::BurnAtTimes { micros, one_in } => (BURN, at_times(micros, one_in, number)),
            other => bail!("{other:?} is not offered"),
        };
        let write = |out: &mut Vec<u8>| out.extend_from_slice(&value.to_le_bytes());
        let back = self.0.call(operation, write, std::mem::take).await;
        std::hint::black_box(back);
        Ok(())
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
