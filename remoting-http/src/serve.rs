//! From a request to its answer, whatever it came over.

use std::fmt::Display;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, HeaderMap, HeaderValue,
    VARY,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use remoting_core::channel::{Acceptor, Admission, TurnedAway};
use remoting_core::formatter::{FormatterRef, Payload};
use remoting_core::{
    CallMessage, Counters, ErrorKind, Fault, InterfaceDescriptor, Limits, MethodDescriptor, Peer,
    Secret,
};
use tokio::sync::Semaphore;

use crate::answer::Answer;
use crate::arguments::Arguments;
use crate::describe;
use crate::gate::{Gate, METHODS, Visit};
use crate::headers::{CallHeaders, READ_BY_PAGES, SENT_BY_PAGES, prefers_no_answer};
use crate::health;
use crate::login;
use crate::once::Kept;
use crate::openapi;
use crate::query;
use crate::room::{Place, Room};
use crate::route::{HEALTH, Route, is_ticket};
use crate::stream::{Lingering, ReplyBody};
use crate::websocket;

/// For how many seconds a browser remembers what pages may do.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// Answers requests with the objects of a host.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) acceptor: Acceptor,
    gate: Gate,
    /// Those that the host reads.
    pub(crate) formatters: Vec<FormatterRef>,
    /// The path below which the objects are, as clients see it.
    pub(crate) path: String,
    pub(crate) room: Room,
    /// How many calls may still run whose answers nobody waits for.
    unawaited: Arc<Semaphore>,
    /// The same of callers that the host does not know: they take no place of others.
    unawaited_of_strangers: Arc<Semaphore>,
    pub(crate) kept: Kept,
    /// The streams whose callers may go on with them.
    pub(crate) lingering: Lingering,
    /// The same of callers that the host does not know: they push nobody else's out.
    pub(crate) lingering_of_strangers: Lingering,
}

impl Service {
    /// - `path`: that of the URL where the channel is mounted, else empty.
    pub(crate) fn new(acceptor: Acceptor, gate: Gate, path: &str, kept: Kept) -> Self {
        let limits = acceptor.limits();
        let unawaited = limits.calls_per_session.min(Semaphore::MAX_PERMITS);
        Self {
            room: Room::new(limits.max_message),
            unawaited: Arc::new(Semaphore::new(unawaited)),
            unawaited_of_strangers: Arc::new(Semaphore::new(unawaited)),
            kept,
            lingering: Lingering::new(limits.lingering_streams, acceptor.counters()),
            lingering_of_strangers: Lingering::new(limits.lingering_streams, acceptor.counters()),
            formatters: acceptor.formatters(),
            acceptor,
            gate,
            path: path.to_owned(),
        }
    }

    pub(crate) fn limits(&self) -> Arc<Limits> {
        self.acceptor.limits()
    }

    /// Holds a drain up until dropped.
    pub(crate) fn visit(&self) -> Box<dyn Send + Sync> {
        self.acceptor.visit()
    }

    pub(crate) fn counters(&self) -> Arc<Counters> {
        self.acceptor.counters()
    }

