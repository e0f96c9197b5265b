//! Three hosts in a ring that make things for each other and pass them on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Chance;
use super::cutting::{Cutting, Fuse};
use super::model::{GRACE, LEASE, Line, Model, Must, Of, RENEWAL, Time};
use super::things::{Here, Patron, PlaceDispatcher, PlaceProxy, Register, ThingProxy};
use crate::channel::InProcessChannel;
use crate::host::Host;
use crate::id::random_bytes;
use crate::lifetime::LeasePolicy;
use crate::object::SponsorProxy;
use crate::proxy::Proxy;

const HOSTS: usize = 3;
/// How many proxies there are at most: the model looks at all of them.
const MANY: usize = 24;

struct Node {
    host: Host,
    fuse: Fuse,
    shelf: Arc<Mutex<Vec<ThingProxy>>>,
    /// How often its dialled connections were lost.
    epoch: u32,
}

/// A proxy in hand.
struct Hand {
    hold: usize,
    proxy: ThingProxy,
}

pub(super) struct World {
    name: u64,
    chance: Chance,
    nodes: Vec<Node>,
    hands: Vec<Hand>,
    register: Arc<Register>,
    model: Model,
    began: tokio::time::Instant,
    asked_too_often: Arc<AtomicUsize>,
}

impl World {
    pub(super) async fn new(chance: Chance) -> Self {
        let mut world = Self {
            name: u64::from_le_bytes(random_bytes()),
            chance,
            nodes: Vec::new(),
            hands: Vec::new(),
            register: Arc::default(),
            model: Model::default(),
            began: tokio::time::Instant::now(),
            asked_too_often: Arc::default(),
        };
        for home in 0..HOSTS {
            let node = world.node(home).await;
            world.nodes.push(node);
        }
        world
    }

    async fn node(&self, home: usize) -> Node {
        let fuse = Fuse::new();
        let name = format!("lives-{:016x}-{home}", self.name);
        let channel = Cutting::new(InProcessChannel::listen(name), fuse.clone());
        let millis = Duration::from_millis;
        let policy = LeasePolicy::new()
            .initial(millis(LEASE))
            .renew_on_call(millis(RENEWAL))
            .orphan_grace(millis(GRACE))
            .sponsorship_timeout(millis(4_000));
        let host = Host::builder().lease(policy).channel(channel);
        let host = host.start().await.unwrap();
        let shelf = Arc::default();
        let here = Here {
            home,
            register: Arc::clone(&self.register),
            shelf: Arc::clone(&shelf),
        };
        let here = PlaceDispatcher::singleton(move || here.clone());
        host.publish("place", here).unwrap();
        Node {
            host,
            fuse,
            shelf,
            epoch: 0,
        }
    }

    fn now(&self) -> Time {
        self.began.elapsed().as_millis() as Time
    }

    fn place(&self, at: usize, of: usize) -> PlaceProxy {
        let url = format!("inproc://lives-{:016x}-{of}/place", self.name);
        self.nodes[at].host.get(&url).unwrap()
    }

    fn line(&self, from: usize, to: usize) -> Line {
        (from, to, self.nodes[from].epoch)
    }

    /// Two different hosts.
    fn two(&mut self) -> (usize, usize) {
        let from = self.chance.below(HOSTS);
        (from, (from + 1 + self.chance.below(HOSTS - 1)) % HOSTS)
    }

    fn pick(&mut self) -> Option<usize> {
        (!self.hands.is_empty()).then(|| self.chance.below(self.hands.len()))
    }

