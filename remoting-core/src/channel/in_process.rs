//! A channel whose hosts live in one process and meet under a name.
//!
//! It serves `inproc://name/object`. A connection is a pipe in memory with a real
//! session on it, so a test over this channel runs what TCP runs, minus the
//! sockets; where either side asks for it, calls go from host to host without a
//! session instead. The names that are listened on are one table for the whole
//! process, as ports are one for the machine. Only this process puts names there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::pipe::pipe;
use super::{
    Acceptor, BoxFuture, Channel, ChannelSettings, Dialed, Exchange, Link, Listener, TurnedAway,
};
use crate::authentication::Token;
use crate::error::{Error, ErrorKind, Fault};
use crate::formatter::FormatterRef;
use crate::limits::ChannelLimits;
use crate::peer::Peer;
use crate::proxy::{ConnectPolicy, OnRuntime};
use crate::sink::{CallMessage, ReplyMessage, SinkRef};
use crate::url::ObjectUrl;

const SCHEME: &str = "inproc";

/// Joins hosts of one process, under names instead of addresses.
///
/// Meant for tests and for parts of a program that may move to another process
/// one day.
#[derive(Debug, Clone)]
pub struct InProcessChannel {
    settings: ChannelSettings,
    listen_on: Option<String>,
    exchange_only: bool,
}

impl InProcessChannel {
    /// Makes a channel that listens as `inproc://name` and can dial.
    ///
    /// - `name`: made of letters, digits, `.`, `_` and `-`; one host of the process
    ///   can have it at a time. Both are checked when the host starts to listen.
    pub fn listen(name: impl Into<String>) -> Self {
        Self {
            listen_on: Some(name.into()),
            ..Self::client()
        }
    }

    /// Makes a channel that only dials.
    pub fn client() -> Self {
        let mut settings = ChannelSettings::new(SCHEME);
        // Memory does not fail for a while: who is gone does not come back.
        settings.limits.resume_window = Some(Duration::ZERO);
        Self {
            settings,
            listen_on: None,
            exchange_only: false,
        }
    }

    /// Sets the name under which the host knows the channel, `inproc` unless set.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Has each call that leaves or comes through the channel pass through a sink, inside of those that were added before
    /// and of those of the host. [`MethodCall::side`](crate::sink::MethodCall::side) tells which way it goes.
    #[must_use]
    pub fn sink(mut self, sink: impl Into<SinkRef>) -> Self {
        self.settings.sinks.push(sink.into());
        self
    }

    /// Shows a token to all hosts that the channel dials, to prove who this side is.
    #[must_use]
    pub fn token(mut self, token: impl Into<Token>) -> Self {
        self.settings.token = Some(token.into());
        self
    }

    /// Sets the priority, 1 unless set: channels of higher priority are tried first.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.settings.priority = priority;
        self
    }

    /// Sets how calls that leave through the channel are written.
    #[must_use]
    pub fn formatter(mut self, formatter: impl Into<FormatterRef>) -> Self {
        self.settings.formatter = formatter.into();
        self
    }

    /// Says what calls do where there is no connection; without it, as the host says.
    #[must_use]
    pub fn connect_policy(mut self, policy: ConnectPolicy) -> Self {
        self.settings.connect_policy = Some(policy);
        self
    }

    /// Gives the channel bounds of its own; without it, those of the host hold.
    #[must_use]
    pub fn limits(mut self, limits: ChannelLimits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Carries single calls only, without a session: no references, no callbacks.
    ///
    /// It is enough that one side asks for it.
    #[must_use]
    pub fn exchange_only(mut self) -> Self {
        self.exchange_only = true;
        self
    }

    fn start(&self, acceptor: Acceptor) -> Result<Option<Listener>, Error> {
        let Some(name) = &self.listen_on else {
            return Ok(None);
        };
        crate::url::check_name(name).map_err(|_| unusable(name))?;
        let door = Door {
            acceptor,
            runtime: Handle::try_current().ok(),
            exchange_only: self.exchange_only,
        };
        let mut doors = doors();
        if doors.contains_key(name) {
            return Err(taken(name));
        }
        doors.insert(name.clone(), door);
        let guard = Box::new(Listening(name.clone()));
        Ok(Some(Listener {
            address: format!("{SCHEME}://{name}"),
            guard,
        }))
    }

    fn reach(&self, name: &str) -> Result<Dialed, Error> {
        let door = find(name).ok_or_else(|| nobody(name))?;
        if self.exchange_only || door.exchange_only {
            return Ok(Dialed::Exchange(Arc::new(ByName(name.to_owned()))));
        }
        Ok(Dialed::Link(door.connect(name)?))
    }
}

