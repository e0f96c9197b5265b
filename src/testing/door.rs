//! The port of a fault proxy: connections are taken there, or it is held with nobody listening.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use super::fault_proxy::Shared;
use super::pump;

/// How many connections may wait to be taken.
const BACKLOG: u32 = 1024;

pub(super) struct Door {
    addr: SocketAddr,
    state: Mutex<State>,
}

enum State {
    Open(JoinHandle<()>),
    /// Who connects is refused, and nobody else is given the port.
    Held(TcpSocket),
    /// The port may be anybody's.
    Left,
}

impl Door {
    /// Takes connections at a free port of 127.0.0.1.
    pub(super) async fn open(shared: &Arc<Shared>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Self {
            addr: listener.local_addr()?,
            state: Mutex::new(State::Open(tokio::spawn(take(
                listener,
                Arc::clone(shared),
            )))),
        })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Refuses who connects from now on.
    pub(super) async fn refuse(&self) {
        let State::Open(taking) = std::mem::replace(&mut *self.state(), State::Left) else {
            return;
        };
        taking.abort();
        // Its socket is closed when the task is gone.
        let _aborted = taking.await;
        if let Ok(socket) = bind(self.addr) {
            *self.state() = State::Held(socket);
        }
    }

    /// Takes connections again.
    pub(super) fn reopen(&self, shared: &Arc<Shared>) -> io::Result<()> {
        let mut state = self.state();
        let socket = match std::mem::replace(&mut *state, State::Left) {
            State::Held(socket) => socket,
            State::Left => bind(self.addr)?,
            open @ State::Open(_) => {
                *state = open;
                return Ok(());
            }
        };
        let listener = socket.listen(BACKLOG)?;
        *state = State::Open(tokio::spawn(take(listener, Arc::clone(shared))));
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let State::Open(taking) = &*self.state() {
            taking.abort();
        }
    }
}

/// Gives a socket that has the port and does not listen.
fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Connections that were taken before have the port too. Elsewhere the option would let anybody have it.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

async fn take(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // The system may be short of sockets for a while.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let Some(opened) = shared.open() else { return };
        tokio::spawn(pump::carry(Arc::clone(&shared), opened, client));
    }
}
