//! Waiting without async code, and the runtime for those who have none.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::{Builder, Handle, Runtime};

/// Runs a future on this thread until it ends.
///
/// # Panics
///
/// On a thread that runs async code at the moment: the runtime says so.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    if let Ok(handle) = Handle::try_current() {
        // A thread for blocking code, such as those of `spawn_blocking`; others are told to await.
        return handle.block_on(future);
    }
    let _runtime = runtime().enter();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The runtime of the caller, or one of our own where the caller has none.
///
/// Ours has one thread, is started when it is first needed, and lives as long as the process.
pub(crate) fn runtime() -> Handle {
    Handle::try_current().unwrap_or_else(|_| own_runtime())
}

/// The runtime of our own.
pub(crate) fn own_runtime() -> Handle {
    static OWN: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .thread_name("remoting")
            .enable_all();
        builder
            .build()
            .expect("the system lets the process start one more thread")
    });
    OWN.handle().clone()
}

/// A future that finds a runtime wherever it is polled.
pub(crate) struct OnRuntime<F>(Handle, Pin<Box<F>>);

impl<F: Future> OnRuntime<F> {
    /// Takes the runtime of the caller, or our own.
    pub(crate) fn new(future: F) -> Self {
        Self::of(None, future)
    }

    /// Takes `runtime`, or that of the caller, or our own.
    pub(crate) fn of(known: Option<Handle>, future: F) -> Self {
        Self(known.unwrap_or_else(runtime), Box::pin(future))
    }
}

impl<F: Future> Future for OnRuntime<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self(runtime, future) = &mut *self;
        let _entered = runtime.enter();
        future.as_mut().poll(cx)
    }
}
