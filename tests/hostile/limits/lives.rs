//! How long objects may be kept, and who may ask for it.

use std::time::Duration;

use remoting::prelude::*;
use remoting::{Host, LeaseInfo, LeasePolicy, Sponsor, SponsorProxy};

use crate::objects::*;
use crate::support::*;

/// Never answers.
struct Silent;

impl Sponsor for Silent {
    async fn renewal(&self, _: LeaseInfo) -> remoting::Result<Duration> {
        std::future::pending().await
    }
}

/// Marshals a probe with a short lease; gives the client's proxy of it.
fn short_lived(server: &Server) -> ProbeProxy {
    let policy = LeasePolicy::new().initial(Duration::from_millis(300));
    let probe = ProbeDispatcher::new(Target::new(&server.gate)).lease(policy);
    server.host.marshal("short", probe).unwrap();
    server.client().get(&server.url("short")).unwrap()
}

/// A client that wants an object to live for ever.
pub async fn lease_renewal() -> Host {
    let server = Server::with(|limits| limits.lease_renewal = Duration::from_secs(60)).await;
    let lease = short_lived(&server).lease();
    let granted = lease.renew(Duration::MAX).await.unwrap().unwrap();
    assert!(granted <= Duration::from_secs(60), "{granted:?}");
    server.host
}

pub async fn sponsors_per_object() -> Host {
    let server = Server::with(|limits| limits.sponsors_per_object = 2).await;
    let lease = short_lived(&server).lease();
    let sponsors = [(); 3].map(|()| SponsorProxy::local(Silent));
    let [first, second, third] = sponsors;
    assert!(lease.register(first.clone(), None).await.unwrap());
    assert!(lease.register(second, None).await.unwrap());
    assert!(!lease.register(third, None).await.unwrap());
    assert!(
        lease.register(first, None).await.unwrap(),
        "it is one already"
    );
    server.host
}

/// Silent sponsors hold up each other, and nobody else.
pub async fn sponsor_calls() -> Host {
    let mut server = Server::with(|limits| limits.sponsor_calls = 1).await;
    let lease = short_lived(&server).lease();
    for _ in 0..2 {
        let silent = SponsorProxy::local(Silent);
        assert!(lease.register(silent, None).await.unwrap());
    }
    until(|| counter(&server.host, "sponsor_calls") > 0).await;
    server.goes_on().await;
    server.host
}
