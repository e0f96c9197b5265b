//! Several interfaces of one object.

use remoting::ErrorKind;
use remoting::prelude::*;

use crate::pair::{Pair, statements};
use crate::tower::{BellProxy, Brass};

statements! { channels with references:
    an_object_is_one_whichever_interface_it_is_seen_through,
    an_activated_object_can_be_cast_and_lives_while_either_proxy_does,
    a_returned_object_can_be_cast,
    an_interface_that_is_not_offered_is_refused,
}

#[remote]
pub trait Till {
    #[constructor]
    async fn with(cents: u64) -> remoting::Result<Self>;
    async fn pay(&mut self, cents: u64) -> remoting::Result<u64>;
    async fn open(&self) -> remoting::Result<TillProxy>;
}

#[remote]
pub trait Audit {
    async fn total(&self) -> remoting::Result<u64>;
    async fn reset(&mut self) -> remoting::Result<u64>;
}

struct Drawer(u64);

impl Till for Drawer {
    async fn with(cents: u64) -> remoting::Result<Self> {
        Ok(Self(cents))
    }

    async fn pay(&mut self, cents: u64) -> remoting::Result<u64> {
        self.0 += cents;
        Ok(self.0)
    }

    async fn open(&self) -> remoting::Result<TillProxy> {
        let drawer = TillDispatcher::new(Self(self.0 + 1)).also::<AuditDispatcher<_>>();
        Ok(drawer.proxy())
    }
}

impl Audit for Drawer {
    async fn total(&self) -> remoting::Result<u64> {
        Ok(self.0)
    }

    async fn reset(&mut self) -> remoting::Result<u64> {
        Ok(std::mem::take(&mut self.0))
    }
}

async fn an_object_is_one_whichever_interface_it_is_seen_through(pair: &Pair) {
    let drawer = TillDispatcher::new(Drawer(0)).also::<AuditDispatcher<_>>();
    pair.server.marshal("till", drawer.clone()).unwrap();
    let publication = TillDispatcher::singleton(|| Drawer(0)).also::<AuditDispatcher<_>>();
    pair.server.publish("one", publication).unwrap();
    for name in ["till", "one"] {
        let till: TillProxy = pair.get(name);
        assert_eq!(till.pay(5).await.unwrap(), 5);
        let audit: AuditProxy = till.cast().await.unwrap();
        assert_eq!(audit.total().await.unwrap(), 5);
        // By its URL, too.
        let by_url: AuditProxy = pair.get(name);
        assert_eq!(by_url.reset().await.unwrap(), 5);
        assert_eq!(till.pay(1).await.unwrap(), 1);
        let back: TillProxy = audit.cast().await.unwrap();
        assert_eq!(back.pay(1).await.unwrap(), 2);
    }
    let near: AuditProxy = drawer.proxy().cast().await.unwrap();
    assert_eq!(near.total().await.unwrap(), 2);
    let back: TillProxy = near.cast().await.unwrap();
    assert_eq!(back.pay(1).await.unwrap(), 3);
}

async fn an_activated_object_can_be_cast_and_lives_while_either_proxy_does(pair: &Pair) {
    let publication = TillDispatcher::<Drawer>::activated().also::<AuditDispatcher<_>>();
    pair.server.publish("tills", publication).unwrap();
    let tills = pair.client.activate::<TillProxy>(&pair.url("tills"));
    let till = tills.with(3).await.unwrap();
    let audit: AuditProxy = till.cast().await.unwrap();
    let back: TillProxy = audit.cast().await.unwrap();
    assert_eq!(back.pay(0).await.unwrap(), 3);
    drop((till, back));
    assert_eq!(audit.total().await.unwrap(), 3);
    assert_eq!(pair.server.kept_objects(), 1);
    // What was let go may be told after a call that was made later.
    crate::pair::until(|| pair.server.leases()[0].holders.len() == 1).await;
    drop(audit);
    crate::pair::until(|| pair.server.kept_objects() == 0).await;
}

async fn a_returned_object_can_be_cast(pair: &Pair) {
    pair.server
        .marshal("till", TillDispatcher::new(Drawer(7)))
        .unwrap();
    let till: TillProxy = pair.get("till");
    let opened = till.open().await.unwrap();
    let audit: AuditProxy = opened.cast().await.unwrap();
    assert_eq!(opened.pay(1).await.unwrap(), 9);
    assert_eq!(audit.reset().await.unwrap(), 9);
    assert_eq!(opened.pay(1).await.unwrap(), 1);
}

async fn an_interface_that_is_not_offered_is_refused(pair: &Pair) {
    pair.server
        .marshal("till", TillDispatcher::new(Drawer(0)))
        .unwrap();
    let till: TillProxy = pair.get("till");
    let opened = till.open().await.unwrap();
    let near = BellProxy::local(Brass::default());
    let errors = [
        till.cast::<AuditProxy>().await.unwrap_err(),
        opened.cast::<BellProxy>().await.unwrap_err(),
        near.cast::<AuditProxy>().await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::WrongInterface, "{error:?}");
        assert_eq!(error.executed(), remoting::Executed::No);
    }
    assert_eq!(till.pay(1).await.unwrap(), 1);
}
