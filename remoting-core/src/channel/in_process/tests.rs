//! Two sides of the channel with a host that only keeps what it is given.

use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;
use crate::channel::{Accept, Admission, TurnedAway};
use crate::descriptor::InterfaceDescriptor;
use crate::id::{InterfaceId, MethodId};
use crate::limits::{Counters, Limits};
use crate::payload::Payload;
use crate::secret::Secret;
use crate::sink::Ticket;

/// A host that keeps the links it is given, up to one, and echoes calls.
#[derive(Default)]
struct FakeHost(Mutex<Vec<Link>>);

impl Accept for FakeHost {
    fn admit(&self, source: Option<IpAddr>) -> Result<Admission, TurnedAway> {
        assert_eq!(source, None, "there are no addresses inside a process");
        let is_free = self.0.lock().unwrap().is_empty();
        let admission = is_free.then(|| Admission::new((), Arc::new(()), ()));
        admission.ok_or(TurnedAway { reason: "full" })
    }

    fn visit(&self) -> Box<dyn Send + Sync> {
        Box::new(())
    }

    fn is_leaving(&self) -> bool {
        false
    }

    fn shortage(&self) -> Box<dyn Send + Sync> {
        Box::new(())
    }

    fn is_short(&self) -> bool {
        false
    }

    fn cut(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn accept(&self, link: Link, _admission: Admission) {
        self.0.lock().unwrap().push(link);
    }

    fn exchange(&self, call: CallMessage, _peer: Arc<Peer>) -> BoxFuture<'static, ReplyMessage> {
        Box::pin(async move { Ok(call.payload) })
    }

    fn construct(&self, _: CallMessage, _: Arc<Peer>) -> BoxFuture<'static, Result<Ticket, Fault>> {
        Box::pin(std::future::ready(Err(Fault::of(ErrorKind::NotFound))))
    }

    fn renew(&self, _name: &str, _time: Duration, _: &Peer) -> Result<Option<Duration>, Fault> {
        Err(Fault::of(ErrorKind::NotFound))
    }

    fn release(&self, _name: &str, _: &Peer) -> Result<(), Fault> {
        Err(Fault::of(ErrorKind::NotFound))
    }

    fn interface(
        &self,
        _name: &str,
        _wanted: Option<InterfaceId>,
        _: &Peer,
    ) -> Result<&'static InterfaceDescriptor, Fault> {
        Err(Fault::of(ErrorKind::NotFound))
    }

    fn authenticate(
        &self,
        _: Option<Secret>,
        peer: Arc<Peer>,
    ) -> BoxFuture<'static, Result<Arc<Peer>, Fault>> {
        Box::pin(std::future::ready(Ok(peer)))
    }

    fn publications(&self, _: &Peer) -> Vec<(String, &'static InterfaceDescriptor)> {
        Vec::new()
    }

    fn formatters(&self) -> Vec<FormatterRef> {
        Vec::new()
    }

    fn limits(&self) -> Arc<Limits> {
        Arc::default()
    }

    fn counters(&self) -> Arc<Counters> {
        Arc::default()
    }

    fn allow_plaintext(&self) -> bool {
        false
    }

    fn allow_anonymous(&self) -> bool {
        false
    }

    fn authenticates(&self) -> bool {
        false
    }

    fn denies_strangers(&self) -> bool {
        false
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn listen(channel: &InProcessChannel) -> (Arc<FakeHost>, Result<Option<Listener>, Error>) {
    let host = Arc::new(FakeHost::default());
    let acceptor = Acceptor::new(Arc::clone(&host) as Arc<dyn Accept>);
    (host, now(Channel::listen(channel, acceptor)))
}

fn dial(channel: &InProcessChannel, url: &str) -> Result<Dialed, Error> {
    now(channel.dial(&url.parse().unwrap()))
}

fn call() -> CallMessage {
    let deadline = std::time::Duration::from_secs(30);
    let mut call = CallMessage::new(
        "echo",
        InterfaceId(1),
        MethodId(1),
        FormatterRef::default(),
        deadline,
    );
    call.payload = Payload::from(b"[1]".as_slice());
    call
}

#[test]
fn a_dialled_name_gives_two_joined_links() {
    let (host, listener) = listen(&InProcessChannel::listen("joined"));
    let listener = listener.unwrap().unwrap();
    assert_eq!(listener.address, "inproc://joined");
    let Ok(Dialed::Link(mut near)) = dial(&InProcessChannel::client(), "inproc://joined/x") else {
        panic!("a link was expected")
    };
    assert_eq!(near.peer.to_string(), "inproc://joined");
    let mut far = host.0.lock().unwrap().pop().unwrap();
    let (mut cx, mut buffer) = (Context::from_waker(Waker::noop()), Vec::new());
    assert!(near.writer.poll_write(&mut cx, b"hello").is_ready());
    assert!(far.reader.poll_read(&mut cx, &mut buffer).is_ready());
    assert_eq!(buffer, b"hello");
}

#[test]
fn a_name_is_taken_while_its_listener_lives_and_free_afterwards() {
    let channel = InProcessChannel::listen("once");
    let (_host, first) = listen(&channel);
    let error = listen(&channel).1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChannelTaken);
    assert!(error.message().contains("inproc://once"), "{error}");
    drop(first);
    assert!(listen(&channel).1.is_ok());
}

#[test]
fn a_name_that_no_url_can_hold_is_refused() {
    for name in ["", "a/b", "a b", &"x".repeat(129)] {
        let error = listen(&InProcessChannel::listen(name)).1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{name}");
    }
}

#[test]
fn dialling_a_name_that_nobody_has_says_how_to_listen_there() {
    let error = dial(&InProcessChannel::client(), "inproc://nobody/x")
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectFailed);
    assert!(
        error
            .message()
            .contains("InProcessChannel::listen(\"nobody\")"),
        "{error}"
    );
}

#[test]
fn a_host_that_is_full_refuses_the_dialler() {
    let (_host, _listener) = listen(&InProcessChannel::listen("full"));
    let client = InProcessChannel::client();
    let _first = dial(&client, "inproc://full/x");
    let error = dial(&client, "inproc://full/x").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectFailed);
}

#[test]
fn either_side_can_ask_for_calls_without_a_session() {
    let pairs = [
        ("asks", false, true),
        ("offers", true, false),
        ("agrees", true, true),
    ];
    for (name, listens, dials) in pairs {
        let choose = |channel: InProcessChannel, only: bool| {
            if only {
                channel.exchange_only()
            } else {
                channel
            }
        };
        let (_host, _listener) = listen(&choose(InProcessChannel::listen(name), listens));
        let client = choose(InProcessChannel::client(), dials);
        let Ok(Dialed::Exchange(exchange)) = dial(&client, &format!("inproc://{name}/x")) else {
            panic!("`{name}` did not get an exchange")
        };
        let reply = now(exchange.exchange(call()));
        assert_eq!(reply.unwrap().as_slice(), b"[1]");
    }
}

#[test]
fn an_exchange_ends_when_the_listening_does() {
    let (_host, listener) = listen(&InProcessChannel::listen("ended").exchange_only());
    let Ok(Dialed::Exchange(exchange)) = dial(&InProcessChannel::client(), "inproc://ended/x")
    else {
        panic!("an exchange was expected")
    };
    drop(listener);
    let Err(Fault::Error(error)) = now(exchange.exchange(call())) else {
        panic!("nobody was there")
    };
    assert_eq!(error.kind(), ErrorKind::ConnectFailed);
}

#[test]
fn a_channel_that_only_dials_does_not_listen() {
    assert!(listen(&InProcessChannel::client()).1.unwrap().is_none());
}
