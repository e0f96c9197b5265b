//! A conversation that is right, and then is cut short, or has one byte changed.

use remoting_core::wire::{CallId, HeaderBlock, Slot, Target, write_ping, write_release};

use crate::raw::*;
use crate::strangers::check_end;
use crate::support::*;

/// Greets, finds an object, calls it in each way, and gives it back.
fn conversation() -> Vec<u8> {
    let mut bytes = greeting();
    bytes.extend(resolve(0, "probe"));
    bytes.extend(call_on(
        1,
        Target::Answer(CallId(0)),
        "add",
        &packed(&(1, 2)),
    ));
    let mut header = HeaderBlock::new();
    header.set_deadline_ms(9000);
    header.add_pair("tenant", "blue").unwrap();
    let slot = Target::Slot(Slot(0));
    bytes.extend(call_with(2, slot, "add", &header, &packed(&(3, 4))));
    bytes.extend(activate(3, "make"));
    write_ping(
        &mut bytes,
        remoting_core::wire::Ping {
            rx_count: 0,
            opaque: 7,
        },
    );
    write_release(&mut bytes, &[], &[CallId(0)]).unwrap();
    bytes.extend(call(4, 0, "sum", &packed(&(vec![1, 2, 3],))));
    bytes
}

/// Checks that the whole conversation was answered.
async fn check_answers(raw: &mut Raw) {
    let answers = raw.answers(6).await;
    for (call, value) in [(1, 3), (2, 7), (4, 6)] {
        let payload = packed(&value);
        assert!(
            answers.contains(&Seen::Return { call, payload }),
            "{answers:?}"
        );
    }
    assert!(answers.contains(&Seen::Pong(7)), "{answers:?}");
}

#[test]
fn a_conversation_may_come_byte_by_byte() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = Raw::connect(&server.address).await;
        for byte in conversation() {
            raw.send(&[byte]).await;
        }
        check_answers(&mut raw).await;
        server.goes_on().await;
    });
}

#[test]
fn a_conversation_may_come_in_any_two_pieces() {
    within_patience(async {
        let server = Server::new().await;
        let whole = conversation();
        for at in 0..whole.len() {
            let mut raw = Raw::connect(&server.address).await;
            raw.send(&whole[..at]).await;
            tokio::task::yield_now().await;
            raw.send(&whole[at..]).await;
            check_answers(&mut raw).await;
        }
    });
}

#[test]
fn a_conversation_that_is_cut_anywhere_just_ends() {
    within_patience(async {
        let mut server = Server::new().await;
        let whole = conversation();
        for at in 0..whole.len() {
            let mut raw = Raw::connect(&server.address).await;
            raw.send(&whole[..at]).await;
            raw.finish().await;
            assert_eq!(raw.abort().await, None, "cut at {at}");
        }
        server.goes_on().await;
        until(|| server.host.open_connections() == 1).await;
        until(|| server.host.kept_objects() == 1).await;
    });
}

#[test]
fn a_conversation_with_one_byte_changed_ends_in_a_named_rule_or_in_answers() {
    within_patience(async {
        let mut server = Server::new().await;
        let whole = conversation();
        for at in 0..whole.len() {
            let byte = whole[at];
            for changed in [0, 0xff, byte ^ 1, byte ^ 0x80, byte.wrapping_add(1)] {
                if changed == byte {
                    continue;
                }
                let mut bytes = whole.clone();
                bytes[at] = changed;
                let mut raw = Raw::connect(&server.address).await;
                raw.send(&bytes).await;
                raw.finish().await;
                check_end(raw.abort().await, &bytes);
            }
        }
        server.goes_on().await;
        until(|| server.host.open_connections() == 1).await;
        until(|| server.host.kept_objects() == 1).await;
    });
}
