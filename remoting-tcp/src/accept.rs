//! The loop that accepts, and what all accepted sockets have in common.
//!
//! Nothing that `accept` reports ends the loop: a process that is alive and
//! refuses connections is worse than one that is down. Stopping closes the socket
//! before the drop of the guard returns, so the same port can be listened on again
//! at once. Who has been let in by the system until then is welcome: the system would only reset
//! the connection, and what its peer has sent already might have run or not, as far as that can tell.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use remoting_core::{Error, ErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// How long the loop rests when the machine cannot accept: no descriptors, no memory.
const REST: Duration = Duration::from_millis(50);

/// To how many peers at a time it is explained that they are not let in.
const LEAVING: usize = 64;

/// How long that may take, and how many bytes of the peer's are thrown away.
const FAREWELL: Duration = Duration::from_secs(1);
const UNREAD: u64 = 64 * 1024;

/// How many connections are taken at most that wait when the listening ends.
const LAST: usize = 4096;

/// Accepts connections in a task of the current runtime until the guard is dropped.
///
/// - `welcome`: is given each connection; must not block.
/// - `shortage`: is asked when the machine cannot accept; what it gives is dropped when it can, or nobody listens any more.
pub fn accept_all(
    listener: TcpListener,
    welcome: impl Fn(TcpStream, SocketAddr) + Send + Sync + 'static,
    shortage: impl Fn() -> Box<dyn Send + Sync> + Send + 'static,
) -> AcceptGuard {
    let socket = Socket(Arc::new(Mutex::new(Some(listener))));
    let welcome: Arc<Welcome> = Arc::new(welcome);
    let task = tokio::spawn(accept_loop(
        CloseOnDrop(socket.clone()),
        Arc::clone(&welcome),
        shortage,
    ));
    AcceptGuard {
        socket,
        welcome,
        runtime: Handle::current(),
        task: task.abort_handle(),
    }
}

/// What is done with each connection.
type Welcome = dyn Fn(TcpStream, SocketAddr) + Send + Sync;

/// Ends the accepting when dropped. Connections that wait at that moment are the last.
pub struct AcceptGuard {
    socket: Socket,
    welcome: Arc<Welcome>,
    runtime: Handle,
    task: AbortHandle,
}

impl AcceptGuard {
    fn accept_last(&self, listener: TcpListener) -> io::Result<()> {
        let listener = listener.into_std()?;
        let _inside = self.runtime.enter();
        for _ in 0..LAST {
            let (stream, peer) = match listener.accept() {
                Err(error) if concerns_one_connection(&error) => continue,
                accepted => accepted?,
            };
            stream.set_nonblocking(true)?;
            (self.welcome)(TcpStream::from_std(stream)?, peer);
        }
        Ok(())
    }
}

impl Drop for AcceptGuard {
    fn drop(&mut self) {
        let listener = self.socket.take();
        self.task.abort();
        if let Some(listener) = listener {
            // It ends with an error: nobody waits any more.
            let _nobody_waits = self.accept_last(listener);
        }
    }
}

impl fmt::Debug for AcceptGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptGuard")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

/// The socket that listens, shared by the loop and the guard: either can close it.
#[derive(Debug, Clone)]
struct Socket(Arc<Mutex<Option<TcpListener>>>);

impl Socket {
    fn lock(&self) -> MutexGuard<'_, Option<TcpListener>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<TcpListener> {
        self.lock().take()
    }

    /// Gives the next connection, or `None` when the socket is closed.
    ///
    /// - `waits`: called when there is none, and the system would have given one.
    async fn accept(&self, mut waits: impl FnMut()) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        poll_fn(|cx| {
            let polled = match self.lock().as_ref() {
                Some(listener) => listener.poll_accept(cx).map(Some),
                None => Poll::Ready(None),
            };
            if polled.is_pending() {
                waits();
            }
            polled
        })
        .await
    }
}

/// Closes the socket when the loop goes, be it with its runtime and before it ran.
struct CloseOnDrop(Socket);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        let listener = self.0.take();
        drop(listener);
    }
}

