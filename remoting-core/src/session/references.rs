//! Objects and streams that go along with payloads, both ways.
//!
//! They travel in the frame's own table, and are counted when the frame is written
//! and when it is read. So the counts are exact whatever the payload says of them,
//! and even if nobody can decode it.

use std::sync::Arc;

use bytes::Bytes;

use super::exports::ExportKey;
use super::inflows::StreamKey;
use super::streaming::StreamSource;
use super::{Effects, Exported, Session};
use crate::error::{Error, ErrorKind};
use crate::id::{CallId, InterfaceId, Slot};
use crate::payload::{LARGE, Payload};
use crate::wire::{
    HeaderBlock, MAX_REFERENCES, ReferenceTable, Referred, Release, Return, Violation,
    write_release,
};

/// How many slots one RELEASE names at most: fits into the smallest frame.
const RELEASED_AT_ONCE: usize = 1024;

/// An object that a payload of this side refers to.
#[derive(Debug, Clone)]
pub enum Lent<T> {
    /// One of this side. The same key in the same session is the same slot.
    Own {
        /// What the slot is to stand for.
        object: T,
        /// What tells it from all other objects.
        key: ExportKey,
    },
    /// One of the peer's that is held here: it goes home.
    Home(Slot),
    /// The one that the peer is to answer this call with, or has answered it with.
    Answer(CallId),
    /// Not an object but a stream, whose items this sends.
    Stream(Arc<dyn StreamSource>),
}

/// An object that a payload of the peer refers to.
#[derive(Debug, Clone)]
pub enum Received<T> {
    /// One of the peer's, for one user here, who is to [release](Session::release) it.
    Theirs {
        /// The peer's slot.
        slot: Slot,
        /// The interface that it is seen through.
        interface: InterfaceId,
    },
    /// One of this side that has come home.
    Own(T),
    /// A slot of this side that the peer does not hold.
    Nothing,
    /// One that is still to come with the answer to this call. The session keeps the message until then.
    Awaited(CallId),
    /// Not an object but a stream, for one consumer here, who is to [leave](Session::leave_stream) it.
    Stream(StreamKey),
}

/// About what each object or stream takes here that came with a message which waits.
pub(super) const REFERENCE: usize = 64;

impl<T: Exported> Session<T> {
    /// Writes the releases that are due, and forgets `answers` behind them.
    pub(super) fn flush_releases(&mut self, answers: &[CallId]) {
        if self.closed || (self.imports.due().is_empty() && answers.is_empty()) {
            return;
        }
        let mut chunks = self.imports.due().chunks(RELEASED_AT_ONCE).peekable();
        loop {
            let slots = chunks.next().unwrap_or_default();
            let last = chunks.peek().is_none();
            // So few entries always fit.
            let _ = write_release(
                self.output.buffer(),
                slots,
                if last { answers } else { &[] },
            );
            if last {
                break;
            }
        }
        self.imports.sent();
    }

    /// Counts the objects and streams that a frame brings.
    ///
    /// # Errors
    ///
    /// The table refers to answers, which only calls may.
    pub(super) fn receive(
        &mut self,
        table: ReferenceTable<'_>,
    ) -> Result<Vec<Received<T>>, Violation> {
        if table.has_answers() {
            return Err(Violation::BadReferences);
        }
        self.receive_with_answers(table)
    }

    /// The same for a call.
    pub(super) fn receive_with_answers(
        &mut self,
        table: ReferenceTable<'_>,
    ) -> Result<Vec<Received<T>>, Violation> {
        let received = table.iter().map(|referred| match referred {
            Referred::Senders { slot, interface } => {
                self.imports.add(slot);
                Ok(Received::Theirs { slot, interface })
            }
            Referred::Receivers(slot) => Ok(match self.exports.get(slot) {
                // Its holder may give it up before anybody has looked.
                Ok(object) => Received::Own(object.clone()),
                Err(_) => Received::Nothing,
            }),
            Referred::Answer(call) => Ok(match self.object_of(call) {
                Ok(Some(object)) => Received::Own(object),
                Ok(None) => Received::Awaited(call),
                Err(_) => Received::Nothing,
            }),
            Referred::Stream(stream) => self.begin_inflow(stream).map(Received::Stream),
        });
        received.collect()
    }

