//! How a session begins over HTTP: a request of `/$session` that becomes a WebSocket
//! (RFC 6455; PROTOCOL.md, rules H13 and H14).

use std::time::Duration;

use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use remoting_core::channel::{Acceptor, Admission, Link};
use remoting_core::formatter::{Codec, FormatterRef};
use remoting_core::wire::MAX_BODY;
use remoting_core::{Error, ErrorKind, ObjectUrl, Peer};
use remoting_tcp::sockets::{Security, Socket, refusal};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error as SocketError, http};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::answer::Answer;
use crate::connector::connect;
use crate::link::{bounds, link};
use crate::stall::Patient;

/// Where sessions begin.
pub(crate) const PATH: &str = "/$session";

/// What is spoken over the socket, and how the server's own calls are written.
const PROTOCOLS: [(&str, Codec); 2] = [
    ("rmt1.msgpack", Codec::MESSAGE_PACK),
    ("rmt1.json", Codec::JSON),
];

/// The length of a key: sixteen bytes in base64.
const KEY: usize = 24;

/// How long a server may take to say that it speaks this.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a request is for a session, be it one that can be met or not.
pub(crate) fn is_asked_for<B>(request: &Request<B>) -> bool {
    request.uri().path() == PATH
}

/// A request for a session that can be met.
#[derive(Debug)]
pub(crate) struct Opening {
    socket: OnUpgrade,
    formatter: FormatterRef,
    /// What the client is told.
    response: Response<()>,
}

impl Opening {
    /// Looks at the head of a request for a session.
    ///
    /// - `formatters`: those that the host reads.
    ///
    /// # Errors
    ///
    /// The answer to one that cannot be met.
    pub(crate) fn of(head: &mut Parts, formatters: &[FormatterRef]) -> Result<Self, Answer> {
        if head.method != Method::GET {
            let text = "a session begins with a GET that asks for a WebSocket";
            return Err(Answer::refused(405, "protocol", text).allowing("GET"));
        }
        let key = key(&head.headers).ok_or_else(upgrade_required)?;
        let (protocol, formatter) = spoken(&head.headers, formatters)?;
        let socket = head.extensions.remove::<OnUpgrade>();
        let socket = socket.ok_or_else(|| {
            let text = "the server that holds this channel lets no connection become a WebSocket";
            Answer::refused(501, "unsupported", text)
        })?;
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
        let accept = accept.map_err(|_| upgrade_required())?;
        for (name, value) in [
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol)),
            (SEC_WEBSOCKET_ACCEPT, accept),
        ] {
            response.headers_mut().insert(name, value);
        }
        Ok(Self {
            socket,
            formatter,
            response,
        })
    }

    /// Has a task make the connection a session of the host's, and gives what the client is told.
    ///
    /// - `peer`: who it is.
    pub(crate) fn accept(
        self,
        acceptor: &Acceptor,
        admission: Admission,
        peer: &Peer,
    ) -> Response<()> {
        let Self {
            socket,
            formatter,
            response,
        } = self;
        let (acceptor, peer) = (acceptor.clone(), peer.clone());
        tokio::spawn(async move {
            let limits = acceptor.limits();
            let Ok(Ok(upgraded)) = timeout(limits.handshake_time, socket).await else {
                tracing::debug!(target: "remoting::http", %peer, "a connection ended before it was a WebSocket");
                return;
            };
            let link = link_of(upgraded, limits.max_frame, peer, formatter).await;
            acceptor.accept(link, admission);
        });
        response
    }
}

/// Makes a link of a connection that has become a WebSocket: of its socket, if that is known here, or else of what the
/// server has that took it in.
async fn link_of(
    upgraded: Upgraded,
    max_frame: usize,
    peer: Peer,
    formatter: FormatterRef,
) -> Link {
    let (role, bounds) = (Role::Server, Some(bounds(max_frame)));
    match upgraded.downcast::<TokioIo<Patient<Socket>>>() {
        Ok(parts) => {
            let (stream, read) = (parts.io.into_inner().into_inner(), parts.read_buf);
            let socket =
                WebSocketStream::from_partially_read(stream, read.into(), role, bounds).await;
            link(socket, Socket::reset_on_drop, peer, formatter)
        }
        Err(upgraded) => {
            let stream = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(stream, role, bounds).await;
            link(socket, |_| {}, peer, formatter)
        }
    }
}

/// The key of a request for a WebSocket.
fn key(headers: &HeaderMap) -> Option<&HeaderValue> {
    let is = |name: HeaderName, wanted: &str| {
        let values = headers.get_all(name).iter();
        let mut words = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        words.any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    let asked =
        is(CONNECTION, "upgrade") && is(UPGRADE, "websocket") && is(SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(SEC_WEBSOCKET_KEY)?;
    (asked && key.len() == KEY).then_some(key)
}

/// The first of the client's protocols that is spoken here.
fn spoken(
    headers: &HeaderMap,
    formatters: &[FormatterRef],
) -> Result<(&'static str, FormatterRef), Answer> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let found = offered.find_map(|word| {
        let known = PROTOCOLS.iter().find(|(name, _)| *name == word.trim());
        let (name, codec) = *known?;
        let formatter = formatters
            .iter()
            .find(|formatter| formatter.codec() == codec)?;
        Some((name, formatter.clone()))
    });
    found.ok_or_else(|| {
        let text = "a session speaks the WebSocket protocol `rmt1.msgpack` or `rmt1.json`";
        Answer::refused(400, "protocol", text)
    })
}

fn upgrade_required() -> Answer {
    let text =
        "sessions are WebSockets (RFC 6455, version 13); ask for one with `Upgrade: websocket`";
    Answer::refused(426, "protocol", text)
}

/// Opens a session with the host of a URL.
///
/// - `formatter`: how this side's calls are written.
///
/// # Errors
///
/// `ConnectFailed` if nobody answers, or it is no server of sessions; those of [`connect`].
pub(crate) async fn open(
    url: &ObjectUrl,
    formatter: &FormatterRef,
    security: &Security,
) -> Result<Link, Error> {
    let base = url.base();
    let mut request = format!("{base}{PATH}")
        .into_client_request()
        .map_err(|error| refused(&base, &error))?;
    let own = PROTOCOLS
        .iter()
        .find(|(_, codec)| *codec == formatter.codec());
    let (protocol, _) = own.unwrap_or(&PROTOCOLS[0]);
    let protocol = http::HeaderValue::from_static(protocol);
    request
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    let stream = connect(security, url.scheme(), url.authority()).await?;
    let opening = client_async_with_config(request, stream, Some(bounds(MAX_BODY)));
    let opened = timeout(PATIENCE, opening).await;
    let (socket, _response) = opened
        .map_err(|_| {
            let text = format!(
                "`{base}` took the connection and did not say within {} s that it \
                 speaks WebSocket",
                PATIENCE.as_secs()
            );
            Error::new(ErrorKind::ConnectFailed, text)
        })?
        .map_err(|error| refused(&base, &error))?;
    Ok(link(
        socket,
        Socket::reset_on_drop,
        Peer::named(url.authority()),
        formatter.clone(),
    ))
}

/// The error of a server that opens no session.
fn refused(base: &str, error: &SocketError) -> Error {
    if let Some(refused) = refusal(error, base) {
        return refused;
    }
    let text = match error {
        SocketError::Http(response) => format!(
            "`{base}` opens no session (HTTP status {}); is it a host of this protocol, \
             and does a gateway in between pass `Upgrade` on?",
            response.status().as_u16()
        ),
        other => format!("`{base}` opens no session ({other})"),
    };
    Error::new(ErrorKind::ConnectFailed, text)
}
