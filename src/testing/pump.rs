//! One connection through the proxy: two sockets, and a pump for each direction between them.
//!
//! A pump has two halves, so that bytes may be late without being slow: one takes pieces in and notes when they are due, the
//! other gives them on, step by step, as the trouble of the moment says.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::fault_proxy::{Opened, Shared, Troubles};
use super::trouble::{Chance, Cut, Direction, LONGEST_STEP, Step, Trouble};

/// How many pieces are kept in one direction: with their length, 1 MiB.
const PIECES: usize = 64;

/// What was read at once; no bytes are the sender's end.
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
    /// How many of the bytes were given on.
    given: usize,
}

/// What may not go on: the connection is cut.
type Cutting<T> = Result<T, Cut>;

/// Carries a connection until it ends.
pub(super) async fn carry(shared: Arc<Shared>, opened: Opened, mut client: TcpStream) {
    let number = opened.number;
    let mut orders = opened.orders.clone();
    let dialled = tokio::select! {
        dialled = TcpStream::connect(opened.upstream) => dialled.ok(),
        () = taken_out(&mut orders) => None,
    };
    match dialled {
        Some(mut server) => {
            let ended = join(&shared, opened, &mut client, &mut server).await;
            match ended {
                Ok(()) | Err(Cut::HalfClose) => {}
                Err(Cut::Reset) => reset([&client, &server]),
                Err(Cut::Close) => {
                    tokio::select! {
                        ((), ()) = async { tokio::join!(close(&mut client), close(&mut server)) } => {}
                        () = taken_out(&mut orders) => {}
                    }
                }
            }
        }
        None => reset([&client]),
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

/// Carries both directions until they have ended, or the connection is to be cut.
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
    let pump = |direction| Pump {
        shared,
        number: opened.number,
        direction,
        orders: opened.orders.clone(),
        passed: 0,
    };
    let to_server = pump(Direction::ToServer).run(from_client, to_server);
    let to_client = pump(Direction::ToClient).run(from_server, to_client);
    tokio::try_join!(to_server, to_client)?;
    Ok(())
}

/// A socket that is broken at one end is reset at the other.
fn broken(_: io::Error) -> Cut {
    Cut::Reset
}

/// One direction.
struct Pump<'a> {
    shared: &'a Shared,
    number: u64,
    direction: Direction,
    orders: watch::Receiver<Troubles>,
    /// How many bytes were given on.
    passed: u64,
}

impl Pump<'_> {
    async fn run(mut self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> Cutting<()> {
        let (sender, pieces) = mpsc::channel(PIECES);
        let chance = Chance::new(self.shared.seed, self.number, self.direction);
        let take = take(from, sender, self.orders.clone(), self.direction, chance);
        tokio::try_join!(take, self.give(pieces, to))?;
        Ok(())
    }

    /// Gives pieces on until the sender has ended. Whatever changes, it looks anew at what may be done.
    async fn give(
        &mut self,
        mut pieces: mpsc::Receiver<Piece>,
        mut to: WriteHalf<'_>,
    ) -> Cutting<()> {
        let mut next = None;
        loop {
            let trouble = self.trouble();
            let most = match trouble.at(self.passed) {
                Step::Pass(most) => most,
                Step::Cut(Cut::HalfClose) => return to.shutdown().await.map_err(broken),
                Step::Cut(how) => return Err(how),
                Step::Stall => {
                    self.orders.changed().await.map_err(|_| Cut::Reset)?;
                    continue;
                }
            };
            let Some(piece) = &mut next else {
                match self.unless_changed(pieces.recv()).await? {
                    Some(None) => return Ok(()),
                    piece => next = piece.flatten(),
                }
                continue;
            };
            // A timer that is due already takes a while all the same.
            if piece.due > Instant::now() {
                self.unless_changed(sleep_until(piece.due)).await?;
                continue;
            }
            if piece.bytes.is_empty() {
                return to.shutdown().await.map_err(broken);
            }
            let given = self.give_some(piece, &trouble, most, &mut to).await?;
            piece.given += given;
            if piece.given == piece.bytes.len() {
                next = None;
            }
            if let Some(pause) = trouble.pause_after(given) {
                self.unless_changed(sleep(pause)).await?;
            }
        }
    }

    /// Gives on what comes next of a piece, and tells how many bytes that were.
    async fn give_some(
        &mut self,
        piece: &Piece,
        trouble: &Trouble,
        most: usize,
        to: &mut WriteHalf<'_>,
    ) -> Cutting<usize> {
        let left = piece.bytes.get(piece.given..).unwrap_or_default();
        let mut bytes = left.get(..most).unwrap_or(left).to_vec();
        trouble.damage(self.passed, &mut bytes);
        let Some(written) = self.unless_changed(to.write(&bytes)).await? else {
            return Ok(0);
        };
        let written = written.map_err(broken)?;
        let bytes = bytes.get(..written).unwrap_or_default();
        self.passed += bytes.len() as u64;
        self.shared.passed(self.number, self.direction, bytes);
        Ok(written)
    }

    /// What this direction meets from now on.
    fn trouble(&mut self) -> Trouble {
        self.orders.borrow_and_update().of(self.direction).clone()
    }

    /// Waits for something, as long as nothing changes of what this direction meets.
    async fn unless_changed<T>(&mut self, what: impl Future<Output = T>) -> Cutting<Option<T>> {
        tokio::select! {
            biased;
            changed = self.orders.changed() => match changed {
                Ok(()) => Ok(None),
                Err(_) => Err(Cut::Reset),
            },
            what = what => Ok(Some(what)),
        }
    }
}

/// Takes pieces in until the sender has ended. What nobody gives on is thrown away.
async fn take(
    mut from: ReadHalf<'_>,
    pieces: mpsc::Sender<Piece>,
    mut orders: watch::Receiver<Troubles>,
    direction: Direction,
    mut chance: Chance,
) -> Cutting<()> {
    loop {
        let mut bytes = Vec::with_capacity(LONGEST_STEP);
        let read = tokio::select! {
            read = from.read_buf(&mut bytes) => read.map_err(broken)?,
            () = taken_out(&mut orders) => return Err(Cut::Reset),
        };
        let late = orders.borrow().of(direction).lateness(&mut chance);
        let due = Instant::now() + late;
        let given = 0;
        let _unwanted = pieces.send(Piece { due, bytes, given }).await;
        if read == 0 {
            return Ok(());
        }
    }
}
