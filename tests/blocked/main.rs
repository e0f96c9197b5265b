//! Methods that block their threads, without being marked: they stop nobody else.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use remoting::ErrorKind;
use remoting::prelude::*;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

mod ground;
#[path = "../support/log.rs"]
#[expect(dead_code, reason = "here a log is that of all threads")]
mod log;
#[path = "../hostile/raw.rs"]
#[expect(dead_code, reason = "what is sent here is a PING")]
mod raw;

use ground::*;

#[tokio::test]
async fn sixty_four_methods_that_block_leave_pings_cancels_and_other_calls_alone() {
    the_log();
    let hospital = Hospital::open::<0>().await;
    let ward = hospital.ward("tcp");
    let outliving = tokio::spawn(ward.outlive().into_future());
    hospital.entered(1).await;
    let held = calls(64, || ward.hold(true));
    hospital.entered(64).await;
    hospital.goes_on(&ward).await;
    outliving.abort();
    taken(&hospital.cancelled, 1).await;
    line_that_names("Ward", "hold").await;
    hospital.doors.open();
    all_end(held).await;
}

#[tokio::test]
async fn methods_that_wait_first_and_block_then_leave_others_alone() {
    let hospital = Hospital::open::<1>().await;
    let ward = hospital.ward("tcp");
    // However many there are, that they waited does not tell that they do not block.
    let held = calls(200, || ward.hold_later());
    for _ in 0..10 {
        hospital.goes_on(&ward).await;
    }
    hospital.called.add_permits(200);
    // As many as there are threads, and the one that the method has besides.
    hospital.entered(65).await;
    hospital.goes_on(&ward).await;
    hospital.doors.open();
    all_end(held).await;
}

#[tokio::test]
async fn eight_methods_that_burn_leave_others_alone() {
    let hospital = Hospital::open::<2>().await;
    let ward = hospital.ward("tcp");
    let held = calls(8, || ward.burn());
    hospital.entered(8).await;
    hospital.goes_on(&ward).await;
    hospital.doors.open();
    all_end(held).await;
}

#[tokio::test]
async fn eight_methods_that_block_by_plain_requests_leave_others_alone() {
    let hospital = Hospital::open::<3>().await;
    let ward = hospital.ward("http");
    let held = calls(8, || ward.hold(true));
    hospital.entered(8).await;
    hospital.goes_on(&ward).await;
    hospital.doors.open();
    all_end(held).await;
}

/// Whoever is the first to find out that a quick method blocks pays for it, and nobody else.
#[tokio::test]
async fn a_quick_method_that_begins_to_block_holds_up_no_other_connection() {
    the_log();
    let hospital = Hospital::open::<4>().await;
    let (unlucky, others) = (hospital.ward("tcp"), hospital.ward("tcp"));
    for _ in 0..10 {
        unlucky.turn(false).await.unwrap();
    }
    hospital.entered(10).await;
    others.count().await.unwrap();
    let first = calls(1, || unlucky.turn(true));
    hospital.entered(1).await;
    line_that_names("Ward", "turn").await;
    let behind = tokio::spawn(unlucky.count().into_future());
    let held = calls(16, || others.turn(true));
    hospital.entered(16).await;
    hospital.goes_on(&others).await;
    hospital.doors.open();
    all_end(first).await;
    all_end(held).await;
    assert_eq!(within_patience(behind).await.unwrap().unwrap(), 7);
}

