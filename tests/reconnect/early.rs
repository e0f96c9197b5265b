//! Clients that are there as soon as a server listens, before its host knows where.

use remoting::channel::{Acceptor, BoxFuture, Channel, ChannelSettings, Dialed, Listener};
use remoting::prelude::*;
use remoting::{ConnectionState, Error, ErrorKind, ObjectUrl};

use crate::desk::*;

/// TCP, called while it begins to listen.
struct Early {
    tcp: TcpChannel,
    client: Host,
}

impl Channel for Early {
    fn scheme(&self) -> &'static str {
        "tcp"
    }

    fn settings(&self) -> &ChannelSettings {
        self.tcp.settings()
    }

    fn listen(&self, acceptor: Acceptor) -> BoxFuture<'_, Result<Option<Listener>, Error>> {
        Box::pin(async move {
            let listener = self.tcp.listen(acceptor).await?.expect("it listens");
            let desk: DeskProxy = self.client.get(&format!("{}/desk", listener.address))?;
            // There is none yet, which the session tells; it does not send the caller away.
            let error = desk.name().await.expect_err("nobody has published it");
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            Ok(Some(listener))
        })
    }

    fn dial<'a>(&'a self, url: &'a ObjectUrl) -> BoxFuture<'a, Result<Dialed, Error>> {
        self.tcp.dial(url)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_connects_before_the_host_knows_where_it_listens_is_not_sent_away() {
    let client = Host::builder().channel(TcpChannel::client());
    let client = client.start_client().unwrap();
    let early = Early {
        tcp: TcpChannel::listen("127.0.0.1:0"),
        client: client.clone(),
    };
    let _server = Host::builder().channel(early).start().await.unwrap();
    let states: Vec<_> = client
        .connections()
        .iter()
        .map(|known| known.state)
        .collect();
    assert_eq!(states, [ConnectionState::Open]);
}
