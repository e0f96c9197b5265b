//! This library over HTTP: a remote trait, its proxy, an HTTP channel.

use std::marker::PhantomData;

use anyhow::Result;
use bytes::Bytes;
use remoting::formatter::FormatterRef;
use remoting::prelude::*;
use remoting::{Json, MessagePack};
use tokio::task::JoinHandle;

use super::text_like;
use crate::measure::Turn;
use crate::peers::{Caller, Peer, Person, Serving};

#[remote]
trait Directory {
    async fn add(&self, a: i32, b: i32) -> remoting::Result<i32>;
    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> remoting::Result<Person>;
    async fn echo(&self, data: &[u8]) -> remoting::Result<Vec<u8>>;
    async fn echo_text(&self, text: String) -> remoting::Result<String>;
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

    async fn echo_text(&self, text: String) -> remoting::Result<String> {
        Ok(text)
    }
}

/// How arguments and results are written.
pub(crate) trait Format: 'static {
    const ABOUT: &'static str;

    fn formatter() -> FormatterRef;
}

pub(crate) struct InMessagePack;

impl Format for InMessagePack {
    const ABOUT: &'static str = "as by default: MessagePack";

    fn formatter() -> FormatterRef {
        MessagePack.into()
    }
}

pub(crate) struct InJson;

impl Format for InJson {
    const ABOUT: &'static str = "HttpChannel::formatter(Json); echo of a text";

    fn formatter() -> FormatterRef {
        Json.into()
    }
}

pub(crate) struct OverHttp<F>(PhantomData<F>);

pub(crate) type Ours = OverHttp<InMessagePack>;
pub(crate) type OursJson = OverHttp<InJson>;

impl<F: Format> Peer for OverHttp<F> {
    type Caller = OursCaller;

    const ABOUT: &'static str = F::ABOUT;

    async fn serve() -> Result<Serving> {
        let channel = HttpChannel::listen("127.0.0.1:0");
        let host = Host::builder().channel(channel).start().await?;
        host.publish("directory", DirectoryDispatcher::singleton(|| OnePerson))?;
        Ok(Serving::new(host.url("directory")?, host))
    }

    async fn connect(address: &str) -> Result<Self::Caller> {
        let formatter = F::formatter();
        let is_text = formatter == Json.into();
        let channel = HttpChannel::client().formatter(formatter);
        let host = Host::builder().channel(channel).start().await?;
        Ok(OursCaller {
            directory: host.get(address)?,
            is_text,
            _host: host,
        })
    }
}

#[derive(Clone)]
pub(crate) struct OursCaller {
    directory: DirectoryProxy,
    is_text: bool,
    _host: Host,
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
        if self.is_text {
            let back = self.directory.echo_text(text_like(data)).await?;
            return Ok(std::hint::black_box(back).len());
        }
        let back = self.directory.echo(data).await?;
        Ok(std::hint::black_box(back).len())
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