impl Channel for InProcessChannel {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    fn settings(&self) -> &ChannelSettings {
        &self.settings
    }

    fn listen(&self, acceptor: Acceptor) -> BoxFuture<'_, Result<Option<Listener>, Error>> {
        Box::pin(async move { self.start(acceptor) })
    }

    fn dial<'a>(&'a self, url: &'a ObjectUrl) -> BoxFuture<'a, Result<Dialed, Error>> {
        Box::pin(async move { self.reach(url.authority()) })
    }
}

/// The names that hosts of this process listen on.
static DOORS: Mutex<BTreeMap<String, Door>> = Mutex::new(BTreeMap::new());

fn doors() -> MutexGuard<'static, BTreeMap<String, Door>> {
    DOORS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(name: &str) -> Option<Door> {
    doors().get(name).cloned()
}

/// How to reach a host that listens.
#[derive(Clone)]
struct Door {
    acceptor: Acceptor,
    /// Where the host's ends of connections run: with the host, not with who dials.
    runtime: Option<Handle>,
    exchange_only: bool,
}

impl Door {
    /// Gives one end of a pipe to the host, and the other to the caller.
    fn connect(&self, name: &str) -> Result<Link, Error> {
        let admission = self.acceptor.admit(None).map_err(|why| full(name, why))?;
        let (mut near, mut far) = pipe();
        near.peer = Peer::in_process(&format!("{SCHEME}://{name}"));
        far.peer = Peer::in_process(SCHEME);
        let _entered = self.runtime.as_ref().map(Handle::enter);
        self.acceptor.accept(far, admission);
        Ok(near)
    }
}

/// Takes the name out of the table when the listening ends.
struct Listening(String);

impl Drop for Listening {
    fn drop(&mut self) {
        let door = doors().remove(&self.0);
        drop(door); // after the lock: it may be the last that holds the host
    }
}

/// Reaches whoever listens under the name at the time of each call.
struct ByName(String);

impl Exchange for ByName {
    fn exchange(&self, call: CallMessage) -> BoxFuture<'_, ReplyMessage> {
        match find(&self.0) {
            Some(door) => {
                let reply = door
                    .acceptor
                    .exchange(call, Arc::new(Peer::in_process(SCHEME)));
                // Handlers that go on as tasks do so where the host lives, not where the caller does.
                let reply = OnRuntime::of(door.runtime.clone(), reply);
                let visit = door.acceptor.visit();
                Box::pin(async move {
                    let reply = reply.await;
                    drop(visit);
                    reply.map_err(from_there)
                })
            }
            None => Box::pin(async move { Err(Fault::from(nobody(&self.0))) }),
        }
    }
}

/// Notes that the host at the other side said so.
fn from_there(fault: Fault) -> Fault {
    match fault {
        Fault::Error(error) => Fault::Error(error.told_by_peer()),
        Fault::App(payload) => Fault::App(payload),
    }
}

fn nobody(name: &str) -> Error {
    let what = format!(
        "no host of this process listens on `{SCHEME}://{name}`; start one with \
         `InProcessChannel::listen(\"{name}\")`, and keep it as long as it is called"
    );
    Error::new(ErrorKind::ConnectFailed, what)
}

fn full(name: &str, why: TurnedAway) -> Error {
    let what = format!("the host at `{SCHEME}://{name}` lets nobody in: {why}");
    Error::new(ErrorKind::ConnectFailed, what)
}

fn taken(name: &str) -> Error {
    let what = format!(
        "another host of this process listens on `{SCHEME}://{name}`; choose another name or stop that host first"
    );
    Error::new(ErrorKind::ChannelTaken, what)
}

fn unusable(name: &str) -> Error {
    let what = format!(
        "`{}` cannot be listened on; a name is made of 1 to 128 letters, digits, `.`, `_` and `-`",
        name.escape_debug()
    );
    Error::new(ErrorKind::Config, what)
}

#[cfg(test)]
mod tests;
