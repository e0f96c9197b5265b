//! What stands for a proxy or a stream in a payload: written and read inside the scope that
//! [`scope`](super::scope) has.

use std::sync::Arc;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use super::passage::{Boarded, Passenger, Passengers, Style, Tickets};
use super::scope::{self, Reading, Scope};
use super::{Reference, Stub};
use crate::budget::ScanLimits;
use crate::descriptor::InterfaceDescriptor;
use crate::formatter::FormatterRef;
use crate::id;
use crate::object::ANY;
use crate::stream::{Freight, Items};
use crate::url::TICKETS;

const OUTSIDE: &str = "a proxy, or a stream, is written and read only as part of a remote call \
    (`OutsideCall`): it stands for something in a connection, and means nothing in a file";

const SECOND: &str = "without a session there is one stream in an answer, which is all of it; use \
    a channel with sessions, such as `tcp://` or `ws://`";

const WITHOUT_ITEMS: &str = "a stream whose items did not come along: without a session they are the \
    body of a request, in `application/x-ndjson`";

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
    let mark = scope::with(|scope| match scope {
        Scope::Writing(passengers, _) => {
            Some(Mark::Number(number(passengers, reference, interface)))
        }
        Scope::WritingTickets(luggage, _) => {
            let tickets = &mut luggage.tickets;
            Some(Mark::Ticket(path(tickets, reference, interface)))
        }
        Scope::Outside | Scope::Reading(_) | Scope::ReadingTickets(..) => None,
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
    let redeem = scope::with(|scope| match scope {
        Scope::ReadingTickets(redeem, ..) => Some(Arc::clone(redeem)),
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
    let reading = scope::with(|scope| match scope {
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
/// - `load`: makes what travels, with items written like the call.
pub(crate) fn board_stream<S: Serializer>(
    serializer: S,
    load: impl FnOnce(Style) -> Freight,
) -> Written<S> {
    let number = scope::with(|scope| match scope {
        Scope::Writing(passengers, formatter) => {
            let style = Style::by_number(formatter.clone());
            passengers.push(Passenger::Stream(load(style)));
            Ok(passengers.len() - 1)
        }
        Scope::WritingTickets(luggage, style) if luggage.stream.is_none() => {
            luggage.stream = Some(load(style.clone()));
            Ok(0)
        }
        Scope::WritingTickets(..) => Err(SECOND),
        Scope::Outside | Scope::Reading(_) | Scope::ReadingTickets(..) => Err(OUTSIDE),
    });
    let number = number.map_err(S::Error::custom)?;
    serializer.serialize_u32(u32::try_from(number).map_err(S::Error::custom)?)
}

/// Reads a stream as what stands for it in the call that is being read.
///
/// - `unload`: makes it of its items, and how they are to be read.
pub(crate) fn alight_stream<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    unload: impl FnOnce(Box<dyn Items>, FormatterRef, ScanLimits) -> T,
) -> Read<'de, T, D> {
    let came = scope::with(|scope| match scope {
        Scope::ReadingTickets(redeem, formatter, limits) => {
            Some((redeem.stream(), formatter.clone(), *limits))
        }
        _ => None,
    });
    if let Some((freight, formatter, limits)) = came {
        let freight = freight.ok_or_else(|| D::Error::custom(WITHOUT_ITEMS))?;
        let _one = u32::deserialize(deserializer)?;
        let items = freight.take();
        let items = items.ok_or_else(|| D::Error::custom("a stream that was read before"))?;
        return Ok(unload(items, formatter, limits));
    }
    let number = u32::deserialize(deserializer)?;
    let (passenger, reading) = passenger(number).map_err(D::Error::custom)?;
    let items = match passenger {
        Passenger::Stream(freight) => freight.take(),
        Passenger::Proxy { .. } => None,
    };
    let items = items.ok_or_else(|| {
        D::Error::custom(format_args!(
            "number {number} is no stream, or was read before"
        ))
    })?;
    Ok(unload(items, reading.formatter.clone(), reading.limits))
}
