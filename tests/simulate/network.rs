//! The channel of the test: lines between one server and its clients, and who may dial.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use remoting::channel::{Acceptor, BoxFuture, Channel, ChannelSettings, Dialed, Link, Listener};
use remoting::{Error, ErrorKind, ObjectUrl};
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::line::{Cut, Habits, Line};
use crate::plan::{CLIENTS, Style};

const SCHEME: &str = "sim";
const SERVER: &str = "sim://server";

pub fn url(name: &str) -> String {
    format!("{SERVER}/{name}")
}

/// Why nobody gets through.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    pub until: Instant,
    pub how: io::ErrorKind,
}

/// All lines of a world.
#[derive(Clone)]
pub struct Network(Arc<Mutex<State>>);

struct State {
    chance: Chance,
    style: Style,
    is_stormy: bool,
    door: Option<(u64, Acceptor)>,
    refused: [Option<Refusal>; CLIENTS],
    lines: Vec<Line>,
    /// How many lines and doors there were.
    made: u64,
    doors: u64,
}

impl Network {
    pub fn new(style: Style, chance: Chance) -> Self {
        Self(Arc::new(Mutex::new(State {
            chance,
            style,
            is_stormy: false,
            door: None,
            refused: [None; CLIENTS],
            lines: Vec::new(),
            made: 0,
            doors: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The channel of the server.
    pub fn listen(&self) -> SimChannel {
        SimChannel::new(self, None)
    }

    /// The channel of a client.
    pub fn client(&self, number: usize) -> SimChannel {
        SimChannel::new(self, Some(number))
    }

    /// How many links there were.
    pub fn links(&self) -> u64 {
        self.lock().made
    }

    /// Lines begin to do harm, those that there are too.
    pub fn unleash(&self) {
        let mut state = self.lock();
        state.is_stormy = true;
        let lines = state.lines.clone();
        let set: Vec<_> = lines
            .into_iter()
            .map(|line| (line, [state.habits(), state.habits()]))
            .collect();
        drop(state);
        set.into_iter().for_each(|(line, habits)| line.set(habits));
    }

    /// Nothing goes wrong from now on, but what has: lines that were cut stay cut.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.is_stormy = false;
        state.refused = [None; CLIENTS];
        let lines = state.lines.clone();
        drop(state);
        lines.iter().for_each(Line::heal);
    }

    /// The lines of a client.
    pub fn lines(&self, client: usize) -> Vec<Line> {
        let state = self.lock();
        let own = state.lines.iter().filter(|line| line.client == client);
        own.cloned().collect()
    }

    pub fn refuse(&self, client: usize, time: Duration, how: io::ErrorKind) {
        let until = Instant::now() + time;
        self.lock().refused[client] = Some(Refusal { until, how });
    }

    fn connect(&self, client: usize) -> Result<Link, io::ErrorKind> {
        let mut state = self.lock();
        if let Some(refusal) = state.refused[client] {
            if Instant::now() < refusal.until {
                return Err(refusal.how);
            }
        }
        let Some((_, acceptor)) = state.door.clone() else {
            return Err(io::ErrorKind::ConnectionRefused);
        };
        let habits = [state.habits(), state.habits()];
        let [to_server, to_client] = habits;
        let (line, far, near) = Line::new(client, to_server, to_client);
        state.lines.retain(|line| !line.is_over());
        state.lines.push(line);
        state.made += 1;
        drop(state);
        let admission = acceptor.admit(None);
        let admission = admission.map_err(|_full| io::ErrorKind::ConnectionReset)?;
        acceptor.accept(far, admission);
        Ok(near)
    }
}

impl State {
    /// What a new line does to the bytes of one direction.
    fn habits(&mut self) -> Habits {
        let style = self.style;
        let chance = self.chance.fork();
        let is_cut = self.is_stormy && self.chance.percent(style.cuts);
        let cut = is_cut.then(|| {
            let at = self.chance.magnitude(1..style.cut_within);
            (at, self.chance.of(&[Cut::Reset, Cut::Close]))
        });
        Habits { style, chance, cut }
    }
}

/// What hosts are joined by.
pub struct SimChannel {
    settings: ChannelSettings,
    network: Network,
    /// Without it, the channel is the server's.
    client: Option<usize>,
}

impl SimChannel {
    fn new(network: &Network, client: Option<usize>) -> Self {
        Self {
            settings: ChannelSettings::new(SCHEME),
            network: network.clone(),
            client,
        }
    }
}

impl Channel for SimChannel {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    fn settings(&self) -> &ChannelSettings {
        &self.settings
    }

    fn listen(&self, acceptor: Acceptor) -> BoxFuture<'_, Result<Option<Listener>, Error>> {
        let listener = self.client.is_none().then(|| {
            let mut state = self.network.lock();
            state.doors += 1;
            state.door = Some((state.doors, acceptor));
            Listener {
                address: SERVER.to_owned(),
                guard: Box::new(Door(self.network.clone(), state.doors)),
            }
        });
        Box::pin(async move { Ok(listener) })
    }

    fn dial<'a>(&'a self, _url: &'a ObjectUrl) -> BoxFuture<'a, Result<Dialed, Error>> {
        Box::pin(async move {
            let client = self.client.expect("the server dials nobody");
            let delay = {
                let mut state = self.network.lock();
                let longest = state.style.delay + 1;
                state.chance.millis(0..longest)
            };
            sleep(delay).await;
            let link = self.network.connect(client);
            link.map(Dialed::Link).map_err(|how| {
                Error::new(ErrorKind::ConnectFailed, "the network lets nobody through")
                    .with_source(io::Error::from(how))
            })
        })
    }
}

/// Open as long as the server listens.
struct Door(Network, u64);

impl Drop for Door {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let own = state.door.take_if(|(number, _)| *number == self.1);
        drop(state);
        drop(own); // after the lock: it may be the last that holds the host
    }
}
