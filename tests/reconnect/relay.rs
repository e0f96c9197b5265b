//! A way to a server on which nothing arrives at times, although it can be dialled.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub struct Relay {
    /// `127.0.0.1:40123`.
    pub address: String,
    passes: Arc<watch::Sender<bool>>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// - `server`: `127.0.0.1:40123`.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let passes = Arc::new(watch::Sender::new(true));
        let (server, passing) = (server.to_owned(), Arc::clone(&passes));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                connections.spawn(pass(near, server.clone(), passing.subscribe()));
            }
        });
        Self {
            address,
            passes,
            _tasks: tasks,
        }
    }

    /// Breaks all connections; those that come then hear nothing.
    pub fn close(&self) {
        self.passes.send_replace(false);
    }

    /// Breaks those, and passes on what comes from now on.
    pub fn open(&self) {
        self.passes.send_replace(true);
    }
}

async fn pass(mut near: TcpStream, server: String, mut passes: watch::Receiver<bool>) {
    if !*passes.borrow_and_update() {
        let _opened = passes.changed().await;
        return;
    }
    let mut far = TcpStream::connect(server).await.unwrap();
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = passes.changed() => {}
    }
}
