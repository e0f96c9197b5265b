//! Sinks, one behind the other.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::time::timeout_at;

use super::call::{Carried, MethodCall, MethodReply};
use crate::error::{Error, ErrorKind, Executed, Fault};

/// A future that has lost its type.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sees calls pass.
///
/// It runs where the call does: at the client in the caller's task, at the server where the call was read, so that it must not block.
/// It is dropped at any await when the caller gives up or its time is over, unless a method is inside of it that may not be cut. At the
/// server a panic in it ends the call with `Internal`.
pub trait MessageSink: Send + Sync + 'static {
    /// Handles a call: mostly by passing it on, `next.run(call).await`, with something before and after that.
    fn process(&self, call: MethodCall, next: Next<'_>)
    -> impl Future<Output = MethodReply> + Send;
}

/// A sink whose type does not matter any more.
#[derive(Clone)]
pub struct SinkRef(Arc<dyn AnySink>);

impl<S: MessageSink> From<S> for SinkRef {
    fn from(sink: S) -> Self {
        Self(Arc::new(sink))
    }
}

impl fmt::Debug for SinkRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.type_name())
    }
}

trait AnySink: Send + Sync {
    fn process<'a>(&'a self, call: MethodCall, next: Next<'a>) -> Boxed<'a, MethodReply>;

    fn type_name(&self) -> &'static str;
}

impl<S: MessageSink> AnySink for S {
    fn process<'a>(&'a self, call: MethodCall, next: Next<'a>) -> Boxed<'a, MethodReply> {
        Box::pin(MessageSink::process(self, call, next))
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<S>()
    }
}

/// What comes after a sink: the other sinks, and then the call itself.
///
/// At the client a call may be passed on more than once, with clones of this. At the server it runs once, and whatever
/// more ends with `Unsupported`.
#[derive(Clone)]
#[must_use = "a call that is not passed on does not run"]
pub struct Next<'a> {
    sinks: &'a [SinkRef],
    last: Last,
    progress: Arc<Progress>,
}

/// What runs the call itself.
type Last = Arc<dyn Fn(MethodCall) -> Boxed<'static, MethodReply> + Send + Sync>;

impl Next<'_> {
    /// Passes the call on. Dropping the future gives the call up, as dropping the call itself would: a method that has begun and
    /// may not be cut, of `&mut self` for example, runs to its end, and the reply of the sink leaves after that.
    pub async fn run(self, call: MethodCall) -> MethodReply {
        if let Some((first, rest)) = self.sinks.split_first() {
            let next = Next {
                sinks: rest,
                last: self.last,
                progress: Arc::clone(&self.progress),
            };
            let reply = first.0.process(call, next).await;
            return MethodReply(reply.0.map_err(|fault| self.progress.settle(fault)));
        }
        self.progress.begin();
        let reply = (self.last)(call).await;
        self.progress.end(reply.executed());
        reply
    }

    /// Passes the call on over a way that loses its reply, and gives what is known of it then: no more than that it may have run.
    pub(super) async fn run_unheard(self, call: MethodCall) -> Executed {
        let outside = Arc::clone(&self.progress);
        let inside = Arc::<Progress>::default();
        let next = Next {
            progress: Arc::clone(&inside),
            ..self
        };
        outside.begin();
        drop(next.run(call).await);
        let executed = match inside.executed() {
            Executed::No => Executed::No,
            Executed::Yes | Executed::Unknown => Executed::Unknown,
        };
        outside.end(executed);
        executed
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Next").field(&self.sinks).finish()
    }
}

/// How far the call itself has come: what a sink says of it cannot be less.
#[derive(Default)]
struct Progress {
    /// How often it was passed on and has not ended, or was given up.
    open: AtomicUsize,
    /// Whether one that has ended may have run.
    is_doubtful: AtomicBool,
    has_run: AtomicBool,
}

