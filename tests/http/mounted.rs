//! The channel as a part of an axum server.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use remoting::prelude::*;
use remoting::{ErrorKind, Executed, Limits};
use tokio::net::TcpListener;

use crate::calc::{CalcError, CalcProxy, CounterProxy, Server};
use crate::raw::{Raw, ask, post};

#[remote]
trait Door {
    async fn who(&self) -> remoting::Result<Option<String>>;
    /// Calls back.
    async fn knock(&self, guest: GuestProxy) -> remoting::Result<u32>;
    async fn another(&self) -> remoting::Result<DoorProxy>;
}

#[remote]
trait Guest {
    async fn open(&self) -> remoting::Result<u32>;
}

struct Porter;

impl Door for Porter {
    async fn who(&self) -> remoting::Result<Option<String>> {
        Ok(CallContext::current().map(|context| context.peer().to_string()))
    }

    async fn knock(&self, guest: GuestProxy) -> remoting::Result<u32> {
        guest.open().await
    }

    async fn another(&self) -> remoting::Result<DoorProxy> {
        Ok(DoorProxy::local(Porter))
    }
}

impl Guest for Porter {
    async fn open(&self) -> remoting::Result<u32> {
        Ok(7)
    }
}

/// Lets objects know who calls.
async fn tell_peer(mut request: Request, next: Next) -> Response {
    let info = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if let Some(ConnectInfo(peer)) = info.copied() {
        request.extensions_mut().insert(peer);
    }
    next.run(request).await
}

/// A server of axum's, with the objects of a host below `/objects`.
async fn mounted() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let channel = HttpChannel::mounted(format!("http://{address}/objects"));
    let app = Router::new()
        .nest_service("/objects", channel.service())
        .layer(from_fn(tell_peer))
        .into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let server = Server::with(channel, Limits::default()).await;
    assert_eq!(server.authority, address.to_string());
    server
}

fn publish_door(server: &Server) -> String {
    let publication = DoorDispatcher::singleton(|| Porter);
    server.host.publish("door", publication).unwrap();
    server.host.url("door").unwrap()
}

async fn client() -> Host {
    let builder = Host::builder().channel(HttpChannel::client());
    builder.start().await.unwrap()
}

#[tokio::test]
async fn a_proxy_calls_an_object_below_a_path_of_another_server() {
    let server = mounted().await;
    let client = client().await;
    let url = server.host.url("calc").unwrap();
    assert_eq!(url, format!("http://{}/objects/calc", server.authority));
    let calc: CalcProxy = client.get(&url).unwrap();
    assert_eq!(calc.add(2, 3).await.unwrap(), 5);
    let own = calc.divide(1, 0).await.unwrap_err();
    assert!(matches!(own, CalcError::DividedByZero(1)));
    let nobody: CalcProxy = client.get(&url.replace("calc", "nobody")).unwrap();
    let error = nobody.add(2, 3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    // The same name at the same address, but not below the path, is another server's.
    let outside: CalcProxy = client.get(&url.replace("/objects", "")).unwrap();
    let error = outside.add(2, 3).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::Protocol, Executed::Unknown)
    );
}

#[tokio::test]
async fn requests_find_the_objects_below_the_path_and_nowhere_else() {
    let server = mounted().await;
    for (path, status) in [
        ("/objects/calc/add", 200),
        ("/objects/calc/multiply", 404),
        ("/calc/add", 404),
        ("/objects", 404),
        ("/objects/", 404),
    ] {
        let answer = ask(&server.authority, &post(path, &[], "[2,3]")).await;
        assert_eq!(answer.unwrap().status, status, "{path}");
    }
    let foreign = post("/objects/calc/add", &[], "[2,3]").replace("localhost", "evil.example");
    let answer = ask(&server.authority, &foreign).await.unwrap();
    assert_eq!(answer.status, 421);
}

#[tokio::test]
async fn a_description_tells_of_the_path() {
    let server = mounted().await;
    let request = "GET /objects/calc?openapi HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = ask(&server.authority, request).await.unwrap();
    let described: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(described["servers"][0]["url"], "/objects");
    assert!(described["paths"]["/calc/add"]["get"].is_object());
}

#[tokio::test]
async fn an_object_sees_the_peer_that_the_server_tells() {
    let server = mounted().await;
    publish_door(&server);
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(&post("/objects/door/who", &[], "")).await;
    let own = raw.0.local_addr().unwrap();
    assert_eq!(raw.answer().await.unwrap().body, format!("\"{own}\""));
}