    pub(super) async fn step(&mut self) {
        // One step in twenty has its connection cut somewhere.
        let cut = self.chance.below(20) == 0;
        let fuse = self.chance.below(200) as u64;
        let burning = self.chance.below(HOSTS);
        self.model.shaky = cut;
        if cut {
            self.nodes[burning].fuse.light(fuse);
        }
        // No time passes meanwhile, so that it is known when it was cut.
        match self.chance.below(if cut { 95 } else { 100 }) {
            0..25 => self.make().await,
            25..40 => self.send().await,
            40..50 => self.fetch().await,
            50..60 => self.copy(),
            60..75 => self.drop_one(),
            75..90 => self.call().await,
            90..95 => self.sponsor().await,
            95..99 => self.wait().await,
            _ => self.restart().await,
        }
        if cut {
            self.cut(burning);
            self.model.shaky = false;
        }
        while self.hands.len() > MANY {
            self.drop_one();
        }
        self.settle().await;
        self.check();
    }

    async fn settle(&self) {
        for _ in 0..12 {
            tokio::task::yield_now().await;
        }
    }

    async fn make(&mut self) {
        let (at, of) = self.two();
        let line = self.line(at, of);
        let before = self.register.lock().len();
        let made = self.place(at, of).make().await;
        let born = self.register.lock().len();
        let now = self.now();
        for _ in before..born {
            let thing = self.model.born(of, now);
            match &made {
                Ok(proxy) => {
                    let hold = self.model.received(at, Of::Thing(thing), line);
                    let proxy = proxy.clone();
                    self.hands.push(Hand { hold, proxy });
                }
                Err(_) => self.model.orphaned(thing, now),
            }
        }
    }

    /// Gives a proxy to another host, which then has one of its own.
    async fn send(&mut self) {
        let Some(chosen) = self.pick() else { return };
        let hold = self.hands[chosen].hold;
        let at = self.model.holds[hold].at;
        let to = (at + 1 + self.chance.below(HOSTS - 1)) % HOSTS;
        let thing = self.model.thing_of(hold);
        if self.model.things[thing].home == to || !self.model.is_whole(hold) {
            return;
        }
        let line = self.line(at, to);
        let sent = self.hands[chosen].proxy.clone();
        let _told = self.place(at, to).put(sent).await;
        let put = std::mem::take(&mut *self.nodes[to].shelf.lock().unwrap());
        for proxy in put {
            let hold = self.model.received(to, Of::Hold(hold), line);
            self.hands.push(Hand { hold, proxy });
        }
    }

    /// Sends a thing home, and fetches it back; the proxy that was in hand is dropped meanwhile,
    /// so that the release of one reference meets another one.
    async fn fetch(&mut self) {
        let Some(chosen) = self.pick() else { return };
        let hold = self.hands[chosen].hold;
        let Of::Thing(thing) = self.model.holds[hold].of else {
            return;
        };
        let (at, home) = (self.model.holds[hold].at, self.model.things[thing].home);
        let line = self.line(at, home);
        if !self.model.is_whole(hold) || !self.model.is_of(hold, line) {
            return;
        }
        let released = self.register.lock()[thing].released.len();
        let yields = self.chance.below(8);
        let Hand { proxy, .. } = self.hands.swap_remove(chosen);
        let place = self.place(at, home);
        let _told = place.put(proxy.clone()).await;
        let dropped = async {
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            drop(proxy);
        };
        if let (Ok(Some(proxy)), ()) = tokio::join!(place.take(), dropped) {
            let hold = self.model.received(at, Of::Thing(thing), line);
            self.hands.push(Hand { hold, proxy });
        }
        let now = self.now();
        self.model.dropped(hold, now);
        self.nodes[home].shelf.lock().unwrap().clear();
        // On a machine that stands still at times the call may have been read, and the reference been dropped, before
        // the method ran: then the thing was lent anew.
        if self.register.lock()[thing].released.len() > released {
            self.model.reborn(thing, now);
        }
    }

    fn copy(&mut self) {
        if let Some(chosen) = self.pick() {
            let Hand { hold, proxy } = &self.hands[chosen];
            let (hold, proxy) = (*hold, proxy.clone());
            self.model.holds[hold].hands += 1;
            self.hands.push(Hand { hold, proxy });
        }
    }

    fn drop_one(&mut self) {
        if let Some(chosen) = self.pick() {
            let Hand { hold, proxy } = self.hands.swap_remove(chosen);
            drop(proxy);
            let now = self.now();
            self.model.dropped(hold, now);
        }
    }

