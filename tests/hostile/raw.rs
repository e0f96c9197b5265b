//! A peer that sends what the test tells it to, byte by byte, and keeps no rules.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use remoting::formatter::FormatterRef;
use remoting_core::wire::{
    CallId, HeaderBlock, Hello, InterfaceId, MAX_BODY, Message, MethodId, PREFACE, PREFACE_LENGTH,
    Referred, ResolveAnswer, ResolveRequest, ResolveWhat, Slot, StreamId, Target, Window, kind,
    put_varint, split_frame, write_call, write_hello, write_resolve, write_return,
};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// One end of a connection, in the hands of a test.
pub struct Raw {
    stream: TcpStream,
    incoming: Vec<u8>,
    greeted: bool,
}

/// A frame that has come, as far as tests look at it.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    Hello(Hello),
    Call { call: u32, target: Target },
    Resolve { call: u32 },
    Return { call: u32, payload: Vec<u8> },
    Error(Failure),
    Cancel(u32),
    Ping(u64),
    Pong(u64),
    Abort { code: u8, text: String },
    Other(u8),
}

/// What an ERROR says.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub call: u32,
    pub code: u8,
    pub executed: u8,
    pub text: String,
}

impl Raw {
    /// Connects to `address` and says nothing.
    pub async fn connect(address: &str) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// Connects from another address of this machine.
    pub async fn connect_from(source: Ipv4Addr, address: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((source, 0))).unwrap();
        Self::over(socket.connect(address.parse().unwrap()).await.unwrap())
    }

    /// Connects, and greets as the rules ask for.
    pub async fn greeted(address: &str) -> Self {
        let mut raw = Self::connect(address).await;
        raw.send(&greeting()).await;
        raw
    }

    /// Waits for a client.
    pub async fn accept(listener: &TcpListener) -> Self {
        Self::over(listener.accept().await.unwrap().0)
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            incoming: Vec::new(),
            greeted: false,
        }
    }

    /// Sends bytes as they are. A peer that has closed already has said why.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _closed = self.stream.write_all(bytes).await;
    }

    /// Sends no more, and still listens.
    pub async fn finish(&mut self) {
        let _closed = self.stream.shutdown().await;
    }

    /// All bytes until the peer closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.incoming)
    }

    /// The next frame, or `None` if the peer has closed.
    pub async fn frame(&mut self) -> Option<Seen> {
        loop {
            if self.strip_preface() {
                let split = split_frame(&self.incoming, MAX_BODY).unwrap();
                if let Some((frame, length)) = split {
                    let seen = seen(&Message::parse(frame).unwrap());
                    self.incoming.drain(..length);
                    return Some(seen);
                }
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next frame but a HELLO.
    pub async fn answer(&mut self) -> Option<Seen> {
        loop {
            match self.frame().await {
                Some(Seen::Hello(_)) => {}
                other => return other,
            }
        }
    }

    /// The next ERROR; nothing else may come before it but a HELLO.
    pub async fn failure(&mut self) -> Failure {
        match self.answer().await {
            Some(Seen::Error(failure)) => failure,
            other => panic!("an ERROR was to come: {other:?}"),
        }
    }

    /// Checks that a call of slot 0, the well-known probe, is answered next.
    pub async fn is_served(&mut self, id: u32) {
        self.send(&call(id, 0, "add", &packed(&(1, 2)))).await;
        let payload = packed(&3);
        assert_eq!(
            self.answer().await,
            Some(Seen::Return { call: id, payload })
        );
    }

    /// The ABORT that the connection ends with; `None` if it just ends.
    pub async fn abort(&mut self) -> Option<(u8, String)> {
        let mut last = None;
        while let Some(seen) = self.frame().await {
            last = Some(seen);
        }
        match last {
            Some(Seen::Abort { code, text }) => Some((code, text)),
            _ => None,
        }
    }

    /// The answers to so many requests, in the order of their coming.
    pub async fn answers(&mut self, count: usize) -> Vec<Seen> {
        let mut answers = Vec::new();
        while answers.len() < count {
            answers.push(self.answer().await.expect("the connection is open"));
        }
        answers
    }

    async fn fill(&mut self) -> bool {
        let read: io::Result<usize> = self.stream.read_buf(&mut self.incoming).await;
        read.is_ok_and(|count| count > 0)
    }

    fn strip_preface(&mut self) -> bool {
        if !self.greeted && self.incoming.len() >= PREFACE_LENGTH {
            assert_eq!(self.incoming[..PREFACE_LENGTH], PREFACE);
            self.incoming.drain(..PREFACE_LENGTH);
            self.greeted = true;
        }
        self.greeted
    }
}

fn seen(message: &Message<'_>) -> Seen {
    match message {
        Message::Hello(hello) => Seen::Hello(hello.clone()),
        Message::Call(call) => Seen::Call {
            call: call.call.0,
            target: call.target,
        },
        Message::Resolve(resolve) => Seen::Resolve {
            call: resolve.call.0,
        },
        Message::Return(answer) => Seen::Return {
            call: answer.call.0,
            payload: answer.payload.to_vec(),
        },
        Message::Error(error) => Seen::Error(Failure {
            call: error.call.0,
            code: error.fault.code,
            executed: error.fault.executed,
            text: error.fault.text.to_owned(),
        }),
        Message::Cancel(call) => Seen::Cancel(call.0),
        Message::Ping(ping) => Seen::Ping(ping.opaque),
        Message::Pong(pong) => Seen::Pong(pong.opaque),
        Message::Abort(abort) => Seen::Abort {
            code: abort.code,
            text: abort.text.to_owned(),
        },
        Message::Post(_) => Seen::Other(kind::POST),
        Message::Release(_) => Seen::Other(kind::RELEASE),
        Message::GoAway(_) => Seen::Other(kind::GO_AWAY),
        Message::Item(_) => Seen::Other(kind::ITEM),
        Message::Credit(_) => Seen::Other(kind::CREDIT),
        Message::End(_) => Seen::Other(kind::END),
        other => panic!("nobody sends this: {other:?}"),
    }
}

/// The preface and a HELLO of defaults.
pub fn greeting() -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    let window = Some(Window {
        streams: 128,
        items: 1024,
        bytes: 262_144,
    });
    let hello = Hello {
        window,
        ..Hello::default()
    };
    write_hello(&mut out, &hello);
    out
}

/// A frame of any kind, flags and body.
pub fn frame(kind_and_flags: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&length[..3], &[kind_and_flags], body].concat()
}

