//! A hostile server: a socket whose every byte is the test's, and a client that calls it.

use remoting::Limits;
use remoting::prelude::*;
use remoting_core::wire::{
    CallId, HeaderBlock, Hello, PREFACE, WireFault, write_error, write_hello,
};
use tokio::net::TcpListener;

use crate::objects::*;
use crate::raw::*;
use crate::support::*;

/// A server whose every byte is the test's, and a call that is made to it.
pub struct Trap {
    listener: TcpListener,
    client: Host,
}

impl Trap {
    pub async fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            client: client(limits),
        }
    }

    /// The same for a client that knows nobody, and publishes something all the same.
    pub async fn with_publications() -> Self {
        let builder = Host::builder().authenticator(remoting::Principals::new());
        let client = builder
            .channel(TcpChannel::client())
            .start_client()
            .unwrap();
        let gate = Gate::new();
        let own = std::sync::Arc::clone(&gate);
        let probe = ProbeDispatcher::singleton(move || Target::new(&own));
        client.publish("probe", probe).unwrap();
        let makers = ProbeDispatcher::activated_with(TargetFactory(gate));
        client.publish("makers", makers).unwrap();
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            client,
        }
    }

    pub fn probe(&self) -> ProbeProxy {
        self.get("probe")
    }

    /// The client's proxy of a name.
    pub fn get<P: Proxy>(&self, name: &str) -> P {
        let address = self.listener.local_addr().unwrap();
        self.client.get(&format!("tcp://{address}/{name}")).unwrap()
    }

    pub fn client(&self) -> &Host {
        &self.client
    }

    /// Listens no more: who dials again finds nobody.
    pub fn close(self) -> Host {
        self.client
    }

    pub async fn accept(&self) -> Raw {
        Raw::accept(&self.listener).await
    }

    /// Waits until a client's RESOLVE and its call are there, numbers 0 and 1, and greets it.
    pub async fn called(&self) -> Raw {
        self.called_and_greeted(&greeting()).await
    }

    /// The same, with a greeting of the test's own.
    pub async fn called_and_greeted(&self, greeting: &[u8]) -> Raw {
        let mut raw = self.accept().await;
        let Some(Seen::Resolve { call: 0 }) = raw.answer().await else {
            panic!("no RESOLVE came");
        };
        let Some(Seen::Call { call: 1, .. }) = raw.answer().await else {
            panic!("no CALL came");
        };
        raw.send(greeting).await;
        raw
    }
}

/// A greeting with this in its HELLO.
pub fn greeting_with(change: impl FnOnce(&mut Hello)) -> Vec<u8> {
    let mut hello = Hello::default();
    change(&mut hello);
    let mut out = PREFACE.to_vec();
    write_hello(&mut out, &hello);
    out
}

/// An ERROR.
pub fn failed(call: u32, code: u8, executed: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let fault = WireFault {
        code,
        executed,
        retry_after_ms: 0,
        text: "said the server",
        payload,
    };
    write_error(&mut out, CallId(call), &HeaderBlock::new(), &fault).unwrap();
    out
}

/// The number of the next call, whatever comes before it.
pub async fn next_call(raw: &mut Raw) -> u32 {
    loop {
        match raw.answer().await {
            Some(Seen::Call { call, .. }) => return call,
            Some(_) => {}
            None => panic!("the client has gone"),
        }
    }
}
