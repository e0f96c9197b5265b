//! TLS: both sides prove who they are, or nothing is called; and whoever can act is told why.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use remoting::{ClientTls, ErrorKind, Executed, Pem, ServerTls};

use crate::certificates::{Authority, Owned, Validity, self_signed};
use crate::ground::*;

/// Calls a desk through a kind of channel, and gives what became of it.
async fn call(kind: Kind, server: ServerTls, tls: ClientTls) -> remoting::Result<i64> {
    let server = kind.server(Some(server)).await;
    let host = client(tls);
    let desk: DeskProxy = host.get(&kind.url(&server)).unwrap();
    desk.add(1, 2).await
}

#[test]
fn a_server_that_the_client_trusts_is_called() {
    within_patience(async {
        let authority = Authority::new("issuer");
        for kind in KINDS {
            let tls = ClientTls::new().roots(authority.root());
            let sum = call(kind, authority.server().server_tls(), tls).await;
            assert_eq!(sum.unwrap(), 3, "{kind:?}");
        }
    });
}

#[test]
fn the_urls_of_a_channel_with_tls_say_so_and_any_name_of_the_certificate_will_do() {
    within_patience(async {
        let authority = Authority::new("issuer");
        for (kind, scheme) in [(Kind::Tcp, "tcps://"), (Kind::Http, "https://")] {
            let server = kind.server(Some(authority.server().server_tls())).await;
            let url = kind.url(&server);
            assert!(url.starts_with(scheme), "{url}");
            let by_name = url.replacen("127.0.0.1", "localhost", 1);
            let client = client(ClientTls::new().roots(authority.root()));
            let desk: DeskProxy = client.connect(&by_name).await.unwrap();
            assert_eq!(desk.add(1, 2).await.unwrap(), 3);
        }
    });
}

#[test]
fn a_server_with_a_bad_certificate_is_not_called_and_the_client_is_told_what_is_wrong() {
    let authority = Authority::new("issuer");
    let stranger = Authority::new("stranger");
    let here = ["localhost", "127.0.0.1"];
    let cases: [(&str, Owned, &str); 4] = [
        (
            "self-signed",
            self_signed(&here),
            "nobody whom this side trusts has issued it",
        ),
        (
            "of a strange issuer",
            stranger.server(),
            "nobody whom this side trusts has issued it",
        ),
        (
            "expired",
            authority.vouch("server", &here, Validity::Over),
            "it has expired",
        ),
        (
            "of another server",
            authority.vouch("server", &["other.example"], Validity::Now),
            "it is another server's",
        ),
    ];
    for (what, shown, why) in cases {
        for kind in KINDS {
            within_patience(async {
                let tls = ClientTls::new().roots(authority.root());
                let error = call(kind, shown.server_tls(), tls).await.unwrap_err();
                assert_eq!(
                    error.kind(),
                    ErrorKind::ConnectFailed,
                    "{what} {kind:?}: {error}"
                );
                assert_eq!(error.executed(), Executed::No);
                assert!(error.message().contains(why), "{what} {kind:?}: {error}");
            });
        }
    }
}

#[test]
fn a_server_that_the_system_does_not_know_is_not_trusted_by_default() {
    within_patience(async {
        let authority = Authority::new("issuer");
        let shown = authority.server().server_tls();
        let error = call(Kind::Tcp, shown, ClientTls::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectFailed);
        assert!(error.message().contains("`ClientTls::roots`"), "{error}");
    });
}

#[test]
fn a_client_with_a_certificate_is_known_by_it() {
    within_patience(async {
        let authority = Authority::new("issuer");
        for kind in KINDS {
            let shown = authority
                .server()
                .server_tls()
                .client_roots(authority.root());
            let server = kind.server(Some(shown)).await;
            let tls = ClientTls::new().roots(authority.root());
            let ann = client(authority.client("ann").shown_by(tls));
            let desk: DeskProxy = ann.get(&kind.url(&server)).unwrap();
            let (subject, principal) = desk.who().await.unwrap();
            assert_eq!(subject.as_deref(), Some("CN=ann"), "{kind:?}");
            assert_eq!(principal.as_deref(), Some("CN=ann"), "{kind:?}");
        }
    });
}

