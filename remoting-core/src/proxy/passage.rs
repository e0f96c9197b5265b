//! Proxies on their way through payloads.
//!
//! A proxy inside an argument, a result or an error is written as a number: its place in a
//! list beside the bytes. The list is attached to the payload; the session counts what is in
//! it, whatever becomes of the bytes.
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
use crate::formatter::{Arguments, DecodeArguments, FormatError, FormatterRef};
use crate::id::InterfaceId;
use crate::payload::Payload;

/// A proxy beside the payload that it belongs to.
#[derive(Clone)]
pub(crate) struct Passenger {
    pub(crate) reference: Reference,
    /// The interface that it is seen through; nothing for an object that is not there.
    pub(crate) interface: Option<InterfaceId>,
}

/// All proxies of one payload, in the order of their numbers.
pub(crate) type Passengers = Vec<Passenger>;

/// The proxies that are attached to a payload.
pub(crate) fn passengers(payload: &Payload) -> &[Passenger] {
    payload
        .attached::<Passengers>()
        .map_or(&[], |passengers| passengers)
}

/// The list that proxies are written to or read from.
enum Scope {
    Outside,
    Writing(Passengers),
    Reading(Arc<Passengers>),
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

fn writing(write: impl FnOnce() -> Result<Payload, FormatError>) -> Result<Payload, FormatError> {
    let scope = Restore(Some(SCOPE.replace(Scope::Writing(Vec::new()))));
    let mut payload = write()?;
    match scope.end() {
        Scope::Writing(passengers) if !passengers.is_empty() => payload.attach(passengers),
        _ => {}
    }
    Ok(payload)
}

fn reading<R>(payload: &[Passenger], read: impl FnOnce() -> R) -> R {
    if payload.is_empty() && SCOPE.with_borrow(|scope| matches!(scope, Scope::Outside)) {
        return read();
    }
    let inner = if payload.is_empty() {
        Scope::Outside
    } else {
        Scope::Reading(Arc::new(payload.to_vec()))
    };
    let _scope = Restore(Some(SCOPE.replace(inner)));
    read()
}

/// Writes a value and attaches the proxies in it.
pub(crate) fn encode<T: Serialize + ?Sized>(
    formatter: &FormatterRef,
    value: &T,
) -> Result<Payload, FormatError> {
    writing(|| formatter.encode(value))
}

/// Writes a value that is not needed any more, and attaches the proxies in it.
pub(crate) fn encode_owned<T: Serialize + 'static>(
    formatter: &FormatterRef,
    value: T,
) -> Result<Payload, FormatError> {
    writing(|| formatter.encode_owned(value))
}

/// Writes the arguments of a call and attaches the proxies in them.
pub(crate) fn encode_arguments<A: Arguments>(
    formatter: &FormatterRef,
    names: &'static [&'static str],
    arguments: &A,
) -> Result<Payload, FormatError> {
    writing(|| formatter.encode_arguments(names, arguments))
}

/// Reads a value; the proxies in it are those that are attached.
pub(crate) fn decode<T: DeserializeOwned>(
    formatter: &FormatterRef,
    payload: &Payload,
    limits: ScanLimits,
) -> Result<T, FormatError> {
    reading(passengers(payload), || {
        formatter.decode(payload.as_slice(), limits)
    })
}

/// Reads the arguments of a call, which may borrow from `bytes`.
pub(crate) fn decode_arguments<'de, A: DecodeArguments<'de>>(
    formatter: &FormatterRef,
    names: &'static [&'static str],
    bytes: &'de [u8],
    passengers: &[Passenger],
    limits: ScanLimits,
) -> Result<A, FormatError> {
    reading(passengers, || {
        formatter.decode_arguments(names, bytes, limits)
    })
}

const OUTSIDE: &str = "a proxy is written and read only as part of a remote call \
    (`OutsideCall`): it stands for an object in a connection, and means nothing in a file";

/// What writing a proxy gives.
pub type Written<S> = Result<<S as Serializer>::Ok, <S as Serializer>::Error>;

/// What reading a proxy gives.
pub type Read<'de, P, D> = Result<P, <D as Deserializer<'de>>::Error>;

/// Writes a proxy as its number in the list of the call that is being written.
pub fn board<P: Stub, S: Serializer>(proxy: &P, serializer: S) -> Written<S> {
    let reference = proxy.reference();
    let interface = Some(P::interface().id);
    let number = SCOPE.with_borrow_mut(|scope| {
        let Scope::Writing(passengers) = scope else {
            return None;
        };
        let known = passengers.iter().position(|known| {
            known.interface == interface && known.reference.is_same_endpoint(reference)
        });
        let number = known.unwrap_or_else(|| {
            let reference = reference.without_options();
            passengers.push(Passenger {
                reference,
                interface,
            });
            passengers.len() - 1
        });
        u32::try_from(number).ok()
    });
    match number {
        Some(number) => serializer.serialize_u32(number),
        None => Err(S::Error::custom(OUTSIDE)),
    }
}

/// Reads a proxy as the number of one that came along with the call that is being read.
pub fn alight<'de, P: Stub, D: Deserializer<'de>>(deserializer: D) -> Read<'de, P, D> {
    let number = u32::deserialize(deserializer)?;
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    let found = SCOPE.with_borrow(|scope| match scope {
        Scope::Reading(passengers) => Some(passengers.get(place).cloned()),
        Scope::Outside | Scope::Writing(_) => None,
    });
    let Some(Some(passenger)) = found else {
        return Err(D::Error::custom(match found {
            None => OUTSIDE.to_owned(),
            Some(_) => format!("no object number {number} came along"),
        }));
    };
    let wanted = P::interface();
    if passenger.interface.is_some_and(|id| id != wanted.id) {
        return Err(D::Error::custom(format_args!(
            "object number {number} does not have the interface `{}`",
            wanted.name
        )));
    }
    Ok(P::from_reference(passenger.reference))
}

impl fmt::Debug for Passenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} as {:?}", self.reference, self.interface)
    }
}
