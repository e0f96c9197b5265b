//! Proxies and streams on their way through payloads.
//!
//! A proxy inside an argument, a result or an error is written as a number: its place in a
//! list beside the bytes. The list is attached to the payload; the session counts what is in
//! it, whatever becomes of the bytes. For a reader that has no session it is written as a path with a
//! ticket in it, which the list tells the object of.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Reference;
use super::promise::Promise;
use super::scope::{self, Reading, Restore, Scope};
use crate::budget::ScanLimits;
use crate::descriptor::InterfaceDescriptor;
use crate::error::Error;
use crate::formatter::{Arguments, DecodeArguments, FormatError, FormatterRef};
use crate::id::InterfaceId;
use crate::payload::Payload;
use crate::stream::Freight;

/// What goes along beside a payload.
#[derive(Clone, Debug)]
pub(crate) enum Passenger {
    Proxy {
        reference: Reference,
        /// The interface that it is seen through; nothing for an object that is not there.
        interface: Option<InterfaceId>,
    },
    Stream(Freight),
}

/// All proxies and streams of one payload, in the order of their numbers.
pub(crate) type Passengers = Vec<Passenger>;

/// The proxies that are attached to a payload.
pub(crate) fn passengers(payload: &Payload) -> &[Passenger] {
    payload
        .attached::<Passengers>()
        .map_or(&[], |passengers| passengers)
}

/// The streams of a payload.
pub(crate) fn streams(payload: &Payload) -> impl Iterator<Item = &Freight> {
    let passengers = passengers(payload).iter();
    passengers.filter_map(|passenger| match passenger {
        Passenger::Proxy { .. } => None,
        Passenger::Stream(freight) => Some(freight),
    })
}

/// Whether a stream that goes along was begun, so that the payload cannot be sent again.
pub(crate) fn is_spent(payload: &Payload) -> bool {
    streams(payload).any(Freight::is_taken)
}

/// The calls whose answers are to come with objects that a payload refers to.
pub(super) fn promises(payload: &Payload) -> Vec<Arc<Promise>> {
    let passengers = passengers(payload).iter();
    let promises = passengers.filter_map(|passenger| match passenger {
        Passenger::Proxy { reference, .. } => reference.endpoint().promise().cloned(),
        Passenger::Stream(_) => None,
    });
    promises.collect()
}

/// A proxy that was written as a ticket, and waits for it to be given out.
pub(crate) struct Boarded {
    pub(crate) ticket: String,
    pub(crate) reference: Reference,
    /// The interface that it is seen through.
    pub(crate) interface: &'static InterfaceDescriptor,
}

/// All proxies of a payload that were written as tickets.
pub(crate) type Tickets = Vec<Boarded>;

/// What a payload refers to that is for a reader without a session.
#[derive(Default)]
pub(crate) struct Luggage {
    pub(crate) tickets: Tickets,
    /// There is no number to tell two apart by.
    pub(crate) stream: Option<Freight>,
}

impl Luggage {
    pub(super) fn is_empty(&self) -> bool {
        self.tickets.is_empty() && self.stream.is_none()
    }
}

/// Who knows what a ticket stands for, and what came along.
pub(crate) trait Redeem: Send + Sync {
    /// The object of a ticket, or of a publication.
    ///
    /// - `path`: as it stands in the payload: `/~/rt1.…`, or `/bank`.
    ///
    /// # Errors
    ///
    /// Why there is none, for whoever has sent it.
    fn redeem(&self, path: &str, wanted: &'static InterfaceDescriptor) -> Result<Reference, Error>;

    /// The one stream that came beside the payload.
    fn stream(&self) -> Option<Freight> {
        None
    }
}

/// How values are written: in which format, and how the proxies in them.
#[derive(Clone)]
pub(crate) struct Style {
    pub(crate) formatter: FormatterRef,
    /// Who knows tickets, where proxies are written as such; else they are written as numbers.
    tickets: Option<Arc<dyn Redeem>>,
}

impl Style {
    pub(crate) fn by_number(formatter: FormatterRef) -> Self {
        let tickets = None;
        Self { formatter, tickets }
    }

    /// For readers and writers without a session.
    pub(crate) fn by_ticket(formatter: FormatterRef, tickets: Arc<dyn Redeem>) -> Self {
        let tickets = Some(tickets);
        Self { formatter, tickets }
    }