impl Progress {
    fn begin(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self, executed: Executed) {
        match executed {
            Executed::No => {}
            Executed::Yes => self.has_run.store(true, Ordering::Relaxed),
            Executed::Unknown => self.is_doubtful.store(true, Ordering::Relaxed),
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// What is known of all that was passed on.
    fn executed(&self) -> Executed {
        if self.has_run.load(Ordering::Relaxed) {
            return Executed::Yes;
        }
        let is_open = self.open.load(Ordering::Relaxed) > 0;
        match is_open || self.is_doubtful.load(Ordering::Relaxed) {
            true => Executed::Unknown,
            false => Executed::No,
        }
    }

    /// Makes an error of a sink's tell whether the call has run.
    fn settle(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Error(error) if error.executed() != Executed::Yes => {
                let known = match (error.executed(), self.executed()) {
                    (Executed::Unknown, Executed::No) => Executed::Unknown,
                    (_, known) => known,
                };
                Fault::Error(error.with_executed(known))
            }
            fault => fault,
        }
    }
}

/// Some sinks in their order, or none.
#[derive(Clone, Default)]
pub(crate) struct Sinks(Option<Arc<Vec<SinkRef>>>);

impl Sinks {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn all(&self) -> &[SinkRef] {
        self.0.as_ref().map_or(&[], |sinks| sinks.as_slice())
    }

    /// These sinks, and behind them others.
    #[inline]
    pub(crate) fn then(self, others: Self) -> Self {
        match (&self.0, &others.0) {
            (_, None) => self,
            (None, _) => others,
            (Some(own), Some(further)) => own.iter().chain(further.iter()).cloned().collect(),
        }
    }

    /// Runs a call through the sinks.
    ///
    /// - `until`: when it ends with `DeadlineExceeded`, if nobody else sees to that.
    /// - `last`: runs the call itself, where a sink has not answered it.
    pub(crate) fn run<R: Carried>(
        self,
        call: MethodCall,
        until: Option<Instant>,
        last: impl Fn(MethodCall) -> Boxed<'static, Result<R, Fault>> + Send + Sync + 'static,
    ) -> Boxed<'static, Result<R, Fault>> {
        let progress = Arc::<Progress>::default();
        Box::pin(async move {
            let last: Last = Arc::new(move |call| {
                let ended = last(call);
                Box::pin(async move { MethodReply(ended.await.map(Carried::into_body)) })
            });
            let next = Next {
                sinks: self.all(),
                last,
                progress: Arc::clone(&progress),
            };
            let processed = next.run(call);
            let reply = match until {
                None => processed.await,
                Some(deadline) => {
                    timeout_at(deadline.into(), processed)
                        .await
                        .unwrap_or_else(|_| {
                            let kind = ErrorKind::DeadlineExceeded;
                            let fault = Fault::refused(kind, "the call's deadline has passed");
                            MethodReply(Err(progress.settle(fault)))
                        })
                }
            };
            R::from_body(reply.0?, progress.executed()).ok_or_else(|| {
                let text = "a sink has answered with a value where an object is to be made";
                progress.settle(Fault::refused(ErrorKind::BadResult, text))
            })
        })
    }
}

impl FromIterator<SinkRef> for Sinks {
    fn from_iter<I: IntoIterator<Item = SinkRef>>(sinks: I) -> Self {
        let sinks: Vec<SinkRef> = sinks.into_iter().collect();
        Self(Some(sinks).filter(|sinks| !sinks.is_empty()).map(Arc::new))
    }
}

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sinks = self.all();
        f.debug_list().entries(sinks).finish()
    }
}

/// Marks errors that a sink has made: they are no fault of the caller's.
#[derive(Debug)]
struct OfSink;

impl fmt::Display for OfSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sink has answered")
    }
}

impl std::error::Error for OfSink {}

/// Marks an error, unless it has a source of its own.
pub(crate) fn of_sink(error: Error) -> Error {
    use std::error::Error as _;
    match error.source() {
        Some(_) => error,
        None => error.with_source(OfSink),
    }
}

/// Whether an error was marked.
pub(crate) fn is_of_sink(error: &Error) -> bool {
    use std::error::Error as _;
    error.source().is_some_and(|source| source.is::<OfSink>())
}
