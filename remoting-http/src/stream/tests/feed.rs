//! An object that streams both ways, and who asks it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use remoting_core::prelude::*;
use remoting_core::{HostBuilder, Limits, Streaming};
use tokio::sync::mpsc;
use tower_service::Service as _;

use crate::HttpChannel;
use crate::mount::{HttpResponse, HttpService};

#[remote]
pub(super) trait Feed {
    #[constructor]
    async fn begin() -> remoting_core::Result<Self>;
    #[readonly]
    async fn count(&self, most: u64) -> remoting_core::Result<Streaming<u64>>;
    #[readonly]
    async fn play(&self) -> remoting_core::Result<Streaming<u64>>;
    #[readonly]
    async fn slow(&self, seconds: u64) -> remoting_core::Result<Streaming<u64>>;
    #[readonly]
    async fn pieces(&self, length: u64) -> remoting_core::Result<Streaming<String>>;
    async fn sum(&self, from: u64, numbers: Streaming<u64>) -> remoting_core::Result<u64>;
    async fn first(&self, numbers: Streaming<u64>) -> remoting_core::Result<Option<u64>>;
    async fn doubled(&self, numbers: Streaming<u64>) -> remoting_core::Result<Streaming<u64>>;
    async fn parts(&self, one: Streaming<u64>, other: Streaming<u64>) -> remoting_core::Result<()>;
    #[readonly]
    async fn labelled(&self) -> remoting_core::Result<(String, Streaming<u64>)>;
    #[readonly]
    async fn hidden(&self) -> Hidden;
}

/// A stream that no descriptor knows of.
type Hidden = remoting_core::Result<Streaming<u64>>;

/// What the producers have done.
#[derive(Clone, Default)]
pub(super) struct Reel {
    pub(super) made: Arc<AtomicU64>,
    running: Arc<AtomicU64>,
    pub(super) calls: Arc<AtomicU64>,
}

struct Work(Arc<AtomicU64>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Reel {
    fn work(&self) -> Work {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.running.fetch_add(1, Ordering::SeqCst);
        Work(Arc::clone(&self.running))
    }

    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.load(Ordering::SeqCst) == 0
    }
}

impl Feed for Reel {
    async fn begin() -> remoting_core::Result<Self> {
        Ok(Self::default())
    }

    async fn count(&self, most: u64) -> remoting_core::Result<Streaming<u64>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(Streaming::of(1..=most))
    }

    async fn play(&self) -> remoting_core::Result<Streaming<u64>> {
        self.slow(0).await
    }

    async fn slow(&self, seconds: u64) -> remoting_core::Result<Streaming<u64>> {
        let (work, made) = (self.work(), Arc::clone(&self.made));
        Ok(Streaming::produce(move |mut out| async move {
            let _work = work;
            for number in 1.. {
                if seconds > 0 {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                }
                made.fetch_add(1, Ordering::SeqCst);
                out.send(number).await?;
            }
            Ok(())
        }))
    }

    async fn pieces(&self, length: u64) -> remoting_core::Result<Streaming<String>> {
        let piece = "x".repeat(length as usize);
        Ok(Streaming::of(std::iter::repeat(piece)))
    }

    async fn sum(&self, from: u64, mut numbers: Streaming<u64>) -> remoting_core::Result<u64> {
        let mut sum = from;
        while let Some(number) = numbers.next().await {
            sum += number?;
            self.made.fetch_add(1, Ordering::SeqCst);
        }
        Ok(sum)
    }

    async fn first(&self, mut numbers: Streaming<u64>) -> remoting_core::Result<Option<u64>> {
        numbers.next().await.transpose()
    }

    async fn doubled(&self, mut numbers: Streaming<u64>) -> remoting_core::Result<Streaming<u64>> {
        let work = self.work();
        Ok(Streaming::produce(|mut out| async move {
            let _work = work;
            while let Some(number) = numbers.next().await {
                out.send(2 * number?).await?;
            }
            Ok(())
        }))
    }

    async fn parts(&self, _: Streaming<u64>, _: Streaming<u64>) -> remoting_core::Result<()> {
        Ok(())
    }

    async fn labelled(&self) -> remoting_core::Result<(String, Streaming<u64>)> {
        let work = self.work();
        let numbers = Streaming::produce(|mut out| async move {
            let _work = work;
            out.send(1).await
        });
        Ok(("numbers".to_owned(), numbers))
    }

    async fn hidden(&self) -> Hidden {
        self.count(2).await
    }
}

/// A host that offers `feed`, and what answers requests for it.
pub(super) struct Server {
    pub(super) host: Host,
    pub(super) reel: Reel,
    service: HttpService,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        Self::of(Host::builder().limits(limits)).await
    }

    pub(super) async fn of(builder: HostBuilder) -> Self {
        let channel = HttpChannel::mounted("http://localhost/");
        let service = channel.service();
        let host = builder.channel(channel).start().await.unwrap();
        let reel = Reel::default();
        let shared = reel.clone();
        let publication = FeedDispatcher::singleton(move || shared.clone());
        host.publish("feed", publication).unwrap();
        Self {
            host,
            reel,
            service,
        }
    }

    pub(super) async fn send<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        Answer(self.service.clone().call(request).await.unwrap())
    }

    /// A GET whose answer is taken as `accept` says.
    pub(super) async fn get(&self, target: &str, accept: &str) -> Answer {
        self.resume(target, accept, "").await
    }

    /// The same, after the event `last`.
    pub(super) async fn resume(&self, target: &str, accept: &str, last: &str) -> Answer {
        let request = Request::get(target)
            .header(HOST, "localhost")
            .header(ACCEPT, accept);
        let request = match last {
            "" => request,
            last => request.header("last-event-id", last),
        };
        self.send(request.body(Lines::of("")).unwrap()).await
    }

    /// A POST whose body is a stream.
    pub(super) async fn post(&self, target: &str, accept: &str, body: Lines) -> Answer {
        let request = Request::builder()
            .method(Method::POST)
            .uri(target)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header(ACCEPT, accept);
        self.send(request.body(body).unwrap()).await
    }
}

/// The body of a request, which comes as it is sent.
pub(super) struct Lines(mpsc::UnboundedReceiver<Bytes>);

impl Lines {
    /// A body, and where it is sent.
    pub(super) fn open() -> (mpsc::UnboundedSender<Bytes>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self(receiver))
    }

    /// A body that is there.
    pub(super) fn of(text: &str) -> Self {
        let (sender, lines) = Self::open();
        if !text.is_empty() {
            sender.send(text.to_owned().into()).unwrap();
        }
        lines
    }
}

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|part| part.map(Frame::data).map(Ok))
    }
}

/// An answer, of which one part after the other is taken.
pub(super) struct Answer(pub(super) HttpResponse);

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.0.headers().get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The next part; nothing at the end.
    pub(super) async fn part(&mut self) -> Option<String> {
        let frame = Response::body_mut(&mut self.0).frame().await?;
        let data = frame.unwrap().into_data().unwrap();
        Some(String::from_utf8(data.to_vec()).unwrap())
    }

    /// All that is left.
    pub(super) async fn rest(mut self) -> String {
        let mut all = String::new();
        while let Some(part) = self.part().await {
            all.push_str(&part);
        }
        all
    }
}
