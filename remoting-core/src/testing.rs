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

/// Has the hosts of this thread draw from a seed what they leave to chance and what is no secret: the pauses between
/// attempts, and the number by which a host is told from the one before it.
///
/// On one thread with a [paused clock](https://docs.rs/tokio/latest/tokio/time/fn.pause.html) the same then happens
/// again, provided that the test's own part does. Names and secrets of sessions stay what they are: nobody can guess
/// them.
///
/// A host that is started on a thread seeded anew with the same number has the same number as the one before: to its peers it
/// is not a restarted one. Seed once for each test.
///
/// - `seed`: `None` for the system's generator, as if this had never been called.
pub fn seed(seed: Option<u64>) {
    crate::jitter::seed(seed);
}
