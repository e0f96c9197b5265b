//! A socket and the requests that come over it, one after the other.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use remoting_core::channel::{Admission, TurnedAway};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::serve::Service;
use crate::stall::Patient;
use crate::websocket;

/// How long a client may say nothing at all.
const FIRST: Duration = Duration::from_secs(10);

/// How long the head of a request may take, the time before its first byte included. It has to be
/// longer than clients keep connections that they do not use.
const HEAD: Duration = Duration::from_secs(30);

/// The most bytes of a head, and of what is read ahead of a body.
const BUFFER: usize = 64 * 1024;

/// The most headers of a request.
const HEADERS: usize = 64;

/// Why no session begins on a connection that is one already.
const GONE: TurnedAway = TurnedAway::new("the connection is a session already");

/// Answers the requests of one connection until it ends.
///
/// - `stop`: when it changes, the request under way is the last.
pub(crate) async fn run(
    stream: TcpStream,
    peer: String,
    admission: Admission,
    service: Arc<Service>,
    mut stop: watch::Receiver<()>,
) {
    let write_stall = service.limits().write_stall;
    let admission = Mutex::new(Some(admission));
    let held = || admission.lock().unwrap_or_else(PoisonError::into_inner);
    let greet = || held().iter_mut().for_each(Admission::greeted);
    let silent = AtomicBool::new(true);
    let answer = service_fn(|request| {
        let is_first = silent.swap(false, Ordering::Relaxed);
        let opens_session = websocket::is_asked_for(&request);
        // Who asks for a session has to speak in it.
        if is_first && !opens_session {
            greet();
        }
        let (service, peer, held, greet) = (&service, &peer, &held, &greet);
        async move {
            let admission = || held().take().ok_or(GONE);
            let response = service.handle(request, peer, admission).await;
            if opens_session {
                greet();
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(Patient::new(stream, write_stall)), answer)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut stopping = pin!(stop.changed());
    let mut stopped = false;
    let mut first = pin!(tokio::time::sleep(FIRST));
    let ended = poll_fn(|cx| {
        if silent.load(Ordering::Relaxed) && first.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if !stopped && stopping.as_mut().poll(cx).is_ready() {
            stopped = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(target: "remoting::http", %error, "a connection ended early");
    }
}