    /// Takes a payload out of its frame, with the objects that came along.
    pub(super) fn keep(
        &mut self,
        payload: &[u8],
        table: ReferenceTable<'_>,
    ) -> Result<Payload, Violation> {
        let mut payload = kept(payload, self.arriving.as_ref());
        if !table.is_empty() {
            payload.attach(self.receive(table)?);
        }
        Ok(payload)
    }

    /// The same for a result, with the headers of the reply.
    pub(super) fn keep_result(&mut self, answer: &Return<'_>) -> Result<Payload, Violation> {
        let mut payload = self.keep(answer.payload, answer.header.references)?;
        if !answer.header.user.is_empty() {
            payload.set_headers(answer.header.user_pairs());
        }
        Ok(payload)
    }

    /// What a slot stands for that the peer holds.
    pub fn exported(&self, slot: Slot) -> Option<T> {
        self.exports.get(slot).ok().map(T::shared)
    }

    /// All that the peer holds.
    pub fn all_exported(&self) -> impl Iterator<Item = &T> {
        self.exports.iter()
    }

    /// Takes out what came along with a payload that was [kept](Session::keep).
    pub fn unpack(payload: &mut Payload) -> Vec<Received<T>> {
        payload.detach().unwrap_or_default()
    }
}

impl<T: Exported> Session<T> {
    /// Gives back the objects, and leaves the streams, that came with a frame which nobody looks into.
    pub(super) fn decline(&mut self, table: ReferenceTable<'_>) -> Result<(), Violation> {
        for referred in table.iter() {
            match referred {
                Referred::Senders { slot, .. } => {
                    self.imports.add(slot);
                    self.imports.release(slot, 1);
                }
                Referred::Receivers(_) | Referred::Answer(_) => {}
                Referred::Stream(stream) => self.decline_stream(stream)?,
            }
        }
        Ok(())
    }

    /// Gives back the objects of a payload that nobody wants.
    pub(super) fn discard(&mut self, payload: &mut Payload, effects: &mut Effects<T>) {
        self.give_back(Self::unpack(payload), effects);
    }

    /// Gives back objects, and leaves streams, that came with a message which nobody wants.
    pub(super) fn give_back(&mut self, references: Vec<Received<T>>, effects: &mut Effects<T>) {
        let mut streams = Vec::new();
        self.give_back_objects(references, &mut streams, effects);
        self.leave_streams(streams, effects);
    }

    /// - `streams`: gets the streams among them, which are to be left.
    pub(super) fn give_back_objects(
        &mut self,
        references: Vec<Received<T>>,
        streams: &mut Vec<StreamKey>,
        effects: &mut Effects<T>,
    ) {
        for received in references {
            match received {
                Received::Theirs { slot, .. } => self.imports.release(slot, 1),
                Received::Own(object) => effects.rare().dropped.push(object),
                Received::Nothing | Received::Awaited(_) => {}
                Received::Stream(key) => streams.push(key),
            }
        }
    }

    /// Takes back what the peer holds no more, and forgets answers that it needs no more.
    pub(super) fn on_release(
        &mut self,
        release: &Release<'_>,
        effects: &mut Effects<T>,
    ) -> Result<(), Violation> {
        for (slot, count) in release.slots.iter() {
            effects
                .rare()
                .dropped
                .extend(self.exports.release(slot, count)?);
        }
        for call in release.calls.iter() {
            self.incoming.forget(call)?;
            effects.rare().dropped.extend(self.answers.remove(&call));
        }
        Ok(())
    }
}

impl<T: Exported> Session<T> {
    /// Writes a frame that refers to objects; exports them, unless it cannot be written.
    ///
    /// - `write`: gets the header with the table; leaves the output as it was if it fails.
    ///
    /// # Errors
    ///
    /// Why the objects cannot be lent; else the outcome of `write`.
    pub(super) fn write_lending<R, E>(
        &mut self,
        header: &HeaderBlock,
        lent: &[Lent<T>],
        effects: &mut Effects<T>,
        write: impl FnOnce(&mut Self, &HeaderBlock) -> Result<R, E>,
    ) -> Result<Result<R, E>, Error> {
        if lent.is_empty() {
            return Ok(write(self, header));
        }
        let table = self.lend(lent, effects)?;
        let written = write(self, &header.with_references(table.iter().copied()));
        match &written {
            Ok(_) => begin_streams(lent, &table, effects),
            Err(_) => self.take_back(&table, effects),
        }
        Ok(written)
    }

