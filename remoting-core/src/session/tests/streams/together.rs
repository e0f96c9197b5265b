//! Items that are sent, taken in and read many at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::support::{River, narrow};
use crate::error::ErrorKind;
use crate::id::InterfaceId;
use crate::limits::Limits;
use crate::payload::{Batch, Payload};
use crate::session::{Arrived, ExportKey, Lent};

fn batch(items: impl IntoIterator<Item = Vec<u8>>) -> Batch {
    let mut batch = Batch::one();
    items.into_iter().for_each(|item| batch.push(item.into()));
    batch
}

fn bell() -> Lent<Arc<str>> {
    let key = ExportKey {
        object: 1,
        interface: InterfaceId(9),
    };
    let object = "bell".into();
    Lent::Own { object, key }
}

impl River {
    /// Sends all that there is room for; tells how many items.
    fn send_all(&mut self, items: &Batch, lent: Vec<Vec<Lent<Arc<str>>>>) -> usize {
        let (now, client) = (self.pair.now, &mut self.pair.client);
        let items = (items, &VecDeque::from(lent));
        let sent = client
            .session
            .send_items(self.stream, items, now, &mut client.effects);
        sent.unwrap()
    }

    /// What comes at the next look.
    fn look(&mut self, most: (u32, u64)) -> Option<Batch> {
        let mut came = Batch::one();
        let session = &mut self.pair.server.session;
        match session.poll_items(self.key, (&mut came, most), Waker::noop()) {
            Poll::Ready(Arrived::Items) => Some(came),
            _ => None,
        }
    }

    fn look_at_all(&mut self) -> Vec<Payload> {
        let mut all = Vec::new();
        while let Some(mut came) = self.look((u32::MAX, u64::MAX)) {
            all.extend(std::iter::from_fn(|| came.pop()));
        }
        all
    }

    fn grant(&mut self, items: u32) {
        let now = self.pair.now;
        let session = &mut self.pair.server.session;
        session.grant(self.key, items, u64::from(items), now);
        self.pair.pass();
    }
}

#[test]
fn items_of_all_kinds_that_are_sent_together_come_whole_and_in_order() {
    let mut river = River::new();
    let lengths = [0, 1, 3, 127, 16_383, 16_384, 2, 50_000, 0];
    let items = lengths.map(|length| (0..length).map(|at| at as u8).collect::<Vec<_>>());
    let mut together = batch(items.clone());
    let mut refers = Payload::from(b"it".as_slice());
    refers.attach("something");
    together.push(refers);
    together.push(Payload::from(b"last".as_slice()));
    let lent = vec![Vec::new(), Vec::new(), vec![bell()]];
    assert_eq!(river.send_all(&together, lent), lengths.len() + 2);
    river.pair.pass();
    let came = river.look_at_all();
    let last = [b"it".to_vec(), b"last".to_vec()];
    let wanted: Vec<_> = items.into_iter().chain(last).collect();
    assert!(came.iter().map(Payload::as_slice).eq(wanted));
    let referring = came.iter().map(Payload::has_attached);
    assert!(referring.eq((0..came.len()).map(|at| at == lengths.len())));
}

#[test]
fn of_items_together_as_many_are_sent_as_there_is_room_for() {
    let mut river = River::with(narrow());
    let mut items = batch([vec![1], vec![2], vec![3]]);
    assert_eq!(river.send_all(&items, Vec::new()), 2);
    items.drop_first(2);
    assert_eq!(river.send_all(&items, Vec::new()), 0);
    river.pair.pass();
    assert_eq!(river.read().0, [1, 2]);
    river.grant(2);
    assert_eq!(river.send_all(&items, Vec::new()), 1);
    river.pair.pass();
    assert_eq!(river.read().0, [3]);
    river.leave();
    river.pair.pass();
    let (now, client) = (river.pair.now, &mut river.pair.client);
    let items = (&items, &VecDeque::new());
    let effects = &mut client.effects;
    let refused = client.session.send_items(river.stream, items, now, effects);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn an_item_that_refers_to_something_costs_as_much_as_sixteen_and_no_more_than_half() {
    for (window, referring, plain) in [(40, 2, 8), (16, 2, 0), (3, 3, 0), (1, 1, 0)] {
        let mut river = River::with(Limits {
            stream_items: window,
            ..Limits::default()
        });
        let mut items = Batch::one();
        for _ in 0..50 {
            let mut item = Payload::from(b"it".as_slice());
            item.attach("something");
            items.push(item);
        }
        let lent = (0..50).map(|_| vec![bell()]).collect();
        assert_eq!(river.send_all(&items, lent), referring, "{window}");
        let items = batch((0..50).map(|at| vec![at]));
        assert_eq!(river.send_all(&items, Vec::new()), plain, "{window}");
        river.pair.pass();
        assert!(river.pair.server.end.is_none(), "both count alike");
        assert_eq!(river.look_at_all().len(), referring + plain);
    }
}

#[test]
fn a_consumer_gets_as_much_at_a_time_as_it_asks_for_and_one_item_at_least() {
    let mut river = River::new();
    let long = vec![7; 20_000];
    let items = [vec![1], vec![2], vec![3], long, vec![4], vec![5; 9_999]];
    assert_eq!(river.send_all(&batch(items), Vec::new()), 6);
    river.pair.pass();
    let look = || river.look((2, 10_000)).map(|came| came.len());
    let looks: Vec<_> = std::iter::from_fn(look).collect();
    assert_eq!(looks, [2, 1, 1, 2]);
}