#[tokio::test]
async fn a_call_is_given_up_when_the_client_of_the_server_hangs_up() {
    let server = mounted().await;
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(&post("/objects/calc/wait", &[], "")).await;
    server.calc.waiting.notified().await;
    drop(raw);
    server.calc.given_up.notified().await;
}

#[tokio::test]
async fn a_host_that_drains_waits_for_the_requests_of_the_server() {
    let server = mounted().await;
    let mut raw = Raw::connect(&server.authority).await;
    raw.send(&post("/objects/calc/wait", &[], "")).await;
    server.calc.waiting.notified().await;
    let now = std::future::ready(());
    let stopping = server.host.run_until(now).drain(Duration::from_secs(20));
    let stopping = tokio::spawn(stopping.into_future());
    while server.host.channel("http").unwrap().address().is_some() {
        tokio::task::yield_now().await;
    }
    let request = post("/objects/calc/add", &[], "[2,3]");
    let refused = ask(&server.authority, &request).await.unwrap();
    assert_eq!(
        (refused.status, refused.header("remoting-executed")),
        (503, Some("no"))
    );
    server.calc.let_go.notify_one();
    assert_eq!(raw.answer().await.unwrap().status, 204);
    let stopped = stopping.await.unwrap();
    assert_eq!((stopped.closed, stopped.cut), (1, 0));
}

#[tokio::test]
async fn a_proxy_knows_that_nothing_ran_where_the_host_does_not_listen() {
    let server = mounted().await;
    let client = client().await;
    let calc: CalcProxy = client.get(&server.host.url("calc").unwrap()).unwrap();
    server.host.channel("http").unwrap().stop_listening().await;
    let error = calc.add(2, 3).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::Disconnected, Executed::No)
    );
    server
        .host
        .channel("http")
        .unwrap()
        .start_listening()
        .await
        .unwrap();
    assert_eq!(calc.add(2, 3).await.unwrap(), 5);
}

#[tokio::test]
async fn a_session_begins_below_the_path_and_drains_with_the_host() {
    let server = mounted().await;
    let client = client().await;
    let door: DoorProxy = client.get(&publish_door(&server)).unwrap();
    assert_eq!(door.knock(GuestProxy::local(Porter)).await.unwrap(), 7);
    assert_eq!(
        client.open_connections(),
        1,
        "what calls back needs a session"
    );
    assert_eq!(
        server.host.open_connections(),
        1,
        "which is one of the host's"
    );
    let url = server.host.url("counter").unwrap();
    let made = client.activate::<CounterProxy>(&url).starting_at(41).await;
    let counter = made.unwrap();
    assert_eq!(counter.next().await.unwrap(), 42);
    let now = std::future::ready(());
    let stopping = server.host.run_until(now).drain(Duration::from_secs(20));
    let stopped = stopping.await;
    assert_eq!((stopped.closed, stopped.cut), (1, 0));
    let over_session = url.replace("http://", "ws://");
    let refused = client.connect::<CounterProxy>(&over_session).await;
    let error = refused.unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::ConnectFailed, Executed::No)
    );
}

#[tokio::test]
async fn an_object_is_made_and_let_go_below_the_path() {
    let server = mounted().await;
    let request = post("/objects/counter:starting_at", &[], "[41]");
    let made = ask(&server.authority, &request).await.unwrap();
    assert_eq!(made.status, 201);
    let path = made.header("location").unwrap();
    assert!(path.starts_with("/objects/~/rt1."), "{path}");
    let next = ask(&server.authority, &post(&format!("{path}/next"), &[], "")).await;
    assert_eq!(next.unwrap().body, "42");
    let url = format!("http://{}{path}", server.authority);
    let client = client().await;
    let counter: CounterProxy = client.get(&url).unwrap();
    assert_eq!(counter.next().await.unwrap(), 43);
    let release = format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let released = ask(&server.authority, &release).await.unwrap();
    assert_eq!(released.status, 204);
    assert_eq!(server.host.kept_objects(), 0);
}

#[tokio::test]
async fn an_object_in_an_answer_is_called_below_the_path_too() {
    let server = mounted().await;
    let client = client().await;
    let door: DoorProxy = client.get(&publish_door(&server)).unwrap();
    let another = door.another().await.unwrap();
    assert!(another.who().await.unwrap().is_some());
    assert_eq!(client.open_connections(), 0, "without a session");
    drop(another);
    while server.host.kept_objects() > 0 {
        tokio::task::yield_now().await;
    }
}
