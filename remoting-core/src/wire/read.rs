//! Reading messages: from a frame to what it says.
//!
//! Nothing is copied and nothing allocated, but for the text of a HELLO and for
//! lock tokens, which few calls carry.

use super::frame::{Flags, RawFrame, kind};
use super::header::Header;
use super::hello::Hello;
use super::message::{
    Abort, Call, Cont, ContOf, Credit, End, ErrorReply, GoAway, Item, MAX_TEXT, Message, Ping,
    Post, Renew, Return, Target, WireFault,
};
use super::release::Release;
use super::resolve::{Resolve, ResolveRequest, ResolveWhat};
use super::varint::Reader;
use super::violation::Violation;
use crate::id::{CallId, MethodId, Slot, StreamId};
use crate::payload::LARGE;

impl<'a> Message<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    ///
    /// The rule that the frame breaks. A message that was read may still be wrong
    /// for the session: ids, slots and counts are only checked for their form.
    pub fn parse(frame: RawFrame<'a>) -> Result<Self, Violation> {
        if frame.kind >= kind::FIRST_IGNORABLE {
            return Ok(Self::Ignored(frame.kind));
        }
        check_flags(frame)?;
        let mut reader = Reader::new(frame.body);
        let message = read(frame.kind, frame.flags, &mut reader)?;
        reader.finish()?;
        Ok(message)
    }
}

impl<'a> Call<'a> {
    /// Reads a frame of the kind CALL.
    ///
    /// # Errors
    ///
    /// Those of [`Message::parse`].
    #[inline]
    pub fn parse(frame: RawFrame<'a>) -> Result<Self, Violation> {
        check_flags(frame)?;
        call(frame.flags, &mut Reader::new(frame.body))
    }
}

impl<'a> Return<'a> {
    /// Reads a frame of the kind RETURN.
    ///
    /// # Errors
    ///
    /// Those of [`Message::parse`].
    #[inline]
    pub fn parse(frame: RawFrame<'a>) -> Result<Self, Violation> {
        check_flags(frame)?;
        result(frame.flags, &mut Reader::new(frame.body))
    }
}

impl<'a> Item<'a> {
    /// Reads a frame of the kind ITEM.
    ///
    /// # Errors
    ///
    /// Those of [`Message::parse`].
    #[inline]
    pub fn parse(frame: RawFrame<'a>) -> Result<Self, Violation> {
        check_flags(frame)?;
        item(frame.flags, &mut Reader::new(frame.body))
    }
}

/// Cuts an ITEM off that is short and nothing but its payload, as almost all of them are. Gives its stream, its payload
/// and what is behind it; nothing if other bytes come first.
#[inline]
pub fn plain_item(bytes: &[u8]) -> Option<(StreamId, &[u8], &[u8])> {
    let (&[low, middle, 0, kind::ITEM], rest) = bytes.split_first_chunk()? else {
        return None;
    };
    let length = usize::from(low) | usize::from(middle) << 8;
    if length >= LARGE {
        return None;
    }
    let (body, behind) = rest.split_at_checked(length)?;
    let mut reader = Reader::new(body);
    let stream = reader.stream().ok()?;
    Some((stream, reader.rest(), behind))
}

#[inline]
fn check_flags(frame: RawFrame<'_>) -> Result<(), Violation> {
    if allowed_flags(frame.kind)?.contains(frame.flags) {
        Ok(())
    } else {
        Err(Violation::FlagNotAllowed)
    }
}

/// The flags that a kind of frame may have.
#[inline]
fn allowed_flags(kind: u8) -> Result<Flags, Violation> {
    let payload = Flags::HDR.and(Flags::MORE);
    match kind {
        kind::CALL => Ok(payload.and(Flags::EXTRA)),
        kind::RETURN | kind::ITEM | kind::RESOLVE => Ok(payload),
        kind::HELLO | kind::ERROR | kind::POST => Ok(Flags::HDR),
        kind::END => Ok(Flags::HDR.and(Flags::EXTRA)),
        kind::CREDIT => Ok(Flags::EXTRA),
        kind::CONT => Ok(Flags::MORE),
        kind::CANCEL | kind::RELEASE | kind::RENEW | kind::PING | kind::PONG => Ok(Flags::NONE),
        kind::GO_AWAY | kind::ACK | kind::ABORT => Ok(Flags::NONE),
        _ => Err(Violation::UnknownCriticalKind),
    }
}

fn read<'a>(kind: u8, flags: Flags, reader: &mut Reader<'a>) -> Result<Message<'a>, Violation> {
    Ok(match kind {
        kind::CALL => Message::Call(call(flags, reader)?),
        kind::RETURN => Message::Return(result(flags, reader)?),
        kind::POST => Message::Post(post(flags, reader)?),
        kind::ERROR => Message::Error(error(flags, reader)?),
        kind::CANCEL => Message::Cancel(reader.call()?),
        kind::RELEASE => Message::Release(Release::parse(reader)?),
        kind::RESOLVE => Message::Resolve(resolve(flags, reader)?),
        kind::HELLO => Message::Hello(Hello::parse(block(flags, reader)?)?),
        kind::RENEW => Message::Renew(Renew {
            call: reader.call()?,
            slot: reader.slot()?,
            wanted_ms: reader.varint64()?,
        }),
        kind::PING => Message::Ping(ping(reader)?),
        kind::PONG => Message::Pong(ping(reader)?),
        kind::ITEM => Message::Item(item(flags, reader)?),
        kind::CREDIT => Message::Credit(Credit {
            stream: reader.stream()?,
            yours: flags.contains(Flags::EXTRA),
            items: reader.varint32()?,
            bytes: reader.varint64()?,
        }),
        kind::END => Message::End(end(flags, reader)?),
        kind::CONT => Message::Cont(cont(flags, reader)?),
        kind::GO_AWAY => Message::GoAway(GoAway {
            accepted: reader.varint64()?,
            drain_ms: reader.varint64()?,
            reason: reader.text(MAX_TEXT)?,
        }),
        kind::ACK => Message::Ack(reader.varint64()?),
        kind::ABORT => Message::Abort(Abort {
            code: reader.byte()?,
            text: reader.text(MAX_TEXT)?,
        }),
        _ => return Err(Violation::UnknownCriticalKind),
    })
}

