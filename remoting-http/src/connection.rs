//! A socket and the requests that come over it, one after the other.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use remoting_core::channel::{Admission, TurnedAway};
use remoting_core::{Counters, Peer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use crate::serve::Service;
use crate::stall::{Patient, is_stall};
use crate::websocket;

/// How long the head of a request may take, the time before its first byte included. It has to be
/// longer than clients keep connections that they do not use.
const HEAD: Duration = Duration::from_secs(30);

/// How long a connection that nothing comes over is kept when the channel stops to listen: a request may be on its way.
const LINGER: Duration = Duration::from_millis(50);

/// The most bytes of a head, and of what is read ahead of a body.
const BUFFER: usize = 64 * 1024;

/// The most headers of a request.
const HEADERS: usize = 64;

/// Why no session begins on a connection that is one already.
const GONE: TurnedAway = TurnedAway::new("the connection is a session already");

/// The room that a connection has at the host, until a session takes it.
struct Place {
    admission: Mutex<Option<Admission>>,
    /// Told when one does.
    left: Notify,
}

impl Place {
    fn new(admission: Admission) -> Self {
        Self {
            admission: Mutex::new(Some(admission)),
            left: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Admission>> {
        self.admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the peer has spoken.
    fn greet(&self) {
        self.lock().iter_mut().for_each(Admission::greeted);
    }

    /// Leaves the room to a session.
    fn leave(&self) -> Result<Admission, TurnedAway> {
        self.left.notify_one();
        self.lock().take().ok_or(GONE)
    }

    /// Is ready `patience` after the room was left: by then the client has taken the answer that begins the session.
    async fn is_forsaken(&self, patience: Duration) {
        self.left.notified().await;
        sleep(patience).await;
    }
}

/// Answers the requests of one connection until it ends.
///
/// - `stop`: when it changes, the request under way is the last, or one that comes at that moment.
pub(crate) async fn run(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Arc<Peer>,
    admission: Admission,
    service: Arc<Service>,
    stop: watch::Receiver<()>,
) {
    let (limits, counters) = (service.limits(), service.counters());
    let place = Place::new(admission);
    let silent = AtomicBool::new(true);
    let answer = service_fn(|request| {
        let is_first = silent.swap(false, Ordering::Relaxed);
        let opens_session = websocket::is_asked_for(&request);
        // Who asks for a session has to speak in it.
        if is_first && !opens_session {
            place.greet();
        }
        let (service, peer, place) = (&service, &peer, &place);
        async move {
            let mut response = service.handle(request, peer, || place.leave()).await;
            if opens_session {
                place.greet();
            }
            if service.acceptor.is_leaving() {
                make_last(&mut response);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let stream = Patient::new(stream, limits.write_stall);
    let connection = bounded().serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection.with_upgrades());
    let mut stopping = pin!(has_stopped(stop));
    let mut cut = service.acceptor.cut();
    let mut stopped = false;
    let mut first = pin!(sleep(limits.handshake_time));
    let mut forsaken = pin!(place.is_forsaken(limits.handshake_time));
    let ended = poll_fn(|cx| {
        let is_silent = silent.load(Ordering::Relaxed) && first.as_mut().poll(cx).is_ready();
        if is_silent || forsaken.as_mut().poll(cx).is_ready() {
            counters.handshake_time.add();
            return Poll::Ready(Ok(()));
        }
        if cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        // A request that has come by now is read before the connection is told that it is the last.
        let polled = connection.as_mut().poll(cx);
        if polled.is_ready() || stopped || stopping.as_mut().poll(cx).is_pending() {
            return polled;
        }
        stopped = true;
        connection.as_mut().graceful_shutdown();
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = ended {
        tell_of(&error, &counters);
    }
}

/// Is ready when no request is waited for any more.
async fn has_stopped(mut stop: watch::Receiver<()>) {
    let _stopped = stop.changed().await;
    sleep(LINGER).await;
}

/// HTTP/1.1 with bounds on heads.
fn bounded() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .max_headers(HEADERS);
    builder
}

/// Ends the connection with an answer: the next request had better go elsewhere, and does not meet a server
/// that closes at the same moment.
fn make_last<B>(response: &mut Response<B>) {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
}

fn tell_of(error: &hyper::Error, counters: &Counters) {
    if is_stall(error) {
        counters.write_stall.add();
    }
    tracing::debug!(target: "remoting::http", %error, "a connection ended early");
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use remoting_core::Host;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;
    use crate::gate::Gate;
    use crate::once::Kept;
    use crate::planted::acceptor;

    const ASK: &[u8] = b"GET /.well-known/remoting HTTP/1.1\r\nHost: localhost\r\n\r\n";

    /// A connection of a host's in memory, and what keeps it.
    struct Served {
        host: Host,
        client: DuplexStream,
        begin: Instant,
        stop: Option<watch::Sender<()>>,
    }

    /// - `room`: how many bytes are on their way at most.
    async fn serve(room: usize) -> Served {
        let (served, running) = connect(room).await;
        tokio::spawn(running);
        served
    }

    /// Gives beside it what has to be polled for it to be served.
    async fn connect(room: usize) -> (Served, impl Future<Output = ()>) {
        let (host, acceptor) = acceptor().await;
        let (client, stream) = duplex(room);
        let (stop, stopping) = watch::channel(());
        let admission = acceptor.admit(None).unwrap();
        let service = Arc::new(Service::new(acceptor, Gate::default(), "", Kept::new(10)));
        let peer = Arc::new(Peer::named("test"));
        let running = run(stream, peer, admission, service, stopping);
        let served = Served {
            host,
            client,
            begin: Instant::now(),
            stop: Some(stop),
        };
        (served, running)
    }

    impl Served {
        /// Reads the rest, and tells after how many seconds the connection has ended.
        async fn ends_after(&mut self) -> u64 {
            let _cut = self.client.read_to_end(&mut Vec::new()).await;
            self.begin.elapsed().as_secs()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_nothing_is_given_up_when_the_time_of_a_handshake_is_over() {
        for said in [&b""[..], &ASK[..20]] {
            let mut served = serve(1024).await;
            served.client.write_all(said).await.unwrap();
            let limit = served.host.limits().handshake_time.as_secs();
            assert_eq!(served.ends_after().await, limit);
            assert_eq!(served.host.counters().handshake_time.get(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_head_of_a_later_request_has_thirty_seconds() {
        for said in [&b""[..], &ASK[..20]] {
            let mut served = serve(1024).await;
            served.client.write_all(ASK).await.unwrap();
            served.client.write_all(said).await.unwrap();
            assert_eq!(served.ends_after().await, HEAD.as_secs());
            assert_eq!(served.host.counters().handshake_time.get(), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_was_on_its_way_when_the_channel_stopped_is_the_last() {
        for before in [&b""[..], ASK] {
            let mut served = serve(1024).await;
            served.client.write_all(before).await.unwrap();
            if !before.is_empty() {
                served.client.read_u8().await.unwrap();
            }
            served.stop = None;
            sleep(LINGER / 2).await;
            served.client.write_all(ASK).await.unwrap();
            let mut answers = String::new();
            served.client.read_to_string(&mut answers).await.unwrap();
            let expected = if before.is_empty() { 1 } else { 2 };
            assert_eq!(answers.matches("200 OK").count(), expected, "{answers}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_has_come_when_the_time_for_the_last_one_is_found_to_be_over_is_answered()
     {
        for before in [&b""[..], ASK] {
            let (mut served, running) = connect(4096).await;
            let mut running = pin!(running);
            served.client.write_all(before).await.unwrap();
            served.stop = None;
            poll_once(running.as_mut()).await;
            served.client.write_all(ASK).await.unwrap();
            sleep(LINGER * 2).await;
            let mut answers = String::new();
            let (read, ()) = tokio::join!(served.client.read_to_string(&mut answers), running);
            read.unwrap();
            let expected = if before.is_empty() { 1 } else { 2 };
            assert_eq!(answers.matches("200 OK").count(), expected, "{answers}");
        }
    }

    async fn poll_once(mut future: Pin<&mut impl Future<Output = ()>>) {
        let pending = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
        assert!(pending);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_nothing_comes_over_ends_soon_after_the_channel_has_stopped() {
        let mut served = serve(1024).await;
        served.stop = None;
        let _end = served.client.read_to_end(&mut Vec::new()).await;
        assert!(served.begin.elapsed() <= LINGER * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_its_answer_is_given_up_and_counted() {
        let mut served = serve(64).await;
        served.client.write_all(ASK).await.unwrap();
        let limit = served.host.limits().write_stall;
        tokio::time::sleep(limit + Duration::from_secs(1)).await;
        assert_eq!(served.host.counters().write_stall.get(), 1);
        assert!(served.ends_after().await > limit.as_secs());
    }

    const ASK_SESSION: &[u8] = b"GET /$session HTTP/1.1\r\nHost: localhost\r\n\
        Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: rmt1.msgpack\r\n\r\n";

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_take_the_answer_to_its_session_is_given_up() {
        let mut served = serve(64).await;
        served.client.write_all(ASK_SESSION).await.unwrap();
        let limit = served.host.limits().handshake_time;
        tokio::time::sleep(limit + Duration::from_secs(1)).await;
        assert_eq!(served.host.counters().handshake_time.get(), 1);
        let mut begun = String::new();
        let _cut = served.client.read_to_string(&mut begun).await;
        assert!(begun.starts_with("HTTP/1.1 101 "), "{begun}");
        assert_eq!(begun.len(), 64, "{begun}");
    }
}