async fn accept_loop(
    socket: CloseOnDrop,
    welcome: Arc<Welcome>,
    shortage: impl Fn() -> Box<dyn Send + Sync>,
) {
    let mut trouble = None;
    while let Some(accepted) = socket.0.accept(|| trouble = None).await {
        match accepted {
            Ok((stream, peer)) => {
                trouble = None;
                welcome(stream, peer);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                if trouble.is_none() {
                    tracing::error!(%error, "no connections can be accepted at the moment");
                }
                trouble.get_or_insert_with(&shortage);
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Tells errors of a connection that failed before it was accepted from ours.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Tells peers that are not let in why; as many at a time as it has room for, others are just
/// closed.
#[derive(Debug, Clone)]
pub struct Farewells(Arc<Semaphore>);

impl Default for Farewells {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LEAVING)))
    }
}

impl Farewells {
    /// Has a task say `last_words` and close the connection.
    pub fn say(&self, stream: TcpStream, last_words: Vec<u8>) {
        if let Ok(place) = Arc::clone(&self.0).try_acquire_owned() {
            tokio::spawn(async move {
                let _gone_or_slow = timeout(FAREWELL, turn_away(stream, &last_words)).await;
                drop(place);
            });
        }
    }
}

/// A socket that is closed with unread bytes takes back what was just sent, so those are read first.
async fn turn_away(mut stream: TcpStream, last_words: &[u8]) -> io::Result<()> {
    stream.write_all(last_words).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(UNREAD), &mut tokio::io::sink()).await?;
    Ok(())
}

/// Makes the socket send at once. Whether the other machine is there a session finds out, so the
/// system need not ask it too.
pub fn tune(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        // It works without, slower; or the peer is gone already, which the first read tells.
        tracing::debug!(%error, "a socket could not be tuned");
    }
}

/// Checks that there is a runtime: sockets need its driver, and without one they panic.
///
/// # Errors
///
/// `Config` where there is none.
pub fn needs_runtime() -> Result<(), Error> {
    match Handle::try_current() {
        Ok(_) => Ok(()),
        Err(error) => {
            let text = "a channel with sockets works inside a tokio runtime; call it from `#[tokio::main]`";
            Err(Error::new(ErrorKind::Config, text).with_source(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::runtime::Runtime;

    use super::*;

    async fn bind(address: &str) -> io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    #[tokio::test]
    async fn a_port_is_free_as_soon_as_the_guard_is_gone() {
        let mut address = "127.0.0.1:0".to_owned();
        for _ in 0..20 {
            let listener = bind(&address).await.unwrap();
            address = listener.local_addr().unwrap().to_string();
            let guard = accept_all(listener, |_, _| {}, || Box::new(()));
            tokio::task::yield_now().await;
            drop(guard);
        }
    }

    #[test]
    fn a_port_is_free_when_the_runtime_of_its_loop_is_gone() {
        let runtime = Runtime::new().unwrap();
        let (address, guard) = runtime.block_on(async {
            let listener = bind("127.0.0.1:0").await.unwrap();
            (
                listener.local_addr().unwrap().to_string(),
                accept_all(listener, |_, _| {}, || Box::new(())),
            )
        });
        drop(runtime);
        let second = Runtime::new().unwrap();
        assert!(second.block_on(bind(&address)).is_ok());
        drop(guard);
    }

    #[tokio::test]
    async fn connections_that_wait_when_the_listening_ends_are_the_last_that_are_let_in() {
        let listener = bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, mut welcomed) = tokio::sync::mpsc::unbounded_channel();
        // The loop has not run yet: this runtime has one thread, which is here.
        let guard = accept_all(
            listener,
            move |stream, _| drop(sender.send(stream)),
            || Box::new(()),
        );
        let waiting: Vec<_> = (0..3)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        drop(guard);
        for stream in waiting {
            stream.set_nonblocking(true).unwrap();
            let mut stream = TcpStream::from_std(stream).unwrap();
            let mut peer = welcomed.recv().await.unwrap();
            peer.write_all(b"welcome").await.unwrap();
            stream.read_exact(&mut [0; 7]).await.unwrap();
        }
        assert!(std::net::TcpStream::connect(address).is_err());
    }

    #[tokio::test]
    async fn a_connection_that_is_not_wanted_is_closed_at_once() {
        let listener = bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _guard = accept_all(listener, |stream, _| drop(stream), || Box::new(()));
        for _ in 0..3 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
        }
    }
}