    /// Exports objects, all of them or none.
    fn lend(&mut self, lent: &[Lent<T>], effects: &mut Effects<T>) -> Result<Vec<Referred>, Error> {
        if lent.len() > MAX_REFERENCES {
            let text = format!("a message refers to at most {MAX_REFERENCES} objects");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let mut table = Vec::with_capacity(lent.len());
        for lent in lent {
            let referred = match lent {
                Lent::Home(slot) => Referred::Receivers(*slot),
                Lent::Answer(call) => Referred::Answer(*call),
                Lent::Stream(_) => match self.begin_outflow() {
                    Ok(stream) => Referred::Stream(stream),
                    Err(error) => {
                        self.take_back(&table, effects);
                        return Err(error);
                    }
                },
                Lent::Own { object, key } => match self.exports.lend(object.clone(), *key) {
                    Ok((slot, spare)) => {
                        effects.rare().dropped.extend(spare);
                        let interface = key.interface;
                        Referred::Senders { slot, interface }
                    }
                    Err(object) => {
                        effects.rare().dropped.push(object);
                        self.take_back(&table, effects);
                        self.config.counters.objects_per_session.add();
                        let text = "the session holds as many objects as it may; release some";
                        return Err(Error::new(ErrorKind::ResourceExhausted, text));
                    }
                },
            };
            table.push(referred);
        }
        Ok(table)
    }

    /// Undoes the lending of a table that was not sent.
    fn take_back(&mut self, table: &[Referred], effects: &mut Effects<T>) {
        for referred in table {
            match referred {
                Referred::Senders { slot, .. } => {
                    let last = self.exports.release(*slot, 1);
                    effects.rare().dropped.extend(last.unwrap_or_default());
                }
                Referred::Receivers(_) | Referred::Answer(_) => {}
                Referred::Stream(stream) => self.outflows.take_back(*stream),
            }
        }
    }
}

/// The answers that hold what is still to come.
pub(super) fn awaited<T>(references: &[Received<T>]) -> impl Iterator<Item = CallId> {
    references.iter().filter_map(|received| match received {
        Received::Awaited(call) => Some(*call),
        _ => None,
    })
}

/// Puts an object in all places where it is still to come.
pub(super) fn fill<T: Clone>(references: &mut [Received<T>], answer: CallId, object: &T) {
    for received in references {
        if matches!(received, Received::Awaited(call) if *call == answer) {
            *received = Received::Own(object.clone());
        }
    }
}

/// Has the streams of a message that is on its way begin.
fn begin_streams<T>(lent: &[Lent<T>], table: &[Referred], effects: &mut Effects<T>) {
    for (lent, referred) in lent.iter().zip(table) {
        if let (Lent::Stream(source), Referred::Stream(stream)) = (lent, referred) {
            effects.rare().begun.push((Arc::clone(source), *stream));
        }
    }
}

/// A payload on its own: copied, or shared if it is large.
///
/// - `whole`: what the payload is the end of, if that can be shared.
pub(crate) fn kept(payload: &[u8], whole: Option<&Bytes>) -> Payload {
    // What is kept of the whole must be most of it.
    let whole = whole.filter(|whole| payload.len() >= LARGE.max(whole.len() / 2));
    let begin = whole.and_then(|whole| whole.len().checked_sub(payload.len()));
    match (whole, begin) {
        (Some(whole), Some(begin)) => Payload::from(whole.slice(begin..)),
        _ => Payload::from(payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Content;

    #[test]
    fn a_payload_keeps_no_more_alive_than_twice_its_bytes() {
        let whole = Bytes::from(vec![7; 4 * LARGE]);
        for (length, shared) in [
            (LARGE - 1, false),
            (LARGE, false),
            (2 * LARGE - 1, false),
            (2 * LARGE, true),
            (4 * LARGE, true),
        ] {
            let payload = kept(&whole[whole.len() - length..], Some(&whole));
            assert_eq!(payload.len(), length);
            assert_eq!(Content::from(&payload).tail.is_some(), shared, "{length}");
        }
    }
}