#[test]
fn a_client_without_a_good_certificate_is_refused_and_only_the_operator_is_told_why() {
    let authority = Authority::new("issuer");
    let stranger = Authority::new("stranger");
    let over = authority.vouch("ann", &[], Validity::Over);
    let cases: [(Option<Owned>, &str, &str); 4] = [
        (None, "it wants a certificate", "it showed no certificate"),
        (
            Some(self_signed(&[])),
            "does not accept",
            "nobody whom this side trusts has issued it",
        ),
        (
            Some(stranger.client("ann")),
            "does not accept",
            "nobody whom this side trusts has issued it",
        ),
        (Some(over), "does not accept", "it has expired"),
    ];
    for (shown, told, logged) in cases {
        for kind in KINDS {
            let log = within_patience(async {
                let server = authority
                    .server()
                    .server_tls()
                    .client_roots(authority.root());
                let tls = ClientTls::new().roots(authority.root());
                let tls = match &shown {
                    Some(own) => own.shown_by(tls),
                    None => tls,
                };
                let error = call(kind, server, tls).await.unwrap_err();
                assert_eq!(
                    error.kind(),
                    ErrorKind::Unauthenticated,
                    "{kind:?}: {error:?}"
                );
                assert_eq!(error.executed(), Executed::No);
                assert!(error.message().contains(told), "{kind:?}: {error}");
                assert!(!error.message().contains(logged), "{kind:?}: {error}");
            });
            assert!(log.contains(logged), "{kind:?}: {log}");
        }
    }
}

#[test]
fn clients_without_a_certificate_are_strangers_where_certificates_are_optional() {
    within_patience(async {
        let authority = Authority::new("issuer");
        let roots = authority.root();
        let shown = authority.server().server_tls().optional_client_roots(roots);
        let server = Kind::Tcp.server(Some(shown)).await;
        let stranger = client(ClientTls::new().roots(authority.root()));
        let desk: DeskProxy = stranger.get(&Kind::Tcp.url(&server)).unwrap();
        assert_eq!(desk.who().await.unwrap(), (None, None));
    });
}

#[test]
fn clear_text_at_a_port_with_tls_is_told_to_both_sides() {
    let authority = Authority::new("issuer");
    for kind in KINDS {
        let log = within_patience(async {
            let server = kind.server(Some(authority.server().server_tls())).await;
            let plain = kind.url(&server).replacen("s://", "://", 1);
            let host = client(ClientTls::new());
            let desk: DeskProxy = host.get(&plain).unwrap();
            let error = desk.add(1, 2).await.unwrap_err();
            assert_eq!(error.executed(), Executed::No, "{kind:?}: {error}");
            if kind == Kind::WebSocket {
                assert_eq!(error.kind(), ErrorKind::ConnectFailed, "{error}");
            } else {
                assert_eq!(error.kind(), ErrorKind::TlsRequired, "{kind:?}: {error}");
                let scheme = if kind == Kind::Tcp {
                    "tcps://"
                } else {
                    "https://"
                };
                assert!(error.message().contains(scheme), "{error}");
            }
        });
        assert!(
            log.contains("it speaks in clear text, and this port has TLS"),
            "{log}"
        );
    }
}

#[test]
fn tls_at_a_port_without_it_is_told_to_the_client() {
    for kind in KINDS {
        within_patience(async {
            let server = kind.server(None).await;
            let secure = kind.url(&server).replacen("://", "s://", 1);
            let host = client(ClientTls::new());
            let desk: DeskProxy = host.get(&secure).unwrap();
            let error = desk.add(1, 2).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TlsRequired, "{kind:?}: {error}");
            assert_eq!(error.executed(), Executed::No);
            assert!(error.message().contains("clear text"), "{error}");
        });
    }
}

#[test]
fn tls_of_another_protocol_is_not_taken_for_ours() {
    let authority = Authority::new("issuer");
    within_patience(async {
        let server = Kind::Http
            .server(Some(authority.server().server_tls()))
            .await;
        let url = Kind::Http.url(&server).replacen("https", "tcps", 1);
        let tls = ClientTls::new().roots(authority.root());
        let host = client(tls);
        let desk: DeskProxy = host.get(&url).unwrap();
        let error = desk.add(1, 2).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectFailed, "{error}");
        assert!(
            error.message().contains("another protocol inside it"),
            "{error}"
        );
    });
}

