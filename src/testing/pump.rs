//! One connection through the proxy: two sockets, and a pump for each lane between them.
//!
//! A pump has two halves, so that bytes may be late without being slow: one takes pieces in and notes when they are due, the
//! other gives them on, step by step, as the trouble of the moment says.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::fault_proxy::{Opened, Shared, Troubles};
use super::trouble::{Chance, Cut, LONGEST_STEP, Lane, Step, Trouble};

/// How many pieces are kept in one lane: with their length, 1 MiB.
const PIECES: usize = 64;

/// What was read at once, or that nothing more will be.
struct Piece {
    due: Instant,
    what: What,
}

enum What {
    Bytes(VecDeque<u8>),
    End(Cut),
}

/// What goes on, unless the connection is to be cut.
type Cutting<T> = Result<T, Cut>;

/// Carries a connection until it ends.
pub(super) async fn carry(shared: Arc<Shared>, opened: Opened, mut client: TcpStream) {
    let number = opened.number;
    let mut orders = opened.orders.clone();
    let upstream = Arc::clone(&opened.upstream);
    let mut dial = pin!(TcpStream::connect(&*upstream));
    let dialled = tokio::select! {
        dialled = &mut dial => dialled,
        () = taken_out(&mut orders) => {
            reset([&client]);
            drop(client);
            // The server may have been reached already, and is to know that it was a reset.
            let _too_late = dial.await.map(|server| reset([&server]));
            return;
        }
    };
    if let Ok(mut server) = dialled {
        match join(&shared, opened, &mut client, &mut server).await {
            Ok(()) | Err(Cut::HalfClose) => {}
            Err(Cut::Reset) => reset([&client, &server]),
            Err(Cut::Close) => {
                let close = async { tokio::join!(close(&mut client), close(&mut server)) };
                tokio::select! {
                    _closed = close => {}
                    () = taken_out(&mut orders) => {}
                }
            }
        }
    } else {
        reset([&client]);
    }
    shared.closed(number);
}

/// Waits until the connection is taken out of the proxy's table.
async fn taken_out(orders: &mut watch::Receiver<Troubles>) {
    while orders.changed().await.is_ok() {}
}

/// Has sockets be closed by a reset.
fn reset<const N: usize>(sockets: [&TcpStream; N]) {
    for socket in sockets {
        // A socket that is broken is as good as reset.
        let _broken = socket.set_zero_linger();
    }
}

/// Closes a socket without a reset: what the peer still sends is read until it closes too.
async fn close(socket: &mut TcpStream) {
    let _broken = socket.shutdown().await;
    let mut thrown_away = [0; 1024];
    while matches!(socket.read(&mut thrown_away).await, Ok(1..)) {}
}

/// Carries both lanes until they have ended, or the connection is to be cut.
async fn join(
    shared: &Shared,
    opened: Opened,
    client: &mut TcpStream,
    server: &mut TcpStream,
) -> Cutting<()> {
    for socket in [&*client, &*server] {
        socket.set_nodelay(true).map_err(broken)?;
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let pump = |lane| Pump {
        shared,
        number: opened.number,
        lane,
        orders: opened.orders.clone(),
        passed: 0,
        is_shut: false,
    };
    let to_server = pump(Lane::ToServer).run(from_client, to_server);
    let to_client = pump(Lane::ToClient).run(from_server, to_client);
    tokio::try_join!(to_server, to_client)?;
    Ok(())
}

/// A socket that is broken at one end is reset at the other.
fn broken(_: io::Error) -> Cut {
    Cut::Reset
}

/// One lane.
struct Pump<'a> {
    shared: &'a Shared,
    number: u64,
    lane: Lane,
    orders: watch::Receiver<Troubles>,
    passed: u64,
    is_shut: bool,
}

