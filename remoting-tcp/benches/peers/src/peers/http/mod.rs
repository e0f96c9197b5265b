//! The contestants that make requests of HTTP. Each caller's requests have a connection of
//! their own, which a pool keeps.

mod axum;
mod floor;
mod jsonrpsee;
mod ours;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

pub(crate) use self::axum::Axum;
pub(crate) use self::floor::Floor;
pub(crate) use self::jsonrpsee::Jsonrpsee;
pub(crate) use self::ours::{Ours, OursJson};

/// A pool of connections, as bare as it can be.
type Pool = Client<HttpConnector, Full<Bytes>>;

fn pool() -> Pool {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector)
}

/// Sends a request and gives the body of its answer.
async fn body_of(pool: &Pool, request: Request<Full<Bytes>>) -> Result<Bytes> {
    let response: Response<Incoming> = pool.request(request).await?;
    ensure!(response.status().is_success(), "{}", response.status());
    Ok(response.into_body().collect().await?.to_bytes())
}

/// As many bytes as `data` has, as a text that JSON writes as it is.
fn text_like(data: &Bytes) -> String {
    data.iter()
        .map(|byte| char::from(b'a' + byte % 26))
        .collect()
}
