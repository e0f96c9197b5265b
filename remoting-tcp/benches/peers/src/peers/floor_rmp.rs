//! The floor with arguments and results in MessagePack, by `rmp-serde`: structs by
//! name and byte strings as such, which is what the library writes too.

use anyhow::Result;
use bytes::Bytes;
use rmp_serde::Serializer;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::frames::Client;
use super::{Caller, Peer, Person, Serving, serve_frames};
use crate::measure::Turn;

const ADD: u8 = 0;
const GET_PERSON: u8 = 1;
const ECHO: u8 = 2;

pub(crate) struct FloorRmp;

impl Peer for FloorRmp {
    type Caller = FloorRmpCaller;

    const ABOUT: &'static str = "the floor, with arguments and results encoded by rmp-serde";

    async fn serve() -> Result<Serving> {
        serve_frames(answer).await
    }

    async fn connect(address: &str) -> Result<Self::Caller> {
        Ok(FloorRmpCaller(Client::connect(address).await?))
    }
}

/// Bytes that cannot be read get an empty reply, which the caller cannot read either.
fn answer(operation: u8, body: &[u8], out: &mut Vec<u8>) {
    let done = match operation {
        ADD => rmp_serde::from_slice::<(i32, i32)>(body).map(|(a, b)| put(out, &a.wrapping_add(b))),
        GET_PERSON => rmp_serde::from_slice::<(u32, &str, bool)>(body)
            .map(|(id, country, detailed)| put(out, &Person::find(id, country, detailed))),
        ECHO => rmp_serde::from_slice::<(&serde_bytes::Bytes,)>(body).map(|(data,)| put(out, data)),
        _ => Ok(()),
    };
    drop(done);
}

fn put(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let mut serializer = Serializer::new(out).with_struct_map();
    value
        .serialize(&mut serializer)
        .expect("a vector takes everything");
}

fn get<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T> {
    Ok(rmp_serde::from_slice(body)?)
}

#[derive(Clone)]
pub(crate) struct FloorRmpCaller(Client);

impl Caller for FloorRmpCaller {
    async fn add(&self, a: i32, b: i32) -> Result<i32> {
        self.0
            .call(ADD, |out| put(out, &(a, b)), |body| get(body))
            .await
    }

    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> Result<u32> {
        let write = |out: &mut Vec<u8>| put(out, &(id, country, detailed));
        let person: Person = self.0.call(GET_PERSON, write, |body| get(body)).await?;
        Ok(std::hint::black_box(person).id)
    }

    async fn echo(&self, data: &Bytes) -> Result<usize> {
        let write = |out: &mut Vec<u8>| put(out, &(serde_bytes::Bytes::new(data),));
        let back: serde_bytes::ByteBuf = self.0.call(ECHO, write, |body| get(body)).await?;
        Ok(std::hint::black_box(back).len())
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
