//! A peer that is not heard of any more: its connection ends by a reset, which gets through where an ordinary end would
//! wait behind bytes that nobody acknowledges, and the system keeps nothing for it.

use std::io::ErrorKind;
use std::time::Duration;

use remoting::{ClientTls, Host, Limits, ServerTls};
use tokio::task::JoinSet;

use crate::certificates::Authority;
use crate::ground::*;
use crate::relay::Relay;

/// Long enough for a busy machine to make a call first.
const SHORT: Duration = Duration::from_secs(1);

/// Has a client fall silent, and gives how the server ends its connection.
///
/// - `resume_window`: for how long the session is kept for it.
async fn end_of_a_silent_client(
    kind: Kind,
    tls: Option<ServerTls>,
    trust: ClientTls,
    resume_window: Duration,
) -> Option<ErrorKind> {
    let mut limits = Limits::default();
    (limits.ping_after, limits.pong_within) = (SHORT, SHORT);
    limits.resume_window = resume_window;
    let server = kind.server_of(Host::builder().limits(limits), tls).await;
    let url = kind.url(&server);
    let place = url.split('/').nth(2).unwrap();
    let relay = Relay::to(place.parse().unwrap()).await;
    let client = client(trust);
    let url = url.replace(place, &relay.address.to_string());
    let desk: DeskProxy = client.get(&url).unwrap();
    assert_eq!(desk.add(1, 2).await.unwrap(), 3);
    relay.fall_silent().await
}

#[test]
fn the_connection_of_a_client_that_falls_silent_ends_by_a_reset() {
    let authority = Authority::new("issuer");
    within_patience(async {
        let mut ends = JoinSet::new();
        for kind in [Kind::Tcp, Kind::WebSocket] {
            for is_secure in [false, true] {
                for resume_window in [Duration::from_secs(60), Duration::ZERO] {
                    let tls = is_secure.then(|| authority.server().server_tls());
                    let trust = ClientTls::new().roots(authority.root());
                    ends.spawn(end_of_a_silent_client(kind, tls, trust, resume_window));
                }
            }
        }
        for end in ends.join_all().await {
            assert_eq!(end, Some(ErrorKind::ConnectionReset));
        }
    });
}
