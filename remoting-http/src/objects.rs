//! Objects that are made, kept and let go without a session: by their tickets.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Body;
use hyper::http::request::Parts;
use remoting_core::{ErrorKind, Fault, Peer};
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::arguments::Arguments;
use crate::headers::CallHeaders;
use crate::serve::{Service, refused, unreadable_header};

/// The part of a path that stands for the lease of an object.
const LEASE: &str = "lease";

/// What is asked of a lease.
#[derive(Deserialize)]
struct Wanted {
    /// For how long it is to run from now on, in milliseconds.
    ms: u64,
}

/// What is granted of it.
#[derive(Serialize)]
struct Granted {
    /// How long it runs, in milliseconds.
    ms: Option<u64>,
}

impl Service {
    /// Makes an object, and gives a ticket for it.
    pub(crate) async fn construct<B>(
        &self,
        head: &Parts,
        (name, constructor): (&str, &str),
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
        let mut constructors = interface.constructors.iter();
        let found = constructors.find(|known| known.name == constructor);
        let constructor = found.ok_or_else(|| {
            let text = format!(
                "`{}` has no constructor of this name; a GET of the object lists them",
                interface.name
            );
            refused(Fault::refused(ErrorKind::NoSuchMethod, text))
        })?;
        let Arguments {
            formatter,
            payload,
            place,
            stream,
        } = self.arguments(head, constructor, body, peer).await?;
        if stream.is_some() {
            let text = "a constructor takes no stream; send `application/json`";
            return Err(Answer::refused(415, "unsupported", text));
        }
        let call = self.message((name, interface), constructor, headers, &formatter, payload);
        let turn = self.turn(key.as_deref(), head, &call, peer)?;
        // It may go on without its connection, and then it is what a drain waits for.
        let visit = key.is_some().then(|| self.visit());
        let making = self.acceptor.construct(call, Arc::clone(peer));
        let below = self.path.clone();
        let work = async move {
            let made = making.await;
            drop((place, visit));
            match made {
                Ok(ticket) => Answer::made(&formatter, ticket, &below),
                Err(fault) => Answer::of(&formatter, Err(fault)),
            }
        };
        Ok(turn.take(work).await)
    }

    /// Lets an object live longer.
    ///
    /// - `what`: the part of the path behind the object's, which has to be that of its lease.
    pub(crate) async fn renew<B>(
        &self,
        (name, what): (&str, &str),
        body: B,
        peer: &Peer,
    ) -> Result<Answer, Answer>
    where
        B: Body<Data = Bytes>,
        B::Error: Display,
    {
        if what != LEASE {
            let text = "only leases are changed with PUT; calls are made with POST";
            return Err(Answer::refused(405, "protocol", text).allowing("GET, POST"));
        }
        let body = self.read(body, peer).await?;
        let wanted: Wanted = serde_json::from_slice(&body.bytes).map_err(|_| {
            let text = "the body says for how long, in milliseconds: `{\"ms\":300000}`";
            Answer::refused(400, "bad_arguments", text)
        })?;
        let granted = self
            .acceptor
            .renew(name, Duration::from_millis(wanted.ms), peer)
            .map_err(refused)?;
        let ms = granted.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        Ok(Answer::json(
            serde_json::to_vec(&Granted { ms }).unwrap_or_default(),
        ))
    }

    /// Lets an object go.
    pub(crate) fn release(&self, name: &str, peer: &Peer) -> Result<Answer, Answer> {
        self.acceptor.release(name, peer).map_err(refused)?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }
}
