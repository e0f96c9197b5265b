//! The caller's end: a call is a POST, over connections that are kept for the next one.

use std::borrow::Cow;
use std::error::Error as _;
use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use remoting_core::channel::{BoxFuture, Exchange};
use remoting_core::formatter::FormatterRef;
use remoting_core::{CallMessage, Error, ErrorKind, Executed, Fault, ReplyMessage, Token};
use remoting_tcp::sockets::{Security, refusal};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_service::Service as _;

use crate::codes::to_executed;
use crate::connector::Connector;
use crate::headers::{CallHeaders, EXECUTED, pairs_of};
use crate::login;
use crate::reply;
use crate::route::url_of;

/// How long a connection is kept that nobody uses: less than servers do.
const KEPT: Duration = Duration::from_secs(20);

/// How long a ticket that is given back may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many tickets are given back to a server at a time.
const RELEASES: usize = 8;

/// How many at most are on their way to a server, or wait for their turn: as many as some of the largest answers hold. One
/// more is left to its lease, so that a server which does not take them back fills no memory here.
const UNRELEASED: usize = 4096;

/// The longest time, in seconds, that a server can ask to wait before another try.
const MOST_WAIT: u64 = 24 * 60 * 60;

/// The connections of a channel to all its servers.
pub(crate) type Pool = Client<Connector, Full<Bytes>>;

/// Makes an empty pool.
pub(crate) fn pool(security: Arc<Security>) -> Pool {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT)
        .build(Connector::new(security))
}

/// The way to one server.
pub(crate) struct Server {
    pool: Pool,
    /// How it connects.
    security: Arc<Security>,
    /// What proves who this side is.
    token: Option<Token>,
    /// What stands before the names of objects: `http://host:port`.
    base: String,
    /// Turns of requests that give tickets back: a server may have given out many.
    releases: Arc<Semaphore>,
    /// Room for those that wait for a turn or have one.
    unreleased: Arc<Semaphore>,
}

impl Server {
    pub(crate) fn new(
        pool: Pool,
        security: &Arc<Security>,
        base: String,
        token: &Option<Token>,
    ) -> Self {
        Self {
            pool,
            security: Arc::clone(security),
            token: token.clone(),
            base,
            releases: Arc::new(Semaphore::new(RELEASES)),
            unreleased: Arc::new(Semaphore::new(UNRELEASED)),
        }
    }

    /// Opens a connection and closes it.
    async fn probe(&self) -> Result<(), Error> {
        let uri = Uri::try_from(format!("{}/", self.base));
        let uri = uri.map_err(|error| Error::new(ErrorKind::InvalidUrl, error.to_string()))?;
        let mut connector = Connector::new(Arc::clone(&self.security));
        connector.call(uri).await.map(drop)
    }

    async fn call(&self, call: CallMessage) -> ReplyMessage {
        let (most, formatter) = (call.max_message, call.formatter.clone());
        let request = self.request(call)?;
        let response = self.pool.request(request).await;
        let response = response.map_err(|error| self.unanswered(&error))?;
        read(response, most, &formatter).await
    }