impl Pump<'_> {
    async fn run(mut self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> Cutting<()> {
        let (sender, pieces) = mpsc::channel(PIECES);
        let chance = Chance::new(self.shared.seed, self.number, self.lane);
        let (orders, lane) = (self.orders.clone(), self.lane);
        let take = take(from, sender, chance, |chance| {
            orders.borrow().of(lane).lateness(chance)
        });
        let take = async {
            take.await;
            Ok(())
        };
        tokio::try_join!(take, self.give(pieces, to))?;
        Ok(())
    }

    fn trouble(&mut self) -> Trouble {
        self.orders.borrow_and_update().of(self.lane).clone()
    }

    /// Does something that may be dropped; `None` if another trouble was set before it was done.
    async fn unless_changed<T>(&mut self, doing: impl Future<Output = T>) -> Cutting<Option<T>> {
        tokio::select! {
            biased;
            changed = self.orders.changed() => changed.map(|()| None).map_err(|_| Cut::Reset),
            done = doing => Ok(Some(done)),
        }
    }

    /// Gives pieces on until the sender has ended.
    async fn give(
        &mut self,
        mut pieces: mpsc::Receiver<Piece>,
        mut to: WriteHalf<'_>,
    ) -> Cutting<()> {
        let mut piece: Option<Piece> = None;
        loop {
            let trouble = self.trouble();
            let most = match trouble.at(self.passed) {
                Step::Pass(most) => most,
                Step::Stall => {
                    self.unless_changed(pending::<()>()).await?;
                    continue;
                }
                Step::Cut(Cut::HalfClose) => {
                    self.shut(&mut to).await;
                    0
                }
                Step::Cut(cut) => return Err(cut),
            };
            let Some(Piece { due, what }) = &mut piece else {
                if let Some(next) = self.unless_changed(pieces.recv()).await? {
                    piece = next;
                }
                continue;
            };
            if self.unless_changed(sleep_until(*due)).await?.is_none() {
                continue;
            }
            match what {
                What::End(Cut::HalfClose) => {
                    self.shut(&mut to).await;
                    return Ok(());
                }
                What::End(cut) => return Err(*cut),
                What::Bytes(_) if self.is_shut => piece = None,
                What::Bytes(bytes) => {
                    self.pass(bytes, most, &trouble, &mut to).await?;
                    if bytes.is_empty() {
                        piece = None;
                    }
                }
            }
        }
    }

    /// Passes one step on.
    async fn pass(
        &mut self,
        bytes: &mut VecDeque<u8>,
        most: usize,
        trouble: &Trouble,
        to: &mut WriteHalf<'_>,
    ) -> Cutting<()> {
        let (front, _) = bytes.as_slices();
        let mut step = front.get(..most).unwrap_or(front).to_vec();
        trouble.damage(self.passed, &mut step);
        let Some(written) = self.unless_changed(to.write(&step)).await? else {
            return Ok(());
        };
        step.truncate(written.map_err(broken)?);
        bytes.drain(..step.len());
        self.passed += step.len() as u64;
        self.shared.passed(self.number, self.lane, &step);
        if let Some(pause) = trouble.pause_after(step.len()) {
            self.unless_changed(sleep(pause)).await?;
        }
        Ok(())
    }

    /// Tells the receiver that nothing more comes.
    async fn shut(&mut self, to: &mut WriteHalf<'_>) {
        if !self.is_shut {
            self.is_shut = true;
            // A receiver that is gone need not be told.
            let _broken = to.shutdown().await;
        }
    }
}

/// Takes pieces in until the sender has ended, or nobody wants them any more.
///
/// - `lateness`: how long the piece that has just come is to be kept.
async fn take(
    mut from: ReadHalf<'_>,
    pieces: mpsc::Sender<Piece>,
    mut chance: Chance,
    lateness: impl Fn(&mut Chance) -> Duration,
) {
    loop {
        let mut bytes = vec![0; LONGEST_STEP];
        let what = match from.read(&mut bytes).await {
            Ok(0) => What::End(Cut::HalfClose),
            Ok(count) => {
                bytes.truncate(count);
                What::Bytes(bytes.into())
            }
            Err(_) => What::End(Cut::Reset),
        };
        let is_end = matches!(what, What::End(_));
        let due = Instant::now() + lateness(&mut chance);
        if pieces.send(Piece { due, what }).await.is_err() || is_end {
            return;
        }
    }
}
