//! Rounds of asking that are cut off, and rounds that overlap.

use std::future::pending;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Sponsors;
use crate::error::{GoneReason, Result};
use crate::host::Host;
use crate::lifetime::{LeaseInfo, LeasePolicy};
use crate::object::{Sponsor, SponsorProxy, Tracked};
use crate::proxy::Proxy;
use crate::remote;

const SECOND: Duration = Duration::from_secs(1);

#[remote]
trait Bell {
    async fn ring(&self) -> Result<u64>;
}

struct Brass;

impl Bell for Brass {
    async fn ring(&self) -> Result<u64> {
        Ok(0)
    }
}

/// Tells that it is asked, and never answers.
struct Silent(mpsc::UnboundedSender<()>);

impl Sponsor for Silent {
    async fn renewal(&self, _lease: LeaseInfo) -> Result<Duration> {
        self.0.send(()).unwrap();
        pending().await
    }
}

/// Runs a part of a test on a runtime that ends with it, within an hour of its time.
fn in_virtual_time<T>(part: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    let part = async { tokio::time::timeout(3600 * SECOND, part).await };
    runtime.block_on(part).expect("the part ends in time")
}

#[test]
fn an_object_whose_sponsors_were_being_asked_is_not_kept_when_the_runtime_has_ended() {
    let host = Host::builder().start_client().unwrap();
    let (asked, mut asks) = mpsc::unbounded_channel();
    let mut events = host.tracking();
    in_virtual_time(async {
        let policy = LeasePolicy::new().initial(10 * SECOND);
        let bell = BellDispatcher::new(Brass).lease(policy.sponsorship_timeout(5 * SECOND));
        host.marshal("bell", bell.clone()).unwrap();
        let sponsor = SponsorProxy::local(Silent(asked));
        let lease = bell.proxy().lease();
        assert!(lease.register(sponsor, None).await.unwrap());
        asks.recv().await.unwrap();
    });
    in_virtual_time(async {
        // What has to be looked at begins the watching of leases anew.
        host.marshal("other", BellDispatcher::new(Brass)).unwrap();
        asks.recv().await.unwrap();
        while let Some(event) = events.next().await {
            if event.what == Tracked::Released(GoneReason::LeaseExpired) {
                assert_eq!(event.name.as_deref(), Some("bell"));
                break;
            }
        }
    });
    assert_eq!(host.published(), ["other"]);
}

#[tokio::test]
async fn a_round_that_is_noted_late_does_not_end_the_one_after_it() {
    let (one, other) = (tokio::spawn(pending::<()>()), tokio::spawn(pending::<()>()));
    let mut sponsors = Sponsors::default();
    let (first, second) = (sponsors.begin(), sponsors.begin());
    assert!(sponsors.note(second.number, other.abort_handle()).is_none());
    let late = sponsors.note(first.number, one.abort_handle()).unwrap();
    assert_eq!(late.id(), one.id());
    let third = sponsors.begin();
    assert_eq!(third.before.unwrap().id(), other.id());
}