    fn request(&self, call: CallMessage) -> Result<Request<Full<Bytes>>, Fault> {
        let method = match call.method_name {
            Some(name) => Cow::Borrowed(name),
            // Somebody else's call, of an interface that is not known here.
            None => Cow::Owned(format!("${:08x}", call.method.0)),
        };
        let target = url_of(&self.base, &call.object, &method);
        let uri = Uri::try_from(target).map_err(|error| {
            let text = format!("`{}` is no address ({error})", self.base);
            Fault::refused(ErrorKind::InvalidUrl, text)
        })?;
        let call_headers = CallHeaders::of(&call);
        let mut request = Request::new(Full::new(call.payload.into()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        let content_type = HeaderValue::from_static(call.formatter.content_type());
        headers.insert(CONTENT_TYPE, content_type);
        call_headers.write(headers);
        self.log_in(headers);
        Ok(request)
    }

    fn log_in(&self, headers: &mut HeaderMap) {
        if let Some(token) = &self.token {
            login::show(headers, &token.mint());
        }
    }

    /// The error of a request that got no answer.
    fn unanswered(&self, error: &ClientError) -> Fault {
        let base = &self.base;
        if let Some(own) = error
            .source()
            .and_then(|cause| cause.downcast_ref::<Error>())
        {
            return Fault::Error(own.clone());
        }
        if let Some(refused) = refusal(error, base) {
            return Fault::Error(refused);
        }
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let _infallible = write!(why, ": {cause}");
            source = cause.source();
        }
        let text = format!(
            "the connection to `{base}` broke ({why}); is it an HTTP server that listens there?"
        );
        let error = Error::new(ErrorKind::Disconnected, text);
        Fault::Error(error.with_executed(Executed::Unknown))
    }
}

/// Reads an answer.
///
/// - `most`: how many bytes are taken of it.
/// - `formatter`: that of the call.
async fn read(response: Response<Incoming>, most: usize, formatter: &FormatterRef) -> ReplyMessage {
    let (head, body) = response.into_parts();
    let content_type = head.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|text| text.split(';').next());
    let retry_after = head.headers.get(RETRY_AFTER);
    let retry_after = retry_after
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(|seconds: u64| Duration::from_secs(seconds.min(MOST_WAIT)));
    // A gateway that packs answers has left what it packed unreadable here.
    let own_headers = pairs_of(&head.headers);
    let executed = head.headers.get(EXECUTED);
    let is_ours = executed.is_some() && !head.headers.contains_key(CONTENT_ENCODING);
    if body.size_hint().lower() > u64::try_from(most).unwrap_or(u64::MAX) {
        return Err(too_large(executed));
    }
    let body = Limited::new(body, most).collect().await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => too_large(executed),
        false => broken(&error),
    })?;
    let reply = reply::read(
        head.status,
        essence.unwrap_or_default().trim(),
        is_ours,
        retry_after,
        body.to_bytes(),
        formatter,
    );
    if own_headers.is_empty() || !is_ours {
        return reply;
    }
    match reply {
        Ok(mut payload) => {
            payload.set_headers(own_headers);
            Ok(payload)
        }
        Err(fault) => Err(fault.with_headers(own_headers)),
    }
}

/// The error of an answer that is too large.
///
/// - `executed`: what its head says about whether code ran.
fn too_large(executed: Option<&HeaderValue>) -> Fault {
    let word = executed.and_then(|value| value.to_str().ok());
    let executed = to_executed(word.unwrap_or_default());
    let text = "the answer is larger than `max_message` of this side allows";
    Fault::Error(Error::new(ErrorKind::TooLarge, text).with_executed(executed))
}

/// The error of an answer that did not come to its end.
fn broken(error: &dyn Display) -> Fault {
    let text = format!("the connection broke in the middle of the answer ({error})");
    let error = Error::new(ErrorKind::Disconnected, text);
    Fault::Error(error.with_executed(Executed::Unknown))
}

impl Exchange for Server {
    fn exchange(&self, call: CallMessage) -> BoxFuture<'_, ReplyMessage> {
        Box::pin(self.call(call))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.probe())
    }

    fn release(&self, name: &str) -> BoxFuture<'static, ()> {
        let Ok(room) = Arc::clone(&self.unreleased).try_acquire_owned() else {
            return Box::pin(std::future::ready(()));
        };
        let target = format!("{}/{name}", self.base);
        let (pool, releases) = (self.pool.clone(), Arc::clone(&self.releases));
        let mut request = Request::delete(target).body(Full::default());
        if let Ok(request) = &mut request {
            self.log_in(request.headers_mut());
        }
        Box::pin(async move {
            let (Ok(request), Ok(_turn)) = (request, releases.acquire().await) else {
                return;
            };
            // If it gets lost the lease ends by itself.
            let _lost = timeout(PATIENCE, pool.request(request)).await;
            drop(room);
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::net::TcpListener;

    use super::*;

    async fn has_ended(release: &mut BoxFuture<'static, ()>) -> bool {
        poll_fn(|cx| Poll::Ready(release.as_mut().poll(cx).is_ready())).await
    }

    #[tokio::test]
    async fn one_ticket_more_than_may_wait_to_be_given_back_is_left_to_its_lease() {
        // It takes connections, and answers nothing.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let security = Arc::default();
        let server = Server::new(pool(Arc::clone(&security)), &security, base, &None);
        let mut waiting: Vec<_> = (0..UNRELEASED).map(|_| server.release("~/one")).collect();
        for release in &mut waiting {
            assert!(!has_ended(release).await);
        }
        assert!(has_ended(&mut server.release("~/one")).await);
        waiting.pop();
        assert!(!has_ended(&mut server.release("~/one")).await);
    }
}