#[test]
fn a_client_that_says_nothing_to_a_port_with_tls_is_given_up_and_counted() {
    let authority = Authority::new("issuer");
    within_patience(async {
        let mut limits = remoting::Limits::default();
        limits.handshake_time = Duration::from_millis(20);
        for kind in [Kind::Tcp, Kind::Http] {
            let builder = remoting::Host::builder().limits(limits.clone());
            let tls = authority.server().server_tls();
            let server = kind.listen(builder, Some(tls)).start().await.unwrap();
            let address = server.channels()[0].address().unwrap();
            let place = address.split("://").nth(1).unwrap().to_owned();
            let read = tokio::task::spawn_blocking(move || {
                let mut silent = TcpStream::connect(place).unwrap();
                silent.read(&mut [0; 1]).unwrap_or(0)
            });
            assert_eq!(read.await.unwrap(), 0);
            assert_eq!(server.counters().handshake_time.get(), 1, "{kind:?}");
        }
    });
}

#[test]
fn a_server_whose_certificate_cannot_be_used_does_not_start_and_says_which_file_it_is() {
    within_patience(async {
        let authority = Authority::new("issuer");
        let (own, other) = (authority.server(), authority.server());
        let text = |text: &str| Pem::text(text);
        let missing = Pem::file("no/such/server.pem");
        for (tls, what) in [
            (
                ServerTls::new(missing, text(&own.key)),
                "`no/such/server.pem` cannot be read",
            ),
            (
                ServerTls::new(text("nothing"), text(&own.key)),
                "holds no certificate",
            ),
            (
                ServerTls::new(text(&own.chain), text("nothing")),
                "holds no private key",
            ),
            (
                ServerTls::new(text(&own.chain), text(&other.key)),
                "do not belong together",
            ),
            (
                own.server_tls().client_roots(text("nothing")),
                "holds no certificate",
            ),
        ] {
            for kind in [Kind::Tcp, Kind::Http] {
                let started = kind
                    .listen(remoting::Host::builder(), Some(tls.clone()))
                    .start();
                let error = started.await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config, "{error}");
                assert!(error.message().contains(what), "{error}");
                assert!(!error.message().contains("PRIVATE KEY-----\nM"), "{error}");
            }
        }
    });
}

#[test]
fn keys_are_shown_by_no_debug() {
    let authority = Authority::new("issuer");
    let own = authority.server();
    let secret = own.key.lines().nth(1).unwrap();
    let server = own.server_tls();
    let client = own.shown_by(ClientTls::new());
    let channel = remoting::TcpChannel::client()
        .tls(server.clone())
        .client_tls(client.clone());
    for text in [
        format!("{server:?}"),
        format!("{client:?}"),
        format!("{channel:?}"),
    ] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn bytes_that_are_none_of_tls_end_their_own_connection_only() {
    let authority = Authority::new("issuer");
    within_patience(async {
        for kind in [Kind::Tcp, Kind::Http] {
            let server = kind.server(Some(authority.server().server_tls())).await;
            let address = server.channels()[0].address().unwrap();
            let place = address.split("://").nth(1).unwrap().to_owned();
            for bytes in [
                &b"\x16\x03\x01\xff\xff\x01\x00"[..],
                b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
                b"\x16",
                b"\x00\x00\x00\x00",
                b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"RMT1\x01\x00\x00\x00",
            ] {
                let place = place.clone();
                let sent = tokio::task::spawn_blocking(move || {
                    let mut stream = TcpStream::connect(place).unwrap();
                    stream.write_all(bytes).unwrap();
                    stream.shutdown(std::net::Shutdown::Write).unwrap();
                    let _rest = stream.read_to_end(&mut Vec::new());
                });
                sent.await.unwrap();
            }
            let tls = ClientTls::new().roots(authority.root());
            let host = client(tls);
            let desk: DeskProxy = host.get(&kind.url(&server)).unwrap();
            assert_eq!(desk.add(1, 2).await.unwrap(), 3, "{kind:?}");
        }
    });
}
