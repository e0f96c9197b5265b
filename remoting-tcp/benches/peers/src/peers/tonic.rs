//! tonic, as in its example of a greeter: a service over HTTP/2, messages in Protocol
//! Buffers. Clones of a client share its connection, and so do the callers.

use anyhow::Result;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

use super::streamed::{Passed, pieces, take};
use super::{Caller, Peer, Serving};
use crate::measure::Turn;
use crate::workloads::Streamed;
use directory::directory_client::DirectoryClient;
use directory::directory_server::{Directory, DirectoryServer};
use directory::{Count, Data, Number, Pair, Person, PersonRequest, Sum};

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

    type NumbersStream = BoxStream<'static, Result<Number, Status>>;

    async fn numbers(
        &self,
        request: Request<Count>,
    ) -> Result<Response<Self::NumbersStream>, Status> {
        let numbers = (0..request.into_inner().count).map(|number| Ok(Number { number }));
        Ok(Response::new(stream::iter(numbers).boxed()))
    }

    type DownStream = BoxStream<'static, Result<Data, Status>>;

    async fn down(&self, request: Request<Count>) -> Result<Response<Self::DownStream>, Status> {
        let pieces = pieces(request.into_inner().count, Passed::default());
        let data = pieces.map(|data| Ok(Data { data }));
        Ok(Response::new(stream::iter(data).boxed()))
    }

    async fn up(&self, request: Request<Streaming<Data>>) -> Result<Response<Count>, Status> {
        let count = add_up(request.into_inner(), &Passed::default()).await?;
        Ok(Response::new(Count { count }))
    }
}

async fn add_up(mut pieces: Streaming<Data>, passed: &Passed) -> Result<u64, Status> {
    let mut total = 0;
    while let Some(piece) = pieces.message().await? {
        total += take(piece.data, passed);
    }
    Ok(total)
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

    async fn stream(&self, streamed: Streamed, passed: Passed) -> Result<u64> {
        let mut client = self.0.clone();
        match streamed {
            Streamed::Numbers(count) => {
                let mut numbers = client.numbers(Count { count }).await?.into_inner();
                let mut sum = 0;
                while let Some(item) = numbers.message().await? {
                    sum += item.number;
                }
                Ok(sum)
            }
            Streamed::Down(count) => {
                let pieces = client.down(Count { count }).await?.into_inner();
                Ok(add_up(pieces, &passed).await?)
            }
            Streamed::Up(count) => {
                let data = pieces(count, passed).map(|data| Data { data });
                Ok(client.up(stream::iter(data)).await?.into_inner().count)
            }
        }
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