    /// Answers one request. A dropped future gives its call up.
    ///
    /// - `peer`: who sent it, for logs and `CallContext::peer`.
    /// - `admission`: gives the room that its connection has, if it becomes a session.
    pub(crate) async fn handle<B>(
        &self,
        request: Request<B>,
        peer: &Arc<Peer>,
        admission: impl FnOnce() -> Result<Admission, TurnedAway>,
    ) -> Response<ReplyBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Display,
    {
        let (mut head, body) = request.into_parts();
        let gateway;
        let peer = match login::is_relayed(&head.headers) {
            false => peer,
            true => {
                gateway = Arc::new(Peer::clone(peer).relaying());
                &gateway
            }
        };
        let answer = match self.gate.check(&head) {
            _ if health::is_asked_for(&head.method, head.uri.path()) => self.health().answer(),
            Err(answer) => answer,
            Ok(Visit::Preflight) => Answer::empty(StatusCode::NO_CONTENT),
            Ok(Visit::Request) if head.uri.path() == HEALTH => health::wrong_method(),
            Ok(Visit::Request) if head.uri.path() == websocket::PATH => {
                match self.open_session(&mut head, peer, admission).await {
                    Ok(response) => {
                        return response.map(|()| ReplyBody::Whole(Full::default()));
                    }
                    Err(refused) => refused,
                }
            }
            Ok(Visit::Request) => self
                .answer(&head, body, peer)
                .await
                .unwrap_or_else(|refused| refused),
        };
        let mut response = answer.into_response();
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        if head.method != Method::GET || head.uri.path() == HEALTH {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if let Some(origin) = self.gate.page(&head.headers) {
            let_page_read(headers, origin.clone(), head.method == Method::OPTIONS);
        }
        response
    }

    /// Makes a session of the request's connection.
    async fn open_session(
        &self,
        head: &mut Parts,
        peer: &Arc<Peer>,
        admission: impl FnOnce() -> Result<Admission, TurnedAway>,
    ) -> Result<Response<()>, Answer> {
        let opening = websocket::Opening::of(head, &self.formatters)?;
        // A page cannot send the header, and logs in with its HELLO.
        let peer = match login::token(&head.headers)? {
            Some(token) => self.admit(Some(token), peer).await?,
            None => Arc::clone(peer),
        };
        let admission = admission()
            .map_err(|full| Answer::refused(503, "overloaded", &full.to_string()).closing())?;
        Ok(opening.accept(&self.acceptor, admission, &peer))
    }

    async fn answer<B>(&self, head: &Parts, body: B, peer: &Arc<Peer>) -> Result<Answer, Answer>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Display,
    {
        let logged_in;
        let peer = match self.acceptor.authenticates() {
            false => peer,
            true => {
                logged_in = self.admit(login::token(&head.headers)?, peer).await?;
                &logged_in
            }
        };
        let wants_openapi = query::has(head.uri.query(), "openapi");
        match Route::of(head.uri.path()) {
            Route::Host => {
                only_get(&head.method)?;
                let publications = self.acceptor.publications(peer);
                let body = if wants_openapi {
                    openapi::host(&self.path, &publications).ok_or_else(too_many_paths)?
                } else {
                    describe::host(&publications)
                };
                Ok(Answer::json(body))
            }
            Route::Object(name) if head.method == Method::DELETE && is_ticket(&name) => {
                self.release(&name, peer)
            }
            Route::Object(name) => {
                only_get(&head.method)?;
                let interface = self
                    .acceptor
                    .interface(&name, None, peer)
                    .map_err(refused)?;
                let body = if wants_openapi {
                    openapi::object(&self.path, &name, interface)
                } else {
                    describe::object(&name, interface)
                };
                Ok(Answer::json(body))
            }
            Route::Method(name, method) if head.method == Method::PUT => {
                self.renew((&name, &method), body, peer).await
            }
            Route::Method(name, method) => self.call(head, (&name, &method), body, peer).await,
            Route::Constructor(name, constructor) => {
                self.construct(head, (&name, &constructor), body, peer)
                    .await
            }
            Route::Nothing => {
                let text = "there is nothing at this path; calls go to `/<name>/<method>`, and \
                    `/.well-known/remoting` lists the names";
                Err(Answer::refused(404, "not_found", text))
            }
        }
    }

    /// Finds out who sends a request.
    ///
    /// # Errors
    ///
    /// The answer to whoever is not let in.
    async fn admit(&self, token: Option<Secret>, peer: &Arc<Peer>) -> Result<Arc<Peer>, Answer> {
        let judged = self.acceptor.authenticate(token, Arc::clone(peer)).await;
        judged.map_err(refused)
    }

    async fn call<B>(
        &self,
        head: &Parts,
        (name, method): (&str, &str),
        body: B,
        peer: &Arc<Peer>,
    ) -> Result<Answer, Answer>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Display,
    {
        let mut headers = CallHeaders::read(&head.headers).map_err(unreadable_header)?;
        let key = headers.key.take();
        let interface = self.acceptor.interface(name, headers.interface, peer);
        let interface = interface.map_err(refused)?;
        let method = self.acceptor.method(interface, method).ok_or_else(|| {
            let text = format!(
                "`{}` has no method of this name; a GET of the object lists them",
                interface.name
            );
            refused(Fault::refused(ErrorKind::NoSuchMethod, text))
        })?;
        let Arguments {
            formatter,
            payload,
            place,
            stream,
        } = self.arguments(head, method, body, peer).await?;
        let unawaited = method.oneway || prefers_no_answer(&head.headers);
        let answering = (key.is_some(), unawaited);
        let mut streams = self.streams((head, method), &formatter, stream, answering)?;
        let mut call = self.message((name, interface), method, headers, &formatter, payload);
        call.unanswered = unawaited;
        streams.mark(&mut call);
        if unawaited && key.is_none() {
            return Ok(self.start(call, &formatter, peer, place).await);
        }
        let resumed = self.resume((head, &call), peer, &mut streams).await?;
        if let Some(answer) = resumed {
            return Ok(answer);
        }
        let turn = self.turn(key.as_deref(), head, &call, peer)?;
        // It may go on without its connection, and then it is what a drain waits for.
        let visit = key.is_some().then(|| self.visit());
        let running = self.acceptor.exchange(call, Arc::clone(peer));
        let work = async move {
            let reply = running.await;
            drop((place, visit));
            match reply {
                Ok(_) if unawaited => Answer::taken(),
                reply => streams.answer(&formatter, reply),
            }
        };
        Ok(turn.take(work).await)
    }

    /// A call as the host takes it.
    pub(crate) fn message(
        &self,
        (name, interface): (&str, &'static InterfaceDescriptor),
        method: &'static MethodDescriptor,
        headers: CallHeaders,
        formatter: &FormatterRef,
        payload: Payload,
    ) -> CallMessage {
        let usual = self.limits().default_deadline;
        let deadline = headers.timeout.unwrap_or(usual);
        let formatter = formatter.clone();
        let interface = headers.interface.unwrap_or(interface.id);
        let mut call = CallMessage::new(name, interface, method.id, formatter, deadline);
        call.method_name = Some(method.name);
        call.headers = headers.pairs;
        call.locks = headers.locks;
        call.depth = headers.depth;
        call.payload = payload;
        call.by_ticket = true;
        call
    }

    /// Starts a call whose answer nobody waits for. What refuses it at once is told.
    ///
    /// - `place`: held until it has ended.
    async fn start(
        &self,
        call: CallMessage,
        formatter: &FormatterRef,
        peer: &Arc<Peer>,
        place: Option<Place>,
    ) -> Answer {
        // They have no connection that bounds them, so all of the channel's have a bound together.
        let unawaited = match peer.principal() {
            Some(_) => &self.unawaited,
            None => &self.unawaited_of_strangers,
        };
        let Ok(turn) = Arc::clone(unawaited).try_acquire_owned() else {
            let text = "too many calls run at the moment whose answers nobody waits for";
            return Answer::refused(503, "overloaded", text);
        };
        let mut running = self.acceptor.exchange(call, Arc::clone(peer));
        let polled = poll_fn(|cx| Poll::Ready(running.as_mut().poll(cx))).await;
        match polled {
            Poll::Ready(Err(fault)) => Answer::of(formatter, Err(fault)),
            Poll::Ready(Ok(_)) => Answer::taken(),
            Poll::Pending => {
                let visit = self.visit();
                tokio::spawn(async move {
                    let _nobody_waits = running.await;
                    drop((place, turn, visit));
                });
                Answer::taken()
            }
        }
    }
}

pub(crate) fn refused(fault: Fault) -> Answer {
    match fault {
        Fault::Error(error) => Answer::of_error(&error),
        Fault::App(_) => Answer::refused(500, "internal", "the call was refused"),
    }
}

fn only_get(method: &Method) -> Result<(), Answer> {
    if method == Method::GET {
        return Ok(());
    }
    let text = "this is a description; read it with GET, and call `/<name>/<method>`";
    Err(Answer::refused(405, "protocol", text).allowing("GET"))
}

fn too_many_paths() -> Answer {
    let text =
        "the host publishes too much for one document; `/<name>?openapi` describes one object";
    Answer::refused(413, "too_large", text)
}

pub(crate) fn unreadable_header(name: &'static str) -> Answer {
    let text = format!("the header `{name}` cannot be read");
    Answer::refused(400, "protocol", &text)
}

/// Tells a browser that the page may read the answer (the Fetch standard, "CORS protocol").
fn let_page_read(headers: &mut HeaderMap, origin: HeaderValue, preflight: bool) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if preflight {
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(METHODS),
        );
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(SENT_BY_PAGES),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    } else {
        let exposed = HeaderValue::from_static(READ_BY_PAGES);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}
