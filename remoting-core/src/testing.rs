//! Tools for the tests of users.

use crate::channel::InProcessChannel;
use crate::error::Result;
use crate::host::Host;
use crate::id::random_bytes;

/// Makes two hosts that reach each other inside this process: `(server, client)`.
///
/// The server listens at one in-process address; `server.url("bank")` tells where the
/// client finds what is published there.
///
/// # Errors
///
/// None that is to be expected: the address is drawn at random.
pub async fn pair() -> Result<(Host, Host)> {
    let name = format!("pair-{:016x}", u64::from_le_bytes(random_bytes()));
    let server = Host::builder()
        .channel(InProcessChannel::listen(&name))
        .start()
        .await?;
    let client = Host::builder()
        .channel(InProcessChannel::client())
        .start()
        .await?;
    Ok((server, client))
}

/// Loses all connections of a host at once, as an outage of the network would: neither side
/// says goodbye.
///
/// Calls under way end with `SessionLost`, or with an error that says that they were not
/// executed; the next call by URL dials again. What the host held at others is kept for
/// the orphan grace of their leases.
pub fn cut(host: &Host) {
    host.cut();
}
