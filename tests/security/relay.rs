//! A relay between a client and a server that can lose what the client says.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A relay for one connection.
pub struct Relay {
    pub address: SocketAddr,
    silence: oneshot::Sender<()>,
    passing: JoinHandle<Option<ErrorKind>>,
}

impl Relay {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (silence, silenced) = oneshot::channel();
        let passing = tokio::spawn(async move {
            let (near, _) = listener.accept().await.unwrap();
            pass(near, TcpStream::connect(server).await.unwrap(), silenced).await
        });
        Self {
            address,
            silence,
            passing,
        }
    }

    /// Loses what the client says from now on, and tells how the server ends the connection.
    pub async fn fall_silent(self) -> Option<ErrorKind> {
        self.silence.send(()).unwrap();
        self.passing.await.unwrap()
    }
}

async fn pass(
    near: TcpStream,
    far: TcpStream,
    silenced: oneshot::Receiver<()>,
) -> Option<ErrorKind> {
    let (mut from_client, mut to_client) = near.into_split();
    let (mut from_server, mut to_server) = far.into_split();
    let answers = async {
        let mut bytes = [0; 1024];
        loop {
            match from_server.read(&mut bytes).await {
                Ok(0) => return None,
                // The client may be gone, which the server need not know.
                Ok(count) => drop(to_client.write_all(&bytes[..count]).await),
                Err(error) => return Some(error.kind()),
            }
        }
    };
    let calls = async {
        tokio::select! {
            _ = copy(&mut from_client, &mut to_server) => {}
            _ = silenced => {}
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        end = answers => end,
        () = calls => unreachable!("calls are relayed until the server ends the connection"),
    }
}
