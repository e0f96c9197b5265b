//! A way to a server on which one connection breaks, in the middle of an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Passes connections on, and cuts the first one that has answered with `mark`, behind that.
///
/// - `server`: `http://127.0.0.1:40123`. Gives the same of the way to it.
pub async fn cut_behind(mark: &'static str, server: &str) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = server.trim_start_matches("http://").to_owned();
    let has_cut = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(&server).await.unwrap();
            connections.spawn(pass(near, far, mark, Arc::clone(&has_cut)));
        }
    });
    (address, tasks)
}

async fn pass(near: TcpStream, far: TcpStream, mark: &str, has_cut: Arc<AtomicBool>) {
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    let asking = async { tokio::io::copy(&mut from_near, &mut to_far).await };
    let answering = async {
        let mut text = String::new();
        let mut piece = [0; 4096];
        while let Ok(length) = from_far.read(&mut piece).await {
            let piece = std::str::from_utf8(&piece[..length]).unwrap();
            let passed = text.len();
            text.push_str(piece);
            let end = text.find(mark).map(|begin| begin + mark.len());
            match end.filter(|_| !has_cut.load(Ordering::SeqCst)) {
                Some(end) => {
                    has_cut.store(true, Ordering::SeqCst);
                    let _gone = to_near.write_all(&text.as_bytes()[passed..end]).await;
                    return;
                }
                None if length == 0 => return,
                None => drop(to_near.write_all(piece.as_bytes()).await),
            }
        }
    };
    tokio::select! {
        _ = asking => {}
        () = answering => {}
    }
}
