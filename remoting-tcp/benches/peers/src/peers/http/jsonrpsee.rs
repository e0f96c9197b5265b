//! jsonrpsee over HTTP: JSON-RPC 2.0.

use anyhow::Result;
use bytes::Bytes;
use jsonrpsee::core::{RpcResult, async_trait};
use jsonrpsee::http_client::{HttpClient, HttpClientBuilder};
use jsonrpsee::proc_macros::rpc;
use jsonrpsee::server::Server;
use tokio::task::JoinHandle;

use super::text_like;
use crate::measure::Turn;
use crate::peers::{Caller, Peer, Person, Serving};

#[rpc(server, client)]
trait Directory {
    #[method(name = "add")]
    async fn add(&self, a: i32, b: i32) -> RpcResult<i32>;
    #[method(name = "get_person")]
    async fn get_person(&self, id: u32, country: String, detailed: bool) -> RpcResult<Person>;
    #[method(name = "echo")]
    async fn echo(&self, text: String) -> RpcResult<String>;
}

struct OnePerson;

#[async_trait]
impl DirectoryServer for OnePerson {
    async fn add(&self, a: i32, b: i32) -> RpcResult<i32> {
        Ok(a.wrapping_add(b))
    }

    async fn get_person(&self, id: u32, country: String, detailed: bool) -> RpcResult<Person> {
        Ok(Person::find(id, &country, detailed))
    }

    async fn echo(&self, text: String) -> RpcResult<String> {
        Ok(text)
    }
}

pub(crate) struct Jsonrpsee;

impl Peer for Jsonrpsee {
    type Caller = JsonrpseeCaller;

    const ABOUT: &'static str = "as by default; JSON-RPC 2.0; echo of a text";

    async fn serve() -> Result<Serving> {
        let server = Server::builder().build("127.0.0.1:0").await?;
        let address = server.local_addr()?;
        let handle = server.start(OnePerson.into_rpc());
        Ok(Serving::new(address, handle))
    }

    async fn connect(address: &str) -> Result<Self::Caller> {
        let client = HttpClientBuilder::default().build(format!("http://{address}"))?;
        Ok(JsonrpseeCaller(client))
    }
}

#[derive(Clone)]
pub(crate) struct JsonrpseeCaller(HttpClient);

impl Caller for JsonrpseeCaller {
    async fn add(&self, a: i32, b: i32) -> Result<i32> {
        Ok(DirectoryClient::add(&self.0, a, b).await?)
    }

    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> Result<u32> {
        let country = country.to_owned();
        let person = DirectoryClient::get_person(&self.0, id, country, detailed).await?;
        Ok(std::hint::black_box(person).id)
    }

    async fn echo(&self, data: &Bytes) -> Result<usize> {
        let back = DirectoryClient::echo(&self.0, text_like(data)).await?;
        Ok(std::hint::black_box(back).len())
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
