//! Which list proxies and streams are written to, or read from.
//!
//! That is known only while one of our own calls of a formatter runs, on
//! the thread where it runs. The list of an outer call is put aside meanwhile and comes
//! back, also after a panic. Whoever writes a proxy at another time is told so.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use serde::Serialize;

use super::passage::{Luggage, Passengers, Redeem, Style};
use crate::budget::ScanLimits;
use crate::formatter::{ByteVec, FormatError, FormatterRef};
use crate::payload::{Batch, LARGE, Payload};

/// The list that proxies are written to or read from.
pub(super) enum Scope {
    Outside,
    Writing(Passengers, FormatterRef),
    WritingTickets(Luggage, Style),
    Reading(Arc<Reading>),
    ReadingTickets(Arc<dyn Redeem>, FormatterRef, ScanLimits),
}

/// What is needed to read a payload with passengers.
pub(super) struct Reading {
    pub(super) passengers: Passengers,
    pub(super) formatter: FormatterRef,
    pub(super) limits: ScanLimits,
}

impl Scope {
    /// Attaches what was left here while a payload was written.
    pub(super) fn attach_to(self, payload: &mut Payload) {
        match self {
            Self::Writing(passengers, _) if !passengers.is_empty() => payload.attach(passengers),
            Self::WritingTickets(luggage, _) if !luggage.is_empty() => payload.attach(luggage),
            _ => {}
        }
    }
}

thread_local! {
    static SCOPE: RefCell<Scope> = const { RefCell::new(Scope::Outside) };
    static FORCE: Cell<Force> = const { Cell::new(Force::None) };
}

/// Whether the scope is in force.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Force {
    /// No: all is outside.
    None,
    /// Yes, and nobody has looked at it.
    Unseen,
    Seen,
}

/// Looks at the scope that there is now. May call nobody who could look at it too.
pub(super) fn with<R>(look: impl FnOnce(&mut Scope) -> R) -> R {
    if is_outside() {
        return look(&mut Scope::Outside);
    }
    FORCE.set(Force::Seen);
    SCOPE.with_borrow_mut(look)
}

/// Whether nothing is written or read now.
#[inline]
pub(super) fn is_outside() -> bool {
    FORCE.get() == Force::None
}

/// Puts the outer scope back.
pub(super) struct Restore {
    outer: Option<Scope>,
    force: Force,
}

impl From<Scope> for Restore {
    /// Enters an inner scope.
    fn from(inner: Scope) -> Self {
        Self {
            outer: Some(SCOPE.replace(inner)),
            force: FORCE.replace(Force::Unseen),
        }
    }
}

impl Restore {
    /// Ends the inner scope and gives its list.
    pub(super) fn end(mut self) -> Scope {
        self.leave()
    }

    fn leave(&mut self) -> Scope {
        match self.outer.take() {
            Some(outer) => {
                FORCE.set(self.force);
                SCOPE.replace(outer)
            }
            None => Scope::Outside,
        }
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        // Dropped only when nothing is borrowed: a proxy's last drop may call us.
        let inner = self.leave();
        drop(inner);
    }
}

/// Writes items of a stream, one after the other, each with a list of its own. Whatever runs between two of them
/// is outside.
pub(crate) struct Pen<'a> {
    style: &'a Style,
    _scope: Restore,
}

impl<'a> Pen<'a> {
    pub(crate) fn new(style: &'a Style) -> Self {
        let scope = Restore::from(style.scope());
        FORCE.set(Force::None);
        Self {
            style,
            _scope: scope,
        }
    }

    /// Writes an item behind others, with the proxies in it. After an error the pen is of no use any more.
    pub(crate) fn write<T: Serialize>(
        &mut self,
        item: &T,
        into: &mut Batch,
    ) -> Result<(), FormatError> {
        FORCE.set(Force::Unseen);
        let written = self.style.formatter.encode_into(item, into.writer());
        let force = FORCE.replace(Force::None);
        written?;
        if force == Force::Unseen {
            into.written();
            return Ok(());
        }
        let mut item = into.unwritten();
        SCOPE.replace(self.style.scope()).attach_to(&mut item);
        into.push(item);
        Ok(())
    }

    /// Writes bytes behind other items, as bytes. Many are not copied.
    pub(crate) fn write_bytes(
        &mut self,
        bytes: Vec<u8>,
        into: &mut Batch,
    ) -> Result<(), FormatError> {
        let bytes = ByteVec(bytes);
        if bytes.0.len() < LARGE {
            return self.write(&bytes, into);
        }
        into.push(self.style.formatter.encode_owned(bytes)?);
        Ok(())
    }
}
