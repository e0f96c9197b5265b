//! Peers that use streams against their server.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use remoting_core::wire::kind;

use crate::raw::*;
use crate::support::*;

const CREDIT: u64 = 1024;

/// Waits until all streams of zeros have stopped for want of credit.
async fn stopped_at(server: &Server, made: u64) {
    until(|| server.gate.zeros.load(Ordering::SeqCst) >= made).await;
}

#[test]
fn who_reads_nothing_of_its_streams_costs_their_credit_and_no_more() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = server.attacker().await;
        let streams = 4;
        for number in 1..=streams {
            raw.send(&call(number, 0, "zeros", &[])).await;
        }
        let streams = u64::from(streams);
        stopped_at(&server, streams * CREDIT).await;
        server.goes_on().await;
        let made = server.gate.zeros.load(Ordering::SeqCst);
        // One of each stream is in the hands of its producer.
        assert!(made <= streams * (CREDIT + 1), "{made}");
        assert_eq!(server.gate.streams.load(Ordering::SeqCst), streams);
        drop(raw);
        until(|| server.gate.streams.load(Ordering::SeqCst) == 0).await;
        server.goes_on().await;
    });
}

/// Takes a stream and gives it credit for two thousand million items, of which none is read:
/// how many were made when no more come.
async fn made_for_one_who_reads_nothing(server: &mut Server, raw: &mut Raw, method: &str) -> u64 {
    raw.send(&call(1, 0, method, &[])).await;
    let plenty = [&[0][..], &number(1 << 31), &number(1 << 40)].concat();
    raw.send(&frame(kind::CREDIT | 0x20, &plenty)).await;
    let gate = Arc::clone(&server.gate);
    let made = || gate.zeros.load(Ordering::SeqCst);
    let (mut before, mut still) = (0, 0);
    while still < 500 {
        server.goes_on().await;
        still = if made() == before { still + 1 } else { 0 };
        before = made();
    }
    before
}

#[test]
fn credit_without_end_makes_no_more_items_than_the_socket_takes() {
    within_patience(async {
        let mut server = Server::with(|limits| limits.unsent = 64 * 1024).await;
        let mut raw = server.attacker().await;
        let before = made_for_one_who_reads_nothing(&mut server, &mut raw, "zeros").await;
        // Each takes six bytes, of which the system keeps some millions.
        assert!((CREDIT..5_000_000).contains(&before), "{before}");
        drop(raw);
        until(|| server.gate.streams.load(Ordering::SeqCst) == 0).await;
        server.goes_on().await;
    });
}

#[test]
fn a_window_without_end_puts_no_more_into_the_output_than_this_side_allows() {
    within_patience(async {
        let mut server = Server::with(|limits| limits.unsent = 64 * 1024).await;
        let mut raw = server.attacker().await;
        let before = made_for_one_who_reads_nothing(&mut server, &mut raw, "pieces").await;
        // Six at a time, and what the system keeps: far from the 256 that would fit into one batch.
        assert!((1..150).contains(&before), "{before}");
        drop(raw);
        until(|| server.gate.streams.load(Ordering::SeqCst) == 0).await;
        server.goes_on().await;
    });
}

#[test]
fn streams_that_are_begun_and_left_leave_nothing() {
    within_patience(async {
        let mut server = Server::new().await;
        let mut raw = server.attacker().await;
        for round in 0..300_u32 {
            raw.send(&call(1, 0, "zeros", &[])).await;
            assert!(raw.answer().await.is_some(), "round {round}");
            // END of the consumer: cancelled. The producer's comes back, behind items perhaps.
            raw.send(&frame(kind::END | 0x20, &[0, 1, 1, 0, 0])).await;
            while raw.frame().await != Some(Seen::Other(kind::END)) {}
        }
        until(|| server.gate.streams.load(Ordering::SeqCst) == 0).await;
        server.goes_on().await;
    });
}
