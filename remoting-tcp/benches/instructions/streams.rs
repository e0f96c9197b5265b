//! A stream of numbers, and the floors beside it: one answer whose body is all of them, each behind its length.

use remoting_core::prelude::*;
use remoting_tcp::TcpChannel;
use rmp_serde::Serializer;
use serde::Serialize;

use crate::Outcome;
use crate::run::{Contestant, listen};
use crate::subjects::frames;

#[remote]
trait Numbers {
    async fn count(&self, most: u64) -> remoting_core::Result<Streaming<u64>>;
}

struct Counter;

impl Numbers for Counter {
    async fn count(&self, most: u64) -> remoting_core::Result<Streaming<u64>> {
        Ok(Streaming::of(0..most))
    }
}

/// Streams as many numbers and adds them up.
pub(crate) async fn stream(contestant: Contestant, count: u64) -> Outcome<()> {
    let sum = match contestant {
        Contestant::Floor => floor(count, PLAIN).await?,
        Contestant::FloorRmp => floor(count, RMP).await?,
        Contestant::Remoting => remoting(count).await?,
    };
    assert_eq!(sum, (0..count).sum::<u64>());
    Ok(())
}

async fn remoting(count: u64) -> remoting_core::Result<u64> {
    let server = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    server.publish("numbers", NumbersDispatcher::singleton(|| Counter))?;
    let client = Host::builder()
        .channel(TcpChannel::client())
        .start()
        .await?;
    let url = server.urls("numbers").into_iter().next();
    let proxy: NumbersProxy = client.get(&url.unwrap_or_default())?;
    let mut numbers = proxy.count(count).await?;
    let mut sum = 0;
    while let Some(number) = numbers.next().await {
        sum += number?;
    }
    Ok(sum)
}

/// How a floor writes and reads a number.
#[derive(Clone, Copy)]
struct Code {
    answer: frames::Handler,
    read: fn(&[u8]) -> u64,
}

/// As it lies in memory.
const PLAIN: Code = Code {
    answer: |_, body, out| answer(body, out, |out, number| out.extend(number.to_le_bytes())),
    read: |body| body.try_into().map_or(0, u64::from_le_bytes),
};

/// In MessagePack.
const RMP: Code = Code {
    answer: |_, body, out| answer(body, out, put),
    read: |body| rmp_serde::from_slice(body).unwrap_or_default(),
};

fn put(out: &mut Vec<u8>, number: u64) {
    let written = number.serialize(&mut Serializer::new(out));
    written.expect("a vector takes everything");
}

fn answer(body: &[u8], out: &mut Vec<u8>, put: impl Fn(&mut Vec<u8>, u64)) {
    for number in 0..body.try_into().map_or(0, u64::from_le_bytes) {
        let begin = out.len();
        out.extend_from_slice(&[0; 4]);
        put(out, number);
        let length = (out.len() - begin - 4) as u32;
        out[begin..begin + 4].copy_from_slice(&length.to_le_bytes());
    }
}

async fn floor(count: u64, code: Code) -> Outcome<u64> {
    let (listener, address) = listen().await?;
    tokio::spawn(frames::serve(listener, code.answer));
    let client = frames::Client::connect(address).await?;
    let write = |out: &mut Vec<u8>| out.extend(count.to_le_bytes());
    let read = |body: &mut Vec<u8>| add_up(body, code.read);
    Ok(client.call(0, write, read).await)
}

fn add_up(mut body: &[u8], read: fn(&[u8]) -> u64) -> u64 {
    let mut sum = 0;
    while let Some((length, rest)) = body.split_first_chunk() {
        let (item, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        sum += read(item);
        body = rest;
    }
    sum
}
