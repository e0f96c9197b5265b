//! Peers that break the rules of streams.

use super::support::{River, narrow};
use crate::id::{CallId, MethodId, Slot, StreamId};
use crate::limits::Limits;
use crate::session::End;
use crate::wire::{
    Credit, HeaderBlock, Referred, Target, Violation, write_call, write_credit, write_end,
    write_item,
};

/// The rule that a server breaks the session for when these bytes come.
fn broken(river: &mut River, write: impl FnOnce(&mut Vec<u8>)) -> Option<Violation> {
    let mut bytes = Vec::new();
    write(&mut bytes);
    match river.pair.server.read(&bytes, river.pair.now) {
        Ok(()) => None,
        Err(End::Violation(violation)) => Some(violation),
        Err(other) => panic!("{other:?}"),
    }
}

fn item(stream: u32) -> impl FnOnce(&mut Vec<u8>) {
    move |out| write_item(out, StreamId(stream), &HeaderBlock::new(), b"i").unwrap()
}

fn end(stream: u32, yours: bool) -> impl FnOnce(&mut Vec<u8>) {
    move |out| write_end(out, StreamId(stream), yours, &HeaderBlock::new(), None).unwrap()
}

#[test]
fn a_peer_that_breaks_a_rule_of_streams_is_cut_off() {
    let unknown = Some(Violation::UnknownStream);
    assert_eq!(broken(&mut River::new(), item(5)), unknown);
    assert_eq!(broken(&mut River::new(), end(5, false)), unknown);
    assert_eq!(
        broken(&mut River::new(), end(0, true)),
        unknown,
        "none of ours"
    );
    let mut river = River::new();
    assert_eq!(broken(&mut river, end(0, false)), None);
    assert_eq!(broken(&mut river, end(0, false)), unknown, "ended twice");
    assert_eq!(
        broken(&mut River::new(), |out| {
            write_credit(
                out,
                Credit {
                    stream: StreamId(0),
                    yours: false,
                    items: 1,
                    bytes: 1,
                },
            );
        }),
        unknown
    );
    let mut river = River::with(narrow());
    assert_eq!(broken(&mut river, item(0)), None);
    assert_eq!(broken(&mut river, item(0)), None);
    assert_eq!(broken(&mut river, item(0)), Some(Violation::MoreThanCredit));
    let mut river = River::new();
    river.leave();
    assert_eq!(broken(&mut river, item(0)), None, "it was on its way");
    let more = broken(&mut River::new(), |out| {
        item(0)(out);
        out[3] |= 0x40;
    });
    assert_eq!(more, Some(Violation::ItemInParts));
}

#[test]
fn the_number_of_a_stream_is_free_and_below_the_limit() {
    let call = |stream: u32| {
        move |out: &mut Vec<u8>| {
            let header = HeaderBlock::new();
            let header = header.with_references([Referred::Stream(StreamId(stream))]);
            let method = MethodId(7);
            let slot = Target::Slot(Slot(0));
            write_call(out, CallId(9), slot, method, &header, b"x").unwrap();
        }
    };
    let mut river = River::new();
    assert_eq!(broken(&mut river, call(0)), Some(Violation::StreamIdInUse));
    let most = Limits::default().streams_per_session as u32;
    let mut river = River::new();
    assert_eq!(broken(&mut river, call(most - 1)), None);
    let mut river = River::new();
    let out_of_range = Some(Violation::StreamIdOutOfRange);
    assert_eq!(broken(&mut river, call(most)), out_of_range);
    assert_eq!(river.pair.server.counters.streams_per_session.get(), 1);
}

#[test]
fn credit_that_cannot_be_counted_is_refused_and_credit_for_nothing_ignored() {
    let credit = |stream, items| {
        let credit = Credit {
            stream: StreamId(stream),
            yours: true,
            items,
            bytes: 1,
        };
        let mut bytes = Vec::new();
        write_credit(&mut bytes, credit);
        bytes
    };
    let mut river = River::new();
    let now = river.pair.now;
    assert!(river.pair.client.read(&credit(77, 5), now).is_ok());
    let end = river.pair.client.read(&credit(0, u32::MAX), now);
    assert_eq!(end, Err(End::Violation(Violation::TooMuchCredit)));
}
