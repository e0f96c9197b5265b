//! Proxies and streams on their way through payloads.
//!
//! A proxy inside an argument, a result or an error is written as a number: its place in a
//! list beside the bytes. The list is attached to the payload; the session counts what is in
//! it, whatever becomes of the bytes. For a reader that has no session it is written as a path with a
//! ticket in it, which the list tells the object of.
//!
//! Which list that is, is known only while one of our own calls of a formatter runs, on
//! the thread where it runs. The list of an outer call is put aside meanwhile and comes
//! back, also after a panic. Whoever writes a proxy at another time is told so.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Reference, Stub};
use crate::budget::ScanLimits;
use crate::descriptor::InterfaceDescriptor;
use crate::error::Error;
use crate::formatter::{Arguments, DecodeArguments, FormatError, FormatterRef};
use crate::id::{self, InterfaceId};
use crate::object::ANY;
use crate::payload::Payload;
use crate::stream::{Flow, Freight};
use crate::url::TICKETS;

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

/// A proxy that was written as a ticket, and waits for it to be given out.
pub(crate) struct Boarded {
    pub(crate) ticket: String,
    pub(crate) reference: Reference,
    /// The interface that it is seen through.
    pub(crate) interface: &'static InterfaceDescriptor,
}

/// All proxies of a payload that were written as tickets.
pub(crate) type Tickets = Vec<Boarded>;

