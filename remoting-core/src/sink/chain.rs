//! Sinks, one behind the other.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::call::{Carried, MethodCall, MethodReply};
use crate::error::{ErrorKind, Executed, Fault};

/// A future that has lost its type.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sees calls pass.
///
/// It runs where the call does: at the client in the caller's task, at the server where the call was read, so that it must not block.
/// It is dropped at any await when the caller gives up. At the server a panic in it ends the call with `Internal`.
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
#[must_use = "a call that is not passed on does not run"]
pub struct Next<'a> {
    sinks: &'a [SinkRef],
    last: Last,
    progress: Arc<Progress>,
}

/// What runs the call itself.
type Last = Box<dyn FnOnce(MethodCall) -> Boxed<'static, MethodReply> + Send>;

impl Next<'_> {
    /// Passes the call on. Dropping the future gives the call up, as dropping the call itself would.
    pub async fn run(self, call: MethodCall) -> MethodReply {
        if let Some((first, rest)) = self.sinks.split_first() {
            let next = Next {
                sinks: rest,
                last: self.last,
                progress: self.progress,
            };
            return first.0.process(call, next).await;
        }
        self.progress.set(Progress::UNDER_WAY);
        let reply = (self.last)(call).await;
        self.progress.set(match reply.executed() {
            Executed::No => Progress::NOT_RUN,
            Executed::Yes => Progress::RUN,
            Executed::Unknown => Progress::UNDER_WAY,
        });
        reply
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Next").field(&self.sinks).finish()
    }
}

/// How far the call itself has come: what a sink says of it cannot be less.
#[derive(Default)]
struct Progress(AtomicU8);

impl Progress {
    const NOT_RUN: u8 = 0;
    /// It may run, or have run.
    const UNDER_WAY: u8 = 1;
    const RUN: u8 = 2;

    fn set(&self, progress: u8) {
        self.0.store(progress, Ordering::Relaxed);
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    /// Makes an error of a sink's tell whether the call has run.
    fn settle(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Error(error) if error.executed() == Executed::No => {
                Fault::Error(match self.get() {
                    Self::NOT_RUN => error,
                    Self::RUN => error.with_executed(Executed::Yes),
                    _ => error.with_executed(Executed::Unknown),
                })
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
    pub(crate) fn then(self, others: Self) -> Self {
        match (&self.0, &others.0) {
            (_, None) => self,
            (None, _) => others,
            (Some(own), Some(further)) => own.iter().chain(further.iter()).cloned().collect(),
        }
    }

    /// Runs a call through the sinks.
    ///
    /// - `last`: runs the call itself, where a sink has not answered it.
    pub(crate) fn run<R: Carried>(
        self,
        call: MethodCall,
        last: impl FnOnce(MethodCall) -> Boxed<'static, Result<R, Fault>> + Send + 'static,
    ) -> Boxed<'static, Result<R, Fault>> {
        let progress = Arc::<Progress>::default();
        Box::pin(async move {
            let last: Last = Box::new(move |call| {
                let ended = last(call);
                Box::pin(async move { MethodReply(ended.await.map(Carried::into_body)) })
            });
            let next = Next {
                sinks: self.all(),
                last,
                progress: Arc::clone(&progress),
            };
            let reply = next.run(call).await;
            let body = reply.0.map_err(|fault| progress.settle(fault))?;
            R::from_body(body).ok_or_else(|| {
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
