//! Each limit, made small and reached from outside: it holds, and its counter tells.
//!
//! A case gives the host whose counter is to be looked at. The table below has one for
//! each field of `Limits`; a field without one fails.

mod channels;
mod counts;
mod lives;
mod requests;
mod sizes;
mod times;

use remoting::Host;

use crate::support::*;

macro_rules! limits {
    ($($module:ident { $($limit:ident)+ })+) => {
        /// The limits that have a case.
        const CASES: &[&str] = &[$($(stringify!($limit),)+)+];

        $(mod $module {
            use super::*;

            $(#[test]
            fn $limit() {
                reach(stringify!($limit), cases::$module::$limit());
            })+
        })+
    };
}

mod cases {
    pub(super) use super::counts as how_many;
    pub(super) use super::lives as whose_life;
    pub(super) use super::requests as without_session;
    pub(super) use super::sizes as how_much;
    pub(super) use super::times as how_long;
    pub(super) use crate::resume as whose_session;
}

limits! {
    how_much { max_frame max_message assembly depth elements unsent }
    how_many {
        calls_per_session calls_per_host call_depth queued_per_object connections connections_per_address
        handshakes cancels_per_second pings_per_second bad_requests_per_second
        streams_per_session stream_items stream_bytes
        objects_per_session objects_per_host objects_per_principal activations_per_second tombstones blocking_threads
    }
    whose_life { lease_renewal sponsors_per_object sponsor_calls }
    without_session { tickets kept_answers lingering_streams }
    whose_session { resume_window detached_sessions }
    how_long {
        handshake_time idle_time ping_after pong_within write_stall default_deadline max_deadline
    }
}

/// Runs a case, and waits until the limit has been counted.
fn reach(limit: &str, case: impl Future<Output = Host>) {
    within_patience(async {
        let host = case.await;
        until(|| counter(&host, limit) > 0).await;
    });
}

#[test]
fn each_limit_has_a_case() {
    let host = client(remoting::Limits::default());
    let counters = host.counters().all();
    let mut known: Vec<_> = counters.iter().map(|(name, _)| *name).collect();
    let mut cases = CASES.to_vec();
    known.sort_unstable();
    cases.sort_unstable();
    assert_eq!(cases, known);
}
