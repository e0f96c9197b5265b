//! Streams from one session to another, and what tests do with them.

use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use super::super::support::{Pair, Side, result, sent};
use crate::error::{Error, Fault};
use crate::id::{Slot, StreamId};
use crate::limits::Limits;
use crate::payload::{Batch, Content};
use crate::session::{Arrived, Lent, Received, Request, StreamKey, StreamSource};
use crate::wire::{Target, split_frame};

/// Notes the numbers of streams as they begin.
#[derive(Debug, Default)]
pub(super) struct Spring(Mutex<Vec<StreamId>>);

impl StreamSource for Spring {
    fn begin(self: Arc<Self>, stream: StreamId) {
        self.0.lock().unwrap().push(stream);
    }
}

/// Two sides, and one stream from the client to the server.
pub(super) struct River {
    pub(super) pair: Pair,
    pub(super) slot: Slot,
    pub(super) stream: StreamId,
    pub(super) key: StreamKey,
}

impl River {
    pub(super) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(super) fn with(server: Limits) -> Self {
        let mut pair = Pair::with(Limits::default(), server);
        let slot = pair.connect("river");
        let (stream, key) = open(&mut pair, slot);
        Self {
            pair,
            slot,
            stream,
            key,
        }
    }

    pub(super) fn send(&mut self, item: u8) -> Result<(), Error> {
        send(&mut self.pair.client, self.stream, &[item])
    }

    pub(super) fn end(&mut self, fault: Option<&Fault>) {
        let now = self.pair.now;
        let client = &mut self.pair.client;
        client
            .session
            .end_stream(self.stream, fault, &[], now, &mut client.effects);
    }

    /// What has come, and whether the end has.
    pub(super) fn read(&mut self) -> (Vec<u8>, Option<Option<Fault>>) {
        read(&mut self.pair.server, self.key)
    }

    pub(super) fn has_room(&mut self) -> bool {
        let session = &mut self.pair.client.session;
        let room = session.poll_room(self.stream, Waker::noop());
        matches!(room, Poll::Ready(Ok(_)))
    }

    pub(super) fn is_stopped(&mut self) -> bool {
        let session = &mut self.pair.client.session;
        let room = session.poll_room(self.stream, Waker::noop());
        matches!(room, Poll::Ready(Err(_)))
    }

    pub(super) fn leave(&mut self) {
        let server = &mut self.pair.server;
        server.session.leave_stream(self.key, &mut server.effects);
    }
}

/// Calls with a stream from the client to the server, and answers the call.
pub(super) fn open(pair: &mut Pair, slot: Slot) -> (StreamId, StreamKey) {
    let spring = Arc::new(Spring::default());
    pair.client.lending = vec![Lent::Stream(Arc::clone(&spring) as _)];
    let call = sent(pair.client.call(Target::Slot(slot), b"x", pair.now));
    pair.client.lending.clear();
    let stream = begun(&mut pair.client, &spring);
    let bytes = pair.client.session.take_output(Vec::new()).flat();
    let (now, server, client) = (pair.now, &mut pair.server, &mut pair.client);
    client
        .session
        .written(bytes.len(), now, &mut client.effects);
    let mut rest = &bytes[..];
    let request = loop {
        let (frame, length) = split_frame(rest, usize::MAX).unwrap().expect("a call");
        rest = &rest[length..];
        let request = server.session.handle_frame(frame, now, &mut server.effects);
        if let Some(Request::Call(request)) = request.unwrap() {
            break request;
        }
    };
    let [Received::Stream(key)] = request.references[..] else {
        panic!("no stream: {:?}", request.references);
    };
    server.reply(request.key, Ok(b"done"), now);
    pair.pass();
    assert_eq!(result(pair.client.poll(call)), b"done");
    (stream, key)
}

/// The number of the stream that has just begun.
pub(super) fn begun(side: &mut Side, spring: &Spring) -> StreamId {
    for (source, stream) in side.effects.rare().begun.drain(..) {
        source.begin(stream);
    }
    spring.0.lock().unwrap().pop().expect("a stream has begun")
}

pub(super) fn send(side: &mut Side, stream: StreamId, item: &[u8]) -> Result<(), Error> {
    let now = std::time::Instant::now();
    let content = Content::from(item);
    side.session
        .send_item(stream, content, &[], now, &mut side.effects)
}

pub(super) fn read(side: &mut Side, key: StreamKey) -> (Vec<u8>, Option<Option<Fault>>) {
    let mut items = Vec::new();
    loop {
        let (mut batch, most) = (Batch::one(), (u32::MAX, u64::MAX));
        match side
            .session
            .poll_items(key, (&mut batch, most), Waker::noop())
        {
            Poll::Pending => return (items, None),
            Poll::Ready(Arrived::Items) => {
                while let Some(item) = batch.pop() {
                    items.extend_from_slice(item.as_slice());
                }
            }
            Poll::Ready(Arrived::End(fault)) => return (items, Some(fault)),
        }
    }
}

pub(super) fn narrow() -> Limits {
    Limits {
        stream_items: 2,
        ..Limits::default()
    }
}
