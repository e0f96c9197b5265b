//! The object that is called: what the guide's chapter on HTTP offers, and a little more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use remoting::Limits;
use remoting::prelude::*;
use tokio::sync::Notify;

#[remote]
pub trait Calc {
    #[readonly]
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64>;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, CalcError>;
    #[oneway]
    async fn note(&self, text: &str) -> remoting::Result<()>;
    #[readonly]
    async fn squares(&self, to: u64) -> remoting::Result<Streaming<u64>>;
    async fn sum(&self, from: i64, numbers: Streaming<i64>) -> remoting::Result<i64>;
    /// Gives the header of this name that the caller has sent.
    async fn header(&self, name: &str) -> remoting::Result<Option<String>>;
    /// Gives the text back, and in a header how long it is.
    async fn echo(&self, text: String) -> remoting::Result<String>;
    /// Ends when it is let go.
    async fn wait(&self) -> remoting::Result<()>;
}

#[remote]
pub trait Counter {
    #[constructor]
    async fn starting_at(start: u64) -> remoting::Result<Self>;
    async fn next(&mut self) -> remoting::Result<u64>;
}

struct Tally(u64);

impl Counter for Tally {
    async fn starting_at(start: u64) -> remoting::Result<Self> {
        Ok(Self(start))
    }

    async fn next(&mut self) -> remoting::Result<u64> {
        self.0 += 1;
        Ok(self.0)
    }
}

#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum CalcError {
    #[error("{0} divided by zero")]
    DividedByZero(i64),
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

/// Tells when a call that waits begins, and when it has ended or is given up.
#[derive(Clone, Default)]
pub struct Exact {
    pub waiting: Arc<Notify>,
    pub given_up: Arc<Notify>,
    /// How many texts were given back.
    pub echoed: Arc<AtomicUsize>,
    /// Lets one that waits go.
    pub let_go: Arc<Notify>,
}

impl Calc for Exact {
    async fn add(&self, a: i64, b: i64) -> remoting::Result<i64> {
        Ok(a.wrapping_add(b))
    }

    async fn divide(&self, a: i64, b: i64) -> Result<i64, CalcError> {
        a.checked_div(b).ok_or(CalcError::DividedByZero(a))
    }

    async fn note(&self, _text: &str) -> remoting::Result<()> {
        Ok(())
    }

    async fn squares(&self, to: u64) -> remoting::Result<Streaming<u64>> {
        Ok(Streaming::of((1..=to).map(|number| number * number)))
    }

    async fn sum(&self, from: i64, mut numbers: Streaming<i64>) -> remoting::Result<i64> {
        let mut sum = from;
        while let Some(number) = numbers.next().await {
            sum += number?;
        }
        Ok(sum)
    }

    async fn header(&self, name: &str) -> remoting::Result<Option<String>> {
        Ok(CallContext::current().and_then(|context| context.header(name).map(str::to_owned)))
    }

    async fn echo(&self, text: String) -> remoting::Result<String> {
        self.echoed.fetch_add(1, Ordering::SeqCst);
        let length = format!("{} letters", text.len());
        if let Some(context) = CallContext::current() {
            context.set_reply_header("length", length)?;
        }
        Ok(text)
    }

    async fn wait(&self) -> remoting::Result<()> {
        struct Dropped(Arc<Notify>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.notify_one();
            }
        }
        let _dropped = Dropped(Arc::clone(&self.given_up));
        self.waiting.notify_one();
        self.let_go.notified().await;
        Ok(())
    }
}

/// A host that offers `calc`, and what its channel is called by: `127.0.0.1:40123`.
pub struct Server {
    pub host: Host,
    pub authority: String,
    pub calc: Exact,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(HttpChannel::listen("127.0.0.1:0"), Limits::default()).await
    }

    pub async fn with(channel: HttpChannel, limits: Limits) -> Self {
        let builder = Host::builder().limits(limits).channel(channel);
        let host = builder.start().await.unwrap();
        let calc = Exact::default();
        let shared = calc.clone();
        let publication = CalcDispatcher::singleton(move || shared.clone());
        host.publish("calc", publication).unwrap();
        let counters = CounterDispatcher::<Tally>::activated();
        host.publish("counter", counters).unwrap();
        let url = host.url("calc").unwrap();
        let authority = url.split('/').nth(2).unwrap().to_owned();
        Self {
            host,
            authority,
            calc,
        }
    }
}
