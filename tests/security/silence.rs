//! A peer that is not heard of any more: its connection ends by a reset, which gets through where an ordinary end would
//! wait behind bytes that nobody acknowledges, and the system keeps nothing for it.

use std::io::ErrorKind;
use std::time::Duration;

use remoting::{ClientTls, Host, Limits};

use crate::certificates::Authority;
use crate::ground::*;
use crate::relay::Relay;

/// Long enough for a busy machine to make a call first.
const SHORT: Duration = Duration::from_millis(300);

#[test]
fn the_connection_of_a_client_that_falls_silent_ends_by_a_reset() {
    let authority = Authority::new("issuer");
    for kind in [Kind::Tcp, Kind::WebSocket] {
        for is_secure in [false, true] {
            // With the session kept for the client, and without.
            for resume_window in [Duration::from_secs(60), Duration::ZERO] {
                within_patience(async {
                    let mut limits = Limits::default();
                    (limits.ping_after, limits.pong_within) = (SHORT, SHORT);
                    limits.resume_window = resume_window;
                    let tls = is_secure.then(|| authority.server().server_tls());
                    let server = kind.server_of(Host::builder().limits(limits), tls).await;
                    let url = kind.url(&server);
                    let place = url.split('/').nth(2).unwrap();
                    let relay = Relay::to(place.parse().unwrap()).await;
                    let client = client(ClientTls::new().roots(authority.root()));
                    let url = url.replace(place, &relay.address.to_string());
                    let desk: DeskProxy = client.get(&url).unwrap();
                    assert_eq!(desk.add(1, 2).await.unwrap(), 3);
                    let end = relay.fall_silent().await;
                    assert_eq!(
                        end,
                        Some(ErrorKind::ConnectionReset),
                        "{kind:?} {is_secure}"
                    );
                });
            }
        }
    }
}
