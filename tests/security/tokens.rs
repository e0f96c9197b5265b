//! Tokens that others may see, and those that they may not.

use std::sync::Arc;

use remoting::prelude::*;
use remoting::{ClientTls, ErrorKind, Principal, Principals, Token};

use crate::certificates::Authority;
use crate::ground::*;
use crate::identity::{GOOD, known, server};

#[test]
fn a_signed_token_is_good_once() {
    within_patience(async {
        const KEY: &str = "a canary of a key that both sides know";
        for kind in KINDS {
            let list = Principals::new().key(KEY, Principal::new("ann"));
            let server = server(kind, Host::builder().authenticator(list)).await;
            let signing = Token::signed("ann", KEY);
            let caller = |token: Token| {
                let builder = Host::builder()
                    .channel(TcpChannel::client().token(token.clone()))
                    .channel(HttpChannel::client().token(token));
                builder.start_client().unwrap()
            };
            // Each session, and each request, has one of its own.
            for _ in 0..2 {
                let host = caller(signing.clone());
                let desk: DeskProxy = host.get(&kind.url(&server)).unwrap();
                assert_eq!(desk.add(1, 2).await.unwrap(), 3, "{kind:?}");
                assert_eq!(desk.who().await.unwrap().1.as_deref(), Some("ann"));
            }
            // Somebody has seen one, and sends it again.
            let seen = signing.mint();
            for (round, expected) in [(0, Ok(3)), (1, Err(ErrorKind::Unauthenticated))] {
                let host = caller(Token::new(seen.clone()));
                let desk: DeskProxy = host.get(&kind.url(&server)).unwrap();
                let sum = desk.add(1, 2).await.map_err(|error| error.kind());
                assert_eq!(sum, expected, "{kind:?} {round}");
            }
            for other in [
                Token::signed("ann", "another key"),
                Token::signed("bob", KEY),
            ] {
                let host = caller(other);
                let desk: DeskProxy = host.get(&kind.url(&server)).unwrap();
                let error = desk.add(1, 2).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{kind:?}");
            }
        }
    });
}

/// Passes bytes on between two sockets, and keeps a copy of all of them.
async fn relay(to: String) -> (String, Arc<std::sync::Mutex<Vec<u8>>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let seen = Arc::<std::sync::Mutex<Vec<u8>>>::default();
    let copies = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = tokio::net::TcpStream::connect(&to).await.unwrap();
            let (near, far) = (near.into_split(), far.into_split());
            for (mut from, mut onto) in [(near.0, far.1), (far.0, near.1)] {
                let copies = Arc::clone(&copies);
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = from.read(&mut buffer).await {
                        copies.lock().unwrap().extend_from_slice(&buffer[..count]);
                        if onto.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                    }
                    let _ended = onto.shutdown().await;
                });
            }
        }
    });
    (place, seen)
}

#[test]
fn neither_token_nor_arguments_are_among_the_bytes_on_the_wire() {
    let log = within_patience(async {
        let authority = Authority::new("issuer");
        for kind in KINDS {
            let tls = authority.server().server_tls();
            let builder = kind.listen(Host::builder().authenticator(known()), Some(tls));
            let server = builder.start().await.unwrap();
            server
                .publish("desk", DeskDispatcher::single_call(|| Clerk))
                .unwrap();
            let url = kind.url(&server);
            let address = url.split('/').nth(2).unwrap().to_owned();
            let (place, seen) = relay(address.clone()).await;
            let trusting = ClientTls::new().roots(authority.root());
            let client = Host::builder()
                .channel(
                    TcpChannel::client()
                        .client_tls(trusting.clone())
                        .token(GOOD),
                )
                .channel(HttpChannel::client().client_tls(trusting).token(GOOD))
                .start_client()
                .unwrap();
            let desk: DeskProxy = client.get(&url.replace(&address, &place)).unwrap();
            let sum = desk.add(0x6361_6e61_7279, 0).await.unwrap();
            assert_eq!(sum, 0x6361_6e61_7279);
            let bytes = seen.lock().unwrap().clone();
            assert!(!bytes.is_empty());
            let text = String::from_utf8_lossy(&bytes);
            for word in ["canary", "desk", "Bearer", "RMT1", "HTTP/1.1"] {
                assert!(!text.contains(word), "{kind:?}: {word}");
            }
        }
    });
    assert!(!log.contains("canary"), "{log}");
}