/// Who knows what a ticket stands for.
pub(crate) trait Redeem: Send + Sync {
    /// The object of a ticket, or of a publication.
    ///
    /// - `path`: as it stands in the payload: `/~/rt1.…`, or `/bank`.
    ///
    /// # Errors
    ///
    /// Why there is none, for whoever has sent it.
    fn redeem(&self, path: &str, wanted: &'static InterfaceDescriptor) -> Result<Reference, Error>;
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

/// The list that proxies are written to or read from.
enum Scope {
    Outside,
    Writing(Passengers, FormatterRef),
    WritingTickets(Tickets),
    Reading(Arc<Reading>),
    ReadingTickets(Arc<dyn Redeem>),
}

/// What is needed to read a payload with passengers.
struct Reading {
    passengers: Passengers,
    formatter: FormatterRef,
    limits: ScanLimits,
}

thread_local! {
    static SCOPE: RefCell<Scope> = const { RefCell::new(Scope::Outside) };
}

/// Puts the outer scope back.
struct Restore(Option<Scope>);

impl Restore {
    /// Ends the inner scope and gives its list.
    fn end(mut self) -> Scope {
        match self.0.take() {
            Some(outer) => SCOPE.replace(outer),
            None => Scope::Outside,
        }
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(outer) = self.0.take() {
            // Dropped only when nothing is borrowed: a proxy's last drop may call us.
            let inner = SCOPE.replace(outer);
            drop(inner);
        }
    }
}

fn writing(
    by_ticket: bool,
    formatter: &FormatterRef,
    write: impl FnOnce() -> Result<Payload, FormatError>,
) -> Result<Payload, FormatError> {
    let inner = match by_ticket {
        false => Scope::Writing(Vec::new(), formatter.clone()),
        true => Scope::WritingTickets(Vec::new()),
    };
    let scope = Restore(Some(SCOPE.replace(inner)));
    let mut payload = write()?;
    match scope.end() {
        Scope::Writing(passengers, _) if !passengers.is_empty() => payload.attach(passengers),
        Scope::WritingTickets(tickets) if !tickets.is_empty() => payload.attach(tickets),
        _ => {}
    }
    Ok(payload)
}

fn reading<R>(
    company: Company<'_>,
    (formatter, limits): (&FormatterRef, ScanLimits),
    read: impl FnOnce() -> R,
) -> R {
    let inner = match company {
        Company::None => {
            if SCOPE.with_borrow(|scope| matches!(scope, Scope::Outside)) {
                return read();
            }
            Scope::Outside
        }
        Company::Numbered(passengers) => Scope::Reading(Arc::new(Reading {
            passengers: passengers.to_vec(),
            formatter: formatter.clone(),
            limits,
        })),
        Company::Ticketed(redeem) => Scope::ReadingTickets(Arc::clone(redeem)),
    };
    let _scope = Restore(Some(SCOPE.replace(inner)));
    read()
}

/// Writes a value and attaches the proxies in it.
pub(crate) fn encode<T: Serialize + ?Sized>(
    style: &Style,
    value: &T,
) -> Result<Payload, FormatError> {
    writing(style.tickets.is_some(), &style.formatter, || {
        style.formatter.encode(value)
    })
}

/// Writes a value that is not needed any more, and attaches the proxies in it.
pub(crate) fn encode_owned<T: Serialize + 'static>(
    style: &Style,
    value: T,
) -> Result<Payload, FormatError> {
    writing(style.tickets.is_some(), &style.formatter, || {
        style.formatter.encode_owned(value)
    })
}

/// Writes the arguments of a call and attaches the proxies in them.
pub(crate) fn encode_arguments<A: Arguments>(
    formatter: &FormatterRef,
    names: &'static [&'static str],
    arguments: &A,
) -> Result<Payload, FormatError> {
    writing(false, formatter, || {
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

const OUTSIDE: &str = "a proxy, or a stream, is written and read only as part of a remote call \
    (`OutsideCall`): it stands for something in a connection, and means nothing in a file";

const SESSIONLESS: &str = "a stream needs a channel with sessions, such as `tcp://` or `ws://`";

/// What writing a proxy gives.
pub type Written<S> = Result<<S as Serializer>::Ok, <S as Serializer>::Error>;

/// What reading a proxy gives.
pub type Read<'de, P, D> = Result<P, <D as Deserializer<'de>>::Error>;

/// What stands for a proxy in a payload.
enum Mark {
    Number(usize),
    Ticket(String),
}

/// Writes a proxy as what stands for it in the list of the call that is being written.
pub fn board<P: Stub, S: Serializer>(proxy: &P, serializer: S) -> Written<S> {
    let (reference, interface) = (proxy.reference(), P::interface());
    let mark = SCOPE.with_borrow_mut(|scope| match scope {
        Scope::Writing(passengers, _) => {
            Some(Mark::Number(number(passengers, reference, interface)))
        }
        Scope::WritingTickets(tickets) => Some(Mark::Ticket(path(tickets, reference, interface))),
        Scope::Outside | Scope::Reading(_) | Scope::ReadingTickets(_) => None,
    });
    match mark {
        Some(Mark::Number(number)) => match u32::try_from(number) {
            Ok(number) => serializer.serialize_u32(number),
            Err(error) => Err(S::Error::custom(error)),
        },
        Some(Mark::Ticket(path)) => serializer.serialize_str(&path),
        None => Err(S::Error::custom(OUTSIDE)),
    }
}

/// The place of a proxy in the list, which it gets if it has none.
fn number(
    passengers: &mut Passengers,
    reference: &Reference,
    interface: &InterfaceDescriptor,
) -> usize {
    let interface = Some(interface.id);
    let known = passengers.iter().position(|known| match known {
        Passenger::Proxy {
            reference: known,
            interface: seen,
        } => *seen == interface && known.is_same_endpoint(reference),
        Passenger::Stream(_) => false,
    });
    known.unwrap_or_else(|| {
        let reference = reference.without_options();
        passengers.push(Passenger::Proxy {
            reference,
            interface,
        });
        passengers.len() - 1
    })
}

/// The path that will lead to a proxy's object, when its ticket has been given out.
fn path(
    tickets: &mut Tickets,
    reference: &Reference,
    interface: &'static InterfaceDescriptor,
) -> String {
    let known = tickets.iter().find(|known| {
        known.interface.id == interface.id && known.reference.is_same_endpoint(reference)
    });
    let ticket = known.map(|known| known.ticket.clone());
    let ticket = ticket.unwrap_or_else(|| {
        let ticket = id::ticket();
        tickets.push(Boarded {
            ticket: ticket.clone(),
            reference: reference.without_options(),
            interface,
        });
        ticket
    });
    format!("/{TICKETS}{ticket}")
}

/// Reads a proxy as what stands for it in the call that is being read.
pub fn alight<'de, P: Stub, D: Deserializer<'de>>(deserializer: D) -> Read<'de, P, D> {
    let redeem = SCOPE.with_borrow(|scope| match scope {
        Scope::ReadingTickets(redeem) => Some(Arc::clone(redeem)),
        _ => None,
    });
    if let Some(redeem) = redeem {
        let path = String::deserialize(deserializer)?;
        let found = redeem.redeem(&path, P::interface());
        return found.map(P::from_reference).map_err(D::Error::custom);
    }
    let number = u32::deserialize(deserializer)?;
    let (
        Passenger::Proxy {
            reference,
            interface,
        },
        _,
    ) = passenger(number).map_err(D::Error::custom)?
    else {
        return Err(D::Error::custom(format_args!(
            "number {number} is a stream, not an object"
        )));
    };
    let wanted = P::interface();
    if wanted.id != ANY && interface.is_some_and(|id| id != wanted.id) {
        return Err(D::Error::custom(format_args!(
            "object number {number} does not have the interface `{}`",
            wanted.name
        )));
    }
    Ok(P::from_reference(reference))
}

/// What came along under a number with the call that is being read.
fn passenger(number: u32) -> Result<(Passenger, Arc<Reading>), String> {
    let reading = SCOPE.with_borrow(|scope| match scope {
        Scope::Reading(reading) => Some(Arc::clone(reading)),
        _ => None,
    });
    let reading = reading.ok_or(OUTSIDE)?;
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    let found = reading.passengers.get(place).cloned();
    let found = found.ok_or_else(|| format!("no object number {number} came along"))?;
    Ok((found, reading))
}

/// Writes a stream as what stands for it in the list of the call that is being written.
///
/// - `load`: makes what travels, with items in the format of the call.
pub(crate) fn board_stream<S: Serializer>(
    serializer: S,
    load: impl FnOnce(FormatterRef) -> Freight,
) -> Written<S> {
    let number = SCOPE.with_borrow_mut(|scope| match scope {
        Scope::Writing(passengers, formatter) => {
            passengers.push(Passenger::Stream(load(formatter.clone())));
            Ok(passengers.len() - 1)
        }
        Scope::WritingTickets(_) => Err(SESSIONLESS),
        Scope::Outside | Scope::Reading(_) | Scope::ReadingTickets(_) => Err(OUTSIDE),
    });
    let number = number.map_err(S::Error::custom)?;
    serializer.serialize_u32(u32::try_from(number).map_err(S::Error::custom)?)
}

/// Reads a stream as what stands for it in the call that is being read.
///
/// - `unload`: makes it of its items, and how they are to be read.
pub(crate) fn alight_stream<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    unload: impl FnOnce(Box<dyn Flow>, FormatterRef, ScanLimits) -> T,
) -> Read<'de, T, D> {
    let number = u32::deserialize(deserializer)?;
    let (passenger, reading) = passenger(number).map_err(D::Error::custom)?;
    let flow = match passenger {
        Passenger::Stream(freight) => freight.take(),
        Passenger::Proxy { .. } => None,
    };
    let flow = flow.ok_or_else(|| {
        D::Error::custom(format_args!(
            "number {number} is no stream, or was read before"
        ))
    })?;
    Ok(unload(flow, reading.formatter.clone(), reading.limits))
}
