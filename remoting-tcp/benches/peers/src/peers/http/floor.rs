//! The floor: hyper's server and hyper-util's client, with the headers and bodies that the library
//! has. Bytes are only copied.

use std::convert::Infallible;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Pool, body_of, pool};
use crate::measure::Turn;
use crate::peers::{Caller, Peer, Serving};

const KIND: HeaderValue = HeaderValue::from_static("application/json");
const ADD: &[u8] = b"{\"a\":20,\"b\":22}";
const SUM: &[u8] = b"42";
const WHO: &[u8] = b"{\"id\":42,\"country\":\"uk\",\"detailed\":true}";
const PERSON: &[u8] = b"{\"id\":42,\"name\":\"Ada Lovelace\",\"email\":\"ada@analytical.engine.uk\",\"age\":36,\"balance\":42.0}";

pub(crate) struct Floor;

impl Peer for Floor {
    type Caller = FloorCaller;

    const ABOUT: &'static str = "bare hyper and hyper-util, with the headers and about the bodies of \
        remoting-json; nothing is encoded";

    async fn serve() -> Result<Serving> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _tuned = stream.set_nodelay(true);
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service_fn(answer));
                tokio::spawn(connection);
            }
        });
        Ok(Serving::new(address, serving))
    }

    async fn connect(address: &str) -> Result<Self::Caller> {
        Ok(FloorCaller {
            pool: pool(),
            server: format!("http://{address}"),
        })
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    let body = match head.uri.path() {
        "/directory/add" => Bytes::copy_from_slice(SUM),
        "/directory/get_person" => Bytes::copy_from_slice(PERSON),
        _ => body.unwrap_or_default(),
    };
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_TYPE, KIND);
    headers.insert("remoting-executed", HeaderValue::from_static("yes"));
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[derive(Clone)]
pub(crate) struct FloorCaller {
    pool: Pool,
    server: String,
}

impl FloorCaller {
    async fn call(&self, method: &str, body: Bytes) -> Result<Bytes> {
        let request = Request::post(format!("{}/directory/{method}", self.server))
            .header(CONTENT_TYPE, KIND)
            .header("remoting-timeout-ms", "30000")
            .header("remoting-interface", "0123456789abcdef")
            .body(Full::new(body))?;
        body_of(&self.pool, request).await
    }
}

impl Caller for FloorCaller {
    async fn add(&self, a: i32, b: i32) -> Result<i32> {
        let answer = self.call("add", Bytes::copy_from_slice(ADD)).await?;
        std::hint::black_box(answer);
        Ok(a.wrapping_add(b))
    }

    async fn get_person(&self, id: u32, _country: &str, _detailed: bool) -> Result<u32> {
        let answer = self.call("get_person", Bytes::copy_from_slice(WHO)).await?;
        std::hint::black_box(answer).first().context("no person")?;
        Ok(id)
    }

    async fn echo(&self, data: &Bytes) -> Result<usize> {
        let back = self.call("echo", Bytes::copy_from_slice(data)).await?;
        Ok(std::hint::black_box(back).len())
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