/// The entries of the header block, if the flag says that there is one.
fn block<'a>(flags: Flags, reader: &mut Reader<'a>) -> Result<&'a [u8], Violation> {
    if flags.contains(Flags::HDR) {
        reader.prefixed()
    } else {
        Ok(&[])
    }
}

#[inline]
fn header<'a>(flags: Flags, reader: &mut Reader<'a>) -> Result<Header<'a>, Violation> {
    Header::parse(block(flags, reader)?)
}

#[inline]
fn result<'a>(flags: Flags, reader: &mut Reader<'a>) -> Result<Return<'a>, Violation> {
    Ok(Return {
        call: reader.call()?,
        more: flags.contains(Flags::MORE),
        header: header(flags, reader)?,
        payload: reader.rest(),
    })
}

#[inline]
fn call<'a>(flags: Flags, reader: &mut Reader<'a>) -> Result<Call<'a>, Violation> {
    Ok(Call {
        call: reader.call()?,
        target: target(reader)?,
        method: MethodId(reader.u32_le()?),
        keep: flags.contains(Flags::EXTRA),
        more: flags.contains(Flags::MORE),
        header: header(flags, reader)?,
        payload: reader.rest(),
    })
}

#[inline]
fn item<'a>(flags: Flags, reader: &mut Reader<'a>) -> Result<Item<'a>, Violation> {
    Ok(Item {
        stream: reader.stream()?,
        more: flags.contains(Flags::MORE),
        header: header(flags, reader)?,
        payload: reader.rest(),
    })
}

fn post<'a>(flags: Flags, reader: &mut Reader<'a>) -> Result<Post<'a>, Violation> {
    Ok(Post {
        target: target(reader)?,
        method: MethodId(reader.u32_le()?),
        header: header(flags, reader)?,
        payload: reader.rest(),
    })
}

/// Reads an id with a kind in its two low bits.
fn tagged(reader: &mut Reader<'_>) -> Result<(u32, u32), Violation> {
    let number = reader.varint32()?;
    Ok((number / 4, number % 4))
}

#[inline]
fn target(reader: &mut Reader<'_>) -> Result<Target, Violation> {
    match tagged(reader)? {
        (slot, 0) => Ok(Target::Slot(Slot(slot))),
        (call, 1) => match reader.varint32()? {
            0 => Ok(Target::Answer(CallId(call))),
            _ => Err(Violation::AnswerPathNotEmpty),
        },
        _ => Err(Violation::UnknownTarget),
    }
}

fn error<'a>(flags: Flags, reader: &mut Reader<'a>) -> Result<ErrorReply<'a>, Violation> {
    let call = reader.call()?;
    let header = header(flags, reader)?;
    match reader.byte()? {
        0 => Err(Violation::ErrorWithoutCode),
        code => Ok(ErrorReply {
            call,
            header,
            fault: fault(code, reader)?,
        }),
    }
}

/// Reads what follows the code of an error.
fn fault<'a>(code: u8, reader: &mut Reader<'a>) -> Result<WireFault<'a>, Violation> {
    let executed = reader.byte()?;
    if executed > 2 {
        return Err(Violation::UnknownExecuted);
    }
    Ok(WireFault {
        code,
        executed,
        retry_after_ms: reader.varint64()?,
        text: reader.text(MAX_TEXT)?,
        payload: reader.rest(),
    })
}

fn ping(reader: &mut Reader<'_>) -> Result<Ping, Violation> {
    Ok(Ping {
        rx_count: reader.varint64()?,
        opaque: reader.u64_le()?,
    })
}

fn end<'a>(flags: Flags, reader: &mut Reader<'a>) -> Result<End<'a>, Violation> {
    Ok(End {
        stream: reader.stream()?,
        yours: flags.contains(Flags::EXTRA),
        header: header(flags, reader)?,
        fault: match reader.byte()? {
            0 => None,
            code => Some(fault(code, reader)?),
        },
    })
}

fn cont<'a>(flags: Flags, reader: &mut Reader<'a>) -> Result<Cont<'a>, Violation> {
    let of = match tagged(reader)? {
        (call, 0) => ContOf::Call(CallId(call)),
        (call, 1) => ContOf::Return(CallId(call)),
        (stream, 2) => ContOf::Item(StreamId(stream)),
        _ => return Err(Violation::UnknownContinuation),
    };
    Ok(Cont {
        of,
        more: flags.contains(Flags::MORE),
        payload: reader.rest(),
    })
}

fn resolve<'a>(flags: Flags, reader: &mut Reader<'a>) -> Result<Resolve<'a>, Violation> {
    let call = reader.call()?;
    let request = ResolveRequest::parse(reader)?;
    let more = flags.contains(Flags::MORE);
    let header = header(flags, reader)?;
    // Only a constructor has arguments; elsewhere bytes are left over.
    let payload = match request.what {
        ResolveWhat::Activate(_) => reader.rest(),
        ResolveWhat::Name | ResolveWhat::Ticket | ResolveWhat::Cast if more => {
            return Err(Violation::FlagNotAllowed);
        }
        ResolveWhat::Name | ResolveWhat::Ticket | ResolveWhat::Cast => &[],
    };
    Ok(Resolve {
        call,
        request,
        more,
        header,
        payload,
    })
}
