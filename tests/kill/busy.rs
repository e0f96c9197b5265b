//! A machine of whose processors nine tenths are taken: who is slow is not dead.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use remoting::prelude::*;
use remoting::testing::CallId;
use tokio::time::{interval, timeout};

use crate::folder::Folder;
use crate::number;
use crate::server::{Order, Server, WorkProxy, impatient, is_this, lost, serve};

const TEST: &str = "busy::nobody_is_taken_for_dead_on_a_busy_machine";

/// Takes nine tenths of each processor. Dropped, it stops.
struct Burner {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Burner {
    fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let processors = std::thread::available_parallelism().unwrap().get();
        let burn = |_| {
            let over = over.clone();
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    while begun.elapsed() < Duration::from_millis(9) {
                        std::hint::spin_loop();
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            })
        };
        let threads = (0..processors).map(burn).collect();
        Self { over, threads }
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_taken_for_dead_on_a_busy_machine() {
    if is_this() {
        return serve().await;
    }
    let seconds = number("BUSY", 1);
    // A second each, as figures have it that are compared with others. In a short run a machine that stands still
    // for two seconds is not to be told of.
    let timer = Duration::from_secs(if seconds > 1 { 1 } else { 10 });
    let folder = Folder::new("busy");
    let order = Order {
        test: TEST,
        through: &[],
        scheme: "tcp",
        timer,
        journal: folder.path().join("server"),
    };
    let _burner = Burner::start();
    let server = Server::start(&order, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
    // One is called often; of the other only pings tell.
    let hosts = [(); 2].map(|()| {
        let builder = Host::builder().limits(impatient(timer));
        let host = builder.channel(TcpChannel::client()).start_client();
        let host = host.unwrap();
        let url = format!("tcp://{}/work", server.address);
        let work: WorkProxy = host.get(&url).unwrap();
        (host.connection_events(), work, host)
    });
    let [(mut often, work, _), (mut seldom, idle, _)] = hosts;
    let id = |client, call| CallId { client, call };
    assert_eq!(idle.run(id(1, 0), b"").await, Ok(0));
    let calls = async {
        let mut pace = interval(Duration::from_millis(50));
        for call in 0.. {
            pace.tick().await;
            assert_eq!(work.run(id(0, call), b"").await, Ok(0));
        }
    };
    let time = Duration::from_secs(seconds);
    tokio::select! {
        gone = lost(&mut often) => panic!("taken for dead: {gone}"),
        gone = lost(&mut seldom) => panic!("taken for dead: {gone}"),
        ended = timeout(time, calls) => assert!(ended.is_err()),
    }
    assert_eq!(idle.run(id(1, 1), b"").await, Ok(0));
    println!("for {seconds} s, with timers of {timer:?}, nobody was taken for dead");
}