    /// Where what is written so leaves its proxies and streams.
    pub(super) fn scope(&self) -> Scope {
        match &self.tickets {
            None => Scope::Writing(Vec::new(), self.formatter.clone()),
            Some(_) => Scope::WritingTickets(Luggage::default(), self.clone()),
        }
    }

    /// What a payload that is written so refers to.
    pub(crate) fn company<'a>(&'a self, payload: &'a Payload) -> Company<'a> {
        match &self.tickets {
            Some(tickets) => Company::Ticketed(tickets),
            None => company(payload),
        }
    }
}

impl fmt::Debug for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Style")
            .field("formatter", &self.formatter)
            .field("by_ticket", &self.tickets.is_some())
            .finish()
    }
}

/// What a payload refers to, for who reads it.
#[derive(Clone, Copy)]
pub(crate) enum Company<'a> {
    None,
    Numbered(&'a [Passenger]),
    Ticketed(&'a Arc<dyn Redeem>),
}

/// What a payload refers to.
pub(crate) fn company(payload: &Payload) -> Company<'_> {
    if !payload.has_attached() {
        return Company::None;
    }
    if let Some(redeem) = payload.attached::<Arc<dyn Redeem>>() {
        return Company::Ticketed(redeem);
    }
    match passengers(payload) {
        [] => Company::None,
        passengers => Company::Numbered(passengers),
    }
}

fn writing(
    inner: Scope,
    write: impl FnOnce() -> Result<Payload, FormatError>,
) -> Result<Payload, FormatError> {
    let scope = Restore::from(inner);
    let mut payload = write()?;
    scope.end().attach_to(&mut payload);
    Ok(payload)
}

fn reading<R>(
    company: Company<'_>,
    (formatter, limits): (&FormatterRef, ScanLimits),
    read: impl FnOnce() -> R,
) -> R {
    let inner = match company {
        Company::None if scope::is_outside() => return read(),
        Company::None => Scope::Outside,
        Company::Numbered(passengers) => Scope::Reading(Arc::new(Reading {
            passengers: passengers.to_vec(),
            formatter: formatter.clone(),
            limits,
        })),
        Company::Ticketed(redeem) => {
            Scope::ReadingTickets(Arc::clone(redeem), formatter.clone(), limits)
        }
    };
    let _scope = Restore::from(inner);
    read()
}

/// Writes a value and attaches the proxies in it.
pub(crate) fn encode<T: Serialize + ?Sized>(
    style: &Style,
    value: &T,
) -> Result<Payload, FormatError> {
    writing(style.scope(), || style.formatter.encode(value))
}

/// Writes a value that is not needed any more, and attaches the proxies in it.
pub(crate) fn encode_owned<T: Serialize + 'static>(
    style: &Style,
    value: T,
) -> Result<Payload, FormatError> {
    writing(style.scope(), || style.formatter.encode_owned(value))
}

/// Writes the arguments of a call and attaches the proxies in them.
pub(crate) fn encode_arguments<A: Arguments>(
    formatter: &FormatterRef,
    names: &'static [&'static str],
    arguments: &A,
) -> Result<Payload, FormatError> {
    writing(Scope::Writing(Vec::new(), formatter.clone()), || {
        formatter.encode_arguments(names, arguments)
    })
}

/// Reads a value; the proxies in it are those that are attached.
pub(crate) fn decode<T: DeserializeOwned>(
    formatter: &FormatterRef,
    payload: &Payload,
    limits: ScanLimits,
) -> Result<T, FormatError> {
    reading(company(payload), (formatter, limits), || {
        formatter.decode(payload.as_slice(), limits)
    })
}

/// Reads a value that refers to nothing.
pub(crate) fn decode_plain<T: DeserializeOwned>(
    formatter: &FormatterRef,
    bytes: &[u8],
    limits: ScanLimits,
) -> Result<T, FormatError> {
    reading(Company::None, (formatter, limits), || {
        formatter.decode(bytes, limits)
    })
}

/// Reads the arguments of a call, which may borrow from `bytes`.
pub(crate) fn decode_arguments<'de, A: DecodeArguments<'de>>(
    formatter: &FormatterRef,
    names: &'static [&'static str],
    bytes: &'de [u8],
    company: Company<'_>,
    limits: ScanLimits,
) -> Result<A, FormatError> {
    reading(company, (formatter, limits), || {
        formatter.decode_arguments(names, bytes, limits)
    })
}
