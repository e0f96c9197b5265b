//! A host that stops while somebody is still to say a first word through TLS.

use std::future::ready;
use std::time::Duration;

use remoting::{Host, Limits};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::certificates::Authority;
use crate::ground::*;

#[test]
fn a_peer_that_says_nothing_to_a_port_with_tls_is_cut_with_the_host() {
    let authority = Authority::new("issuer");
    within_patience(async {
        for kind in [Kind::Tcp, Kind::Http] {
            let mut limits = Limits::default();
            limits.handshake_time = Duration::from_secs(3600);
            let builder = Host::builder().limits(limits);
            let tls = authority.server().server_tls();
            let server = kind.server_of(builder, Some(tls)).await;
            let url = kind.url(&server);
            let mut silent = TcpStream::connect(url.split('/').nth(2).unwrap())
                .await
                .unwrap();
            let stopped = server.run_until(ready(())).await;
            assert_eq!((stopped.closed, stopped.cut), (0, 1), "{kind:?}");
            let end = silent.read(&mut [0]).await;
            assert!(matches!(end, Ok(0) | Err(_)), "{kind:?}: {end:?}");
        }
    });
}