#[tokio::test]
async fn methods_that_block_wait_for_threads_and_one_of_each_kind_goes_on() {
    let hospital = Hospital::with::<5>(|limits| limits.blocking_threads = 2).await;
    let ward = hospital.ward("tcp");
    let held = calls(5, || ward.hold(true));
    // Two, and the one that the method has besides.
    hospital.entered(3).await;
    let waiting = || hospital.host.counters().blocking_threads.get() == 2;
    within_patience(async {
        while !waiting() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(hospital.entered.available_permits(), 0);
    hospital.goes_on(&ward).await;
    let burning = calls(1, || ward.burn());
    hospital.entered(1).await;
    hospital.goes_on(&ward).await;
    hospital.doors.open();
    all_end(held).await;
    all_end(burning).await;
}

#[tokio::test]
async fn a_call_that_waits_for_a_thread_is_over_at_its_deadline() {
    let hospital = Hospital::with::<6>(|limits| {
        limits.blocking_threads = 1;
        limits.calls_per_host = 3;
    })
    .await;
    let ward = hospital.ward("tcp");
    let held = calls(2, || ward.hold(true));
    hospital.entered(2).await;
    let late = ward.hold(true).deadline(Duration::from_millis(50));
    let error = within_patience(late.into_future()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    // Its place among the calls that run is free again.
    within_patience(async { while ward.count().await.is_err() {} }).await;
    hospital.doors.open();
    all_end(held).await;
    assert_eq!(hospital.entered.available_permits(), 0, "it never ran");
}

/// A runtime of one thread has none to spare: what is not marked runs there.
#[tokio::test]
async fn on_a_runtime_with_one_thread_marked_methods_leave_others_alone_and_all_else_stays_on_it() {
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0").named("tcp"))
        .start()
        .await
        .unwrap();
    let hospital = Hospital::of(host);
    hospital.publish::<7>();
    let ward = hospital.ward("tcp");
    let held = calls(8, || ward.hold_marked());
    hospital.entered(8).await;
    hospital.goes_on(&ward).await;
    for _ in 0..3 {
        within_patience(ward.hold(false).into_future())
            .await
            .unwrap();
    }
    let here = thread::current().id();
    assert_eq!(*hospital.threads.lock().unwrap(), [here; 3]);
    hospital.doors.open();
    all_end(held).await;
}

#[tokio::test]
async fn a_producer_of_a_stream_that_blocks_leaves_others_alone_and_is_named() {
    the_log();
    let hospital = Hospital::open::<10>().await;
    let ward = hospital.ward("tcp");
    let mut drops = within_patience(ward.drip().into_future()).await.unwrap();
    let last = tokio::spawn(async move { drops.next().await.is_none() });
    hospital.entered(1).await;
    hospital.goes_on(&ward).await;
    line_that_names("Streaming", "produce").await;
    hospital.doors.open();
    assert!(within_patience(last).await.unwrap());
}

#[remote]
pub trait Chart {
    #[oneway]
    async fn write(&self, entry: u32) -> remoting::Result<()>;
    async fn read(&self) -> remoting::Result<Vec<u32>>;
}

#[derive(Default)]
struct Lines<const TEST: usize>(Mutex<Vec<u32>>);

impl<const TEST: usize> Chart for Lines<TEST> {
    async fn write(&self, entry: u32) -> remoting::Result<()> {
        if entry == 0 {
            // Longer than it takes to read those that come behind.
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(2) {
                std::hint::spin_loop();
            }
        }
        self.0.lock().unwrap().push(entry);
        Ok(())
    }

    async fn read(&self) -> remoting::Result<Vec<u32>> {
        Ok(self.0.lock().unwrap().clone())
    }
}

async fn are_in_their_order<const TEST: usize>(hospital: &Hospital) -> bool {
    let chart = ChartDispatcher::new(Lines::<TEST>::default());
    hospital.host.marshal("chart", chart).unwrap();
    let client = Host::builder().channel(TcpChannel::client());
    let client = client.start_client().unwrap();
    let url = format!("{}/chart", hospital.address("tcp"));
    let chart: ChartProxy = client.get(&url).unwrap();
    for entry in 0..20 {
        chart.write(entry).await.unwrap();
    }
    // What was set aside may come later than who asks for it.
    let all = async {
        loop {
            let read = chart.read().await.unwrap();
            if read.len() >= 20 {
                return read;
            }
        }
    };
    let mut read = within_patience(all).await;
    let in_order = read.is_sorted();
    read.sort_unstable();
    assert!(read.into_iter().eq(0..20), "each once");
    assert!(hospital.host.unpublish("chart"));
    in_order
}

macro_rules! any_is_in_order {
    ($hospital:expr => $($kind:literal)+) => {
        $(are_in_their_order::<$kind>($hospital).await ||)+ false
    };
}

#[tokio::test]
async fn the_first_calls_of_a_new_kind_begin_in_their_order() {
    let hospital = Hospital::open::<8>().await;
    // Where the machine lets a thread wait, a method may seem slow, and its calls are set aside. That
    // does not happen to all kinds, and calls without an order hardly ever have this one.
    assert!(any_is_in_order!(&hospital => 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15));
}

#[remote]
pub trait Patient {
    /// Blocks until the test says so.
    #[constructor]
    async fn admit() -> remoting::Result<Self>;
    async fn name(&self) -> remoting::Result<String>;
}

struct Reception {
    doors: Arc<Doors>,
    entered: Arc<Semaphore>,
}

struct Admitted;

impl PatientFactory for Reception {
    type Object = Admitted;

    async fn admit(&self) -> remoting::Result<Admitted> {
        self.entered.add_permits(1);
        self.doors.wait();
        Ok(Admitted)
    }
}

impl Patient for Admitted {
    async fn name(&self) -> remoting::Result<String> {
        Ok("Ann".to_owned())
    }
}

#[tokio::test]
async fn eight_constructors_that_block_leave_others_alone() {
    let hospital = Hospital::open::<9>().await;
    let reception = Reception {
        doors: Arc::clone(&hospital.doors),
        entered: Arc::clone(&hospital.entered),
    };
    let patients = PatientDispatcher::activated_with(reception);
    hospital.host.publish("patients", patients).unwrap();
    let client = Host::builder()
        .channel(TcpChannel::client())
        .channel(HttpChannel::client());
    let client = client.start_client().unwrap();
    let mut made = JoinSet::new();
    for channel in ["tcp", "http"].repeat(4) {
        let url = format!("{}/patients", hospital.address(channel));
        made.spawn(client.activate::<PatientProxy>(&url).admit().into_future());
    }
    hospital.entered(8).await;
    hospital.goes_on(&hospital.ward("tcp")).await;
    hospital.doors.open();
    for patient in within_patience(made.join_all()).await {
        assert_eq!(patient.unwrap().name().await.unwrap(), "Ann");
    }
}