/// A number as the wire has it.
pub fn number(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, value);
    out
}

/// A value as MessagePack.
pub fn packed(value: &impl Serialize) -> Vec<u8> {
    let payload = FormatterRef::default().encode(value).unwrap();
    payload.as_slice().to_vec()
}

/// A CALL of a method on a slot.
pub fn call(id: u32, slot: u32, method: &str, payload: &[u8]) -> Vec<u8> {
    call_on(id, Target::Slot(Slot(slot)), method, payload)
}

/// A CALL of a method on any target.
pub fn call_on(id: u32, target: Target, method: &str, payload: &[u8]) -> Vec<u8> {
    call_with(id, target, method, &HeaderBlock::new(), payload)
}

/// A CALL with a header.
pub fn call_with(
    id: u32,
    target: Target,
    method: &str,
    header: &HeaderBlock,
    payload: &[u8],
) -> Vec<u8> {
    let mut out = Vec::new();
    let method = MethodId::of(method);
    write_call(&mut out, CallId(id), target, method, header, payload).unwrap();
    out
}

/// A RESOLVE of a name, as the interface `Probe`.
pub fn resolve(id: u32, name: &str) -> Vec<u8> {
    resolve_as(id, ResolveWhat::Name, "Probe", name)
}

/// A RESOLVE that makes an object.
pub fn activate(id: u32, constructor: &str) -> Vec<u8> {
    let what = ResolveWhat::Activate(MethodId::of(constructor));
    resolve_as(id, what, "Probe", "makers")
}

/// A RESOLVE of any sort.
pub fn resolve_as(id: u32, what: ResolveWhat, interface: &str, key: &str) -> Vec<u8> {
    resolve_with(id, what, interface, key, &[])
}

/// A RESOLVE with arguments.
pub fn resolve_with(
    id: u32,
    what: ResolveWhat,
    interface: &str,
    key: &str,
    payload: &[u8],
) -> Vec<u8> {
    let mut out = Vec::new();
    let request = ResolveRequest {
        what,
        interface: InterfaceId::of(interface),
        signature: 0,
        key: key.as_bytes(),
    };
    let header = HeaderBlock::new();
    write_resolve(&mut out, CallId(id), &request, &header, payload).unwrap();
    out
}

/// A RETURN of any payload.
pub fn returned(id: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_return(&mut out, CallId(id), &HeaderBlock::new(), payload).unwrap();
    out
}

/// The RETURN of a RESOLVE.
pub fn resolved(id: u32, slot: u32) -> Vec<u8> {
    let mut payload = remoting_core::wire::Payload::new();
    let answer = ResolveAnswer {
        slot: Slot(slot),
        signature: 0,
    };
    answer.write(&mut payload);
    returned(id, payload.as_slice())
}

/// A CALL of `take` on slot 0 whose argument is a stream.
pub fn streaming(number: u32, stream: u32) -> Vec<u8> {
    let referring = HeaderBlock::new().with_references([Referred::Stream(StreamId(stream))]);
    call_with(
        number,
        Target::Slot(Slot(0)),
        "take",
        &referring,
        &[0x91, 0],
    )
}
