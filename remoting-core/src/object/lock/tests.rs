//! Who looks at a value, beside those who go in to it.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::Lock;
use crate::error::{Error, Fault, Result};
use crate::host::Host;
use crate::proxy::Call;
use crate::remote;

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_look_passes_those_who_queue_but_not_who_has_the_value_for_itself() -> Result<(), Fault> {
    let lock = Lock::new(0);
    let looks = || {
        let mut seen = false;
        lock.look(|_| seen = true);
        seen
    };
    let shared = lock.shared().await?;
    let mut exclusive = pin!(lock.exclusive());
    assert!(poll(&mut exclusive).is_pending());
    assert!(looks(), "it is beside others who share");
    drop(shared);
    let (watch, value) = exclusive.await?;
    assert!(!looks(), "somebody changes it");
    drop(value);
    watch.finish();
    assert!(looks(), "nobody is inside");
    Ok(())
}

#[remote]
trait Gauge {
    async fn set(&mut self, value: u64) -> Result<u64>;
}

#[derive(Default)]
struct Dial(u64);

impl Gauge for Dial {
    async fn set(&mut self, value: u64) -> Result<u64> {
        self.0 = value;
        Ok(value)
    }
}

#[tokio::test]
async fn a_call_that_comes_while_its_object_is_told_that_it_is_released_waits() {
    let host = Host::builder().start_client().unwrap();
    let setting: Arc<Mutex<Option<Call<u64, Error>>>> = Arc::default();
    let of_dial = Arc::clone(&setting);
    let gauge = GaugeDispatcher::new(Dial::default()).on_released(move |dial: &Dial, _| {
        let mut setting = of_dial.lock().unwrap();
        assert!(poll(setting.as_mut().unwrap()).is_pending());
        assert_eq!(dial.0, 0);
    });
    *setting.lock().unwrap() = Some(gauge.proxy().set(3));
    host.marshal("gauge", gauge).unwrap();
    assert!(host.disconnect("gauge").unwrap());
    let setting = setting.lock().unwrap().take().unwrap();
    assert_eq!(setting.await.unwrap(), 3);
}