    async fn call(&mut self) {
        let Some(chosen) = self.pick() else { return };
        let hold = self.hands[chosen].hold;
        let whole = self.model.is_whole(hold);
        let burning = self.nodes.iter().any(|node| node.fuse.is_lit());
        let answer = self.hands[chosen].proxy.number().await;
        let answered = answer.is_ok();
        match answer {
            Ok(number) => {
                assert_eq!(number, self.model.thing_of(hold), "it is another object");
            }
            Err(error) => assert!(!whole || burning, "{error:?}"),
        }
        let now = self.now();
        self.model.called(hold, answered, now);
    }

    async fn sponsor(&mut self) {
        let Some(chosen) = self.pick() else { return };
        let hold = self.hands[chosen].hold;
        let patron = Patron {
            left: AtomicUsize::new(1 + self.chance.below(3)),
            asked_too_often: Arc::clone(&self.asked_too_often),
        };
        let lease = self.hands[chosen].proxy.lease();
        let _registered = lease.register(SponsorProxy::local(patron), None).await;
        let thing = self.model.thing_of(hold);
        self.model.things[thing].sponsored = true;
    }

    async fn wait(&mut self) {
        let millis = 1 + self.chance.below(6_000) as u64;
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// Loses all connections that a host has dialled.
    fn cut(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.host.cut_dialled();
        node.fuse.mend();
        let epoch = node.epoch;
        node.epoch += 1;
        let now = self.now();
        for to in 0..HOSTS {
            self.model.cut((at, to, epoch), now);
        }
    }

    async fn restart(&mut self) {
        let at = self.chance.below(HOSTS);
        self.nodes[at].host.shutdown();
        let now = self.now();
        self.model.restarted(at, now);
        let holds = &self.model.holds;
        self.hands.retain(|hand| holds[hand.hold].at != at);
        let epoch = self.nodes[at].epoch;
        let fresh = self.node_after(at).await;
        self.nodes[at] = fresh;
        self.nodes[at].epoch = epoch + 1;
        self.settle().await;
    }

    async fn node_after(&mut self, at: usize) -> Node {
        // The name has to be free before it is taken again.
        self.nodes[at].host = Host::builder().start().await.unwrap();
        self.settle().await;
        self.node(at).await
    }

    fn check(&self) {
        let now = self.now();
        let fates = self.register.lock().clone();
        for (thing, fate) in fates.iter().enumerate() {
            assert!(fate.dropped <= 1, "{thing} was dropped twice");
            let lives = self.model.things[thing].lives;
            assert!(fate.released.len() <= lives, "{thing} was released twice");
            let gone = fate.dropped == 1;
            match self.model.must(thing, now) {
                Must::Live => assert!(
                    !gone,
                    "{thing} is gone: {:?} {:?}",
                    fate, self.model.things[thing]
                ),
                Must::BeGone => assert!(gone, "{thing} is kept: {:?}", self.model.things[thing]),
                Must::Either => {}
            }
            assert!(!gone || fate.released.len() == lives, "{thing} went untold");
            debug_assert_eq!(fate.home, self.model.things[thing].home);
        }
        let too_often = self.asked_too_often.load(Ordering::Relaxed);
        assert_eq!(too_often, 0, "a sponsor was asked after it had refused");
    }

    /// Lets everything go.
    pub(super) async fn end(mut self) {
        while !self.hands.is_empty() {
            self.drop_one();
        }
        for at in 0..HOSTS {
            self.cut(at);
        }
        tokio::time::sleep(Duration::from_secs(600)).await;
        self.settle().await;
        self.check();
        let fates = self.register.lock().clone();
        for (thing, fate) in fates.iter().enumerate() {
            assert!(self.model.is_over(thing));
            assert_eq!(fate.dropped, 1, "{thing} has leaked");
        }
        for node in &self.nodes {
            assert_eq!(node.host.kept_objects(), 0);
            assert!(node.host.leases().is_empty());
        }
    }
}
