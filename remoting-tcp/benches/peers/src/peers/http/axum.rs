//! axum with serde_json, called by hyper-util's client.

use anyhow::Result;
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Pool, body_of, pool, text_like};
use crate::measure::Turn;
use crate::peers::{Caller, Peer, Person, Serving};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i32,
    b: i32,
}

#[derive(Serialize, Deserialize)]
struct Who {
    id: u32,
    country: String,
    detailed: bool,
}

async fn add(Json(Add { a, b }): Json<Add>) -> Json<i32> {
    Json(a.wrapping_add(b))
}

async fn get_person(Json(who): Json<Who>) -> Json<Person> {
    Json(Person::find(who.id, &who.country, who.detailed))
}

async fn echo(Json(text): Json<String>) -> Json<String> {
    Json(text)
}

pub(crate) struct Axum;

impl Peer for Axum {
    type Caller = AxumCaller;

    const ABOUT: &'static str = "axum::serve with nodelay, Json both ways; the client is hyper-util's; echo of \
        a text";

    async fn serve() -> Result<Serving> {
        use axum::serve::ListenerExt as _;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| {
            let _tuned = stream.set_nodelay(true);
        });
        let app = Router::new()
            .route("/directory/add", post(add))
            .route("/directory/get_person", post(get_person))
            .route("/directory/echo", post(echo));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Serving::new(address, serving))
    }

    async fn connect(address: &str) -> Result<Self::Caller> {
        Ok(AxumCaller {
            pool: pool(),
            server: format!("http://{address}"),
        })
    }
}

#[derive(Clone)]
pub(crate) struct AxumCaller {
    pool: Pool,
    server: String,
}

impl AxumCaller {
    async fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        arguments: &impl Serialize,
    ) -> Result<R> {
        let request = Request::post(format!("{}/directory/{method}", self.server))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(serde_json::to_vec(arguments)?)))?;
        let body = body_of(&self.pool, request).await?;
        Ok(serde_json::from_slice(&body)?)
    }
}

impl Caller for AxumCaller {
    async fn add(&self, a: i32, b: i32) -> Result<i32> {
        self.call("add", &Add { a, b }).await
    }

    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> Result<u32> {
        let country = country.to_owned();
        let who = Who {
            id,
            country,
            detailed,
        };
        let person: Person = self.call("get_person", &who).await?;
        Ok(std::hint::black_box(person).id)
    }

    async fn echo(&self, data: &Bytes) -> Result<usize> {
        let back: String = self.call("echo", &text_like(data)).await?;
        Ok(std::hint::black_box(back).len())
    }

    fn start(self, turn: Turn) -> JoinHandle<Result<Vec<u32>>> {
        tokio::spawn(turn.run(self))
    }
}
