//! The objects of a host as a part of somebody else's server.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Body;
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, Uri, Version};
use remoting_core::channel::BoxFuture;
use remoting_core::{Error, ErrorKind, Executed, Peer};

use crate::answer::Answer;
use crate::health::{self, Health};
use crate::serve::Service;

/// Who has sent a request, where nobody tells.
const SOMEBODY: &str = "mounted";

/// What a channel and its services share: the objects, while the channel listens.
#[derive(Debug, Default)]
pub(crate) struct Mount(Mutex<Option<Arc<Service>>>);

impl Mount {
    /// Lets requests in until the guard is dropped; nothing if another channel does so.
    pub(crate) fn open(self: &Arc<Self>, service: &Arc<Service>) -> Option<Opened> {
        let mut open = self.lock();
        if open.is_some() {
            return None;
        }
        *open = Some(Arc::clone(service));
        Some(Opened(Arc::clone(self)))
    }

    /// What answers a request that comes now, and what holds a drain up until it is answered.
    fn enter(&self) -> Option<(Arc<Service>, Box<dyn Send + Sync>)> {
        let open = self.lock();
        let service = open.as_ref()?;
        // Under the lock: once listening has stopped, nobody comes any more.
        Some((Arc::clone(service), service.visit()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Service>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets no more requests in when dropped.
pub(crate) struct Opened(Arc<Mount>);

impl Drop for Opened {
    fn drop(&mut self) {
        let service = self.0.lock().take();
        drop(service);
    }
}

/// The objects of a host, to be mounted in a server of yours: a [`tower_service::Service`] for axum and
/// all that is built on tower, and a [`hyper::service::Service`].
///
/// Made by [`HttpChannel::service`](crate::HttpChannel::service). Cheap to clone. While the channel
/// does not listen, each request is answered with 503, and nothing was executed: before the host
/// has started, after it has stopped, and after it is gone.
///
/// Everything that the channel checks of requests it checks here too: `Host` and `Origin`, sizes of bodies and
/// the time that they take. Connections are the server's, and so are their limits. A future that
/// is dropped gives its call up. `CallContext::peer` is the [`SocketAddr`] among the extensions of the
/// request, if there is one, and else `mounted`; without one, the memory for bodies is not shared out among strangers.
#[derive(Clone)]
pub struct HttpService {
    mount: Arc<Mount>,
    /// The path of the channel's URL, where requests still have it.
    prefix: Option<Arc<str>>,
}

impl HttpService {
    pub(crate) fn new(mount: Arc<Mount>) -> Self {
        Self {
            mount,
            prefix: None,
        }
    }

    /// Expects whole paths: `/objects/bank/open`. Without it, the path under which the service is
    /// mounted has been taken away, as axum's `nest_service` does: `/bank/open`.
    ///
    /// - `prefix`: the path, `/objects`. Requests for other paths are answered with 404.
    #[must_use]
    pub fn below(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.trim_end_matches('/').into());
        self
    }

    async fn answer<B>(self, request: Request<B>) -> HttpResponse
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Display,
    {
        let Some((service, visit)) = self.mount.enter() else {
            let path = request.uri().path();
            let path = path.strip_prefix(self.prefix.as_deref().unwrap_or_default());
            if path.is_some_and(|path| health::is_asked_for(request.method(), path)) {
                return boxed(Health::Stopped.answer());
            }
            let text = "the host does not listen at the moment";
            let error = Error::new(ErrorKind::Disconnected, text).with_executed(Executed::No);
            return boxed(Answer::of_error(&error));
        };
        let mut request = as_http1(request);
        if let Some(prefix) = &self.prefix {
            let Some(uri) = without(request.uri(), prefix) else {
                let text = "there is nothing at this path";
                return boxed(Answer::refused(404, "not_found", text));
            };
            *request.uri_mut() = uri;
        }
        let address = request.extensions().get::<SocketAddr>().copied();
        let peer = Arc::new(address.map_or_else(|| Peer::named(SOMEBODY), Peer::at));
        let source = address.map(|address| address.ip().to_canonical());
        // A session has a connection of the server's for itself, and so a place among the host's.
        let admission = || service.acceptor.admit(source);
        let response = service.handle(request, &peer, admission).await;
        let cut = service.acceptor.cut();
        response.map(|body| body.keeping(visit).until(cut).boxed_unsync())
    }
}

/// What the service answers.
pub(crate) type HttpResponse = Response<UnsyncBoxBody<Bytes, Infallible>>;

fn boxed(answer: Answer) -> HttpResponse {
    answer.into_response().map(BodyExt::boxed_unsync)
}

/// Puts the address of a request to where HTTP/1.1 has it (RFC 9113, section 8.3.1).
fn as_http1<B>(mut request: Request<B>) -> Request<B> {
    if request.version() != Version::HTTP_2 {
        return request;
    }
    let authority = request.uri().authority();
    let authority = authority.and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority {
        // Another one stays beside it, and two are refused.
        if request.headers().get(HOST) != Some(&authority) {
            request.headers_mut().append(HOST, authority);
        }
        if let Some(path) = request.uri().path_and_query().cloned() {
            *request.uri_mut() = Uri::from(path);
        }
    }
    request
}

/// The target without the path under which the service is mounted; nothing if it is not below it.
fn without(uri: &Uri, prefix: &str) -> Option<Uri> {
    let path = uri.path().strip_prefix(prefix)?;
    if !path.starts_with('/') {
        return None;
    }
    let rest = match uri.query() {
        Some(query) => format!("{path}?{query}").parse::<PathAndQuery>(),
        None => path.parse(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest.ok()?);
    Uri::from_parts(parts).ok()
}

impl<B> tower_service::Service<Request<B>> for HttpService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Display,
{
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<HttpResponse, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        hyper::service::Service::call(self, request)
    }
}

impl<B> hyper::service::Service<Request<B>> for HttpService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Display,
{
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<HttpResponse, Infallible>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let answer = self.clone().answer(request);
        Box::pin(async { Ok(answer.await) })
    }
}

impl fmt::Debug for HttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpService")
            .field("is_open", &self.mount.lock().is_some())
            .field("prefix", &self.prefix)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;
    use hyper::StatusCode;
    use hyper::server::conn::http1;
    use hyper_util::rt::TokioIo;
    use remoting_core::Host;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tower_service::Service as _;

    use super::*;
    use crate::HttpChannel;
    use crate::headers::EXECUTED;

    const BASE: &str = "http://api.example/objects";

    fn ask(target: &str) -> Request<Empty<Bytes>> {
        let request = Request::get(target).header(HOST, "api.example");
        request.body(Empty::new()).unwrap()
    }

    async fn status(service: &HttpService, request: Request<Empty<Bytes>>) -> u16 {
        service
            .clone()
            .call(request)
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    const WELL_KNOWN: &str = "/.well-known/remoting";

    #[tokio::test]
    async fn a_service_answers_while_its_channel_listens() {
        let channel = HttpChannel::mounted(BASE);
        let mut service = channel.service();
        assert_eq!(status(&service, ask(WELL_KNOWN)).await, 503);
        let host = Host::builder().channel(channel).start().await.unwrap();
        let http = host.channel("http").unwrap();
        assert_eq!(
            http.url("bank").as_deref(),
            Some("http://api.example/objects/bank")
        );
        assert_eq!(status(&service, ask(WELL_KNOWN)).await, 200);
        http.stop_listening().await;
        assert_eq!(status(&service, ask(WELL_KNOWN)).await, 503);
        http.start_listening().await.unwrap();
        assert_eq!(status(&service, ask(WELL_KNOWN)).await, 200);
        drop((http, host));
        let refused = service.call(ask(WELL_KNOWN)).await.unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()[EXECUTED], "no");
        assert!(refused.headers().contains_key("retry-after"));
        let body = refused.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&body).unwrap();
        assert!(text.starts_with(r#"{"code":"disconnected""#), "{text}");
    }

    #[tokio::test]
    async fn a_channel_with_a_socket_has_a_service_too() {
        let channel = HttpChannel::listen("127.0.0.1:0");
        let service = channel.service();
        let _host = Host::builder().channel(channel).start().await.unwrap();
        let request = Request::get(WELL_KNOWN).header(HOST, "localhost");
        assert_eq!(
            status(&service, request.body(Empty::new()).unwrap()).await,
            200
        );
    }

    #[tokio::test]
    async fn a_channel_is_mounted_once() {
        let channel = HttpChannel::mounted(BASE);
        let host = Host::builder()
            .channel(channel.clone())
            .start()
            .await
            .unwrap();
        let second = Host::builder().channel(channel.clone()).start().await;
        assert_eq!(second.unwrap_err().kind(), ErrorKind::ChannelTaken);
        drop(host);
        assert!(Host::builder().channel(channel).start().await.is_ok());
    }

    #[tokio::test]
    async fn what_is_checked_of_requests_is_checked_here_too() {
        let channel = HttpChannel::mounted(BASE);
        let service = channel.service();
        let _host = Host::builder().channel(channel).start().await.unwrap();
        for (host, origin, expected) in [
            ("api.example", None, 200),
            ("localhost", None, 200),
            ("evil.example", None, 421),
            ("api.example", Some("https://evil.example"), 403),
        ] {
            let mut request = Request::get(WELL_KNOWN).header(HOST, host);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let request = request.body(Empty::new()).unwrap();
            assert_eq!(status(&service, request).await, expected, "{host}");
        }
    }

    #[tokio::test]
    async fn a_service_below_a_path_answers_there_and_nowhere_else() {
        let channel = HttpChannel::mounted(BASE);
        let service = channel.service().below("/objects/");
        let _host = Host::builder().channel(channel).start().await.unwrap();
        for (target, expected) in [
            ("/objects/.well-known/remoting", 200),
            ("/.well-known/remoting", 404),
            ("/objectsx/.well-known/remoting", 404),
            ("/objects", 404),
            ("/", 404),
        ] {
            assert_eq!(status(&service, ask(target)).await, expected, "{target}");
        }
        let rest = without(&"/objects/bank/add?a=%2F".parse().unwrap(), "/objects");
        assert_eq!(rest, Some("/bank/add?a=%2F".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_server_of_hypers_own_takes_the_service_as_it_is() {
        let channel = HttpChannel::mounted(BASE);
        let service = channel.service().below("/objects");
        let _host = Host::builder().channel(channel).start().await.unwrap();
        let (mut client, server) = tokio::io::duplex(4096);
        let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
        let serving = tokio::spawn(connection);
        let request = "GET /objects/.well-known/remoting HTTP/1.1\r\nHost: api.example\r\n\
            Connection: close\r\n\r\n";
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with(r#"{"publications":[]}"#), "{answer}");
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_request_of_http_2_has_its_host_in_its_target() {
        let channel = HttpChannel::mounted(BASE);
        let service = channel.service();
        let _host = Host::builder().channel(channel).start().await.unwrap();
        for (authority, host, expected) in [
            ("api.example", None, 200),
            ("api.example", Some("api.example"), 200),
            ("evil.example", None, 421),
            ("api.example", Some("localhost"), 400),
        ] {
            let target = format!("http://{authority}{WELL_KNOWN}");
            let mut request = Request::get(target).version(Version::HTTP_2);
            if let Some(host) = host {
                request = request.header(HOST, host);
            }
            let request = request.body(Empty::new()).unwrap();
            assert_eq!(
                status(&service, request).await,
                expected,
                "{authority} {host:?}"
            );
        }
    }
}
