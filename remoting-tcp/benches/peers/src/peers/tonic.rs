//! tonic, as in its example of a greeter: a service over HTTP/2, messages in Protocol
//! Buffers. Clones of a client share its connection, and so do the callers.

use anyhow::Result;
use bytes::Bytes;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use super::{Caller, Peer, Serving};
use crate::measure::Turn;
use directory::directory_client::DirectoryClient;
use directory::directory_server::{Directory, DirectoryServer};
use directory::{Data, Pair, Person, PersonRequest, Sum};

mod directory {
    tonic::include_proto!("directory");
}

/// The longest message; 4 MiB unless set, and the largest row's are a little longer.
const LONGEST: usize = 5 * 1024 * 1024;

struct OnePerson;

#[tonic::async_trait]
impl Directory for OnePerson {
    async fn add(&self, request: Request<Pair>) -> Result<Response<Sum>, Status> {
        let Pair { a, b } = request.into_inner();
        Ok(Response::new(Sum {
            sum: a.wrapping_add(b),
        }))
    }

    async fn get_person(
        &self,
        request: Request<PersonRequest>,
    ) -> Result<Response<Person>, Status> {
        let asked = request.into_inner();
        let found = super::Person::find(asked.id, &asked.country, asked.detailed);
        Ok(Response::new(Person {
            id: found.id,
            name: found.name,
            email: found.email,
            age: found.age,
            balance: found.balance,
        }))
    }

    async fn echo(&self, request: Request<Data>) -> Result<Response<Data>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

pub(crate) struct Tonic;

impl Peer for Tonic {
    type Caller = TonicCaller;

    const ABOUT: &'static str = "tonic over HTTP/2 with prost; max_decoding_message_size raised \
        on both sides from 4 MiB to 5 MiB";

    async fn serve() -> Result<Serving> {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?.with_nodelay(Some(true));
        let address = incoming.local_addr()?;
        let service = DirectoryServer::new(OnePerson).max_decoding_message_size(LONGEST);
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(incoming));
        Ok(Serving::new(address, ()))
    }

    async fn connect(address: &str) -> Result<Self::Caller> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        let channel = endpoint.tcp_nodelay(true).connect().await?;
        let client = DirectoryClient::new(channel);
        Ok(TonicCaller(client.max_decoding_message_size(LONGEST)))
    }
}

#[derive(Clone)]
pub(crate) struct TonicCaller(DirectoryClient<Channel>);

impl Caller for TonicCaller {
    async fn add(&self, a: i32, b: i32) -> Result<i32> {
        let reply = self.0.clone().add(Pair { a, b }).await?;
        Ok(reply.into_inner().sum)
    }

    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> Result<u32> {
        let request = PersonRequest {
            id,
            country: country.to_owned(),
            detailed,
        };
        let reply = self.0.clone().get_person(request).await?;
        Ok(std::hint::black_box(reply.into_inner()).id)
    }

    async fn echo(&self, data: &Bytes) -> Result<usize> {
        let data = Data {
            data: data.to_vec(),
        };
        let reply = self.0.clone().echo(data).await?;
        Ok(std::hint::black_box(reply.into_inner()).data.len())
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
