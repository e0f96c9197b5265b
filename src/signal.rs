//! How a process learns that it is to end.

use std::io;

/// Waits until the process is told to end: by SIGTERM, as service managers and containers do it, or by Ctrl-C.
///
/// Listens from its first poll on; from then on the process does not end by itself, even if the future is dropped. So
/// two of them see two signals:
///
/// ```no_run
/// # async fn example(host: remoting::Host) {
/// use std::time::Duration;
/// use remoting::shutdown_signal;
///
/// let stopped = host
///     .run_until(shutdown_signal())
///     .announce(Duration::from_secs(3))
///     .drain(Duration::from_secs(30))
///     .cut_on(shutdown_signal())
///     .await;
/// println!("{} connections had to be cut", stopped.cut);
/// # }
/// ```
///
/// # Errors
///
/// The system lets the process not listen.
#[cfg(unix)]
pub async fn shutdown_signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    std::future::poll_fn(|cx| match terminate.poll_recv(cx) {
        std::task::Poll::Pending => interrupt.poll_recv(cx).map(drop),
        ready => ready.map(drop),
    })
    .await;
    Ok(())
}

/// Waits until the process is told to end, by Ctrl-C. Listens from its first poll on.
///
/// # Errors
///
/// The system lets the process not listen.
#[cfg(not(unix))]
pub async fn shutdown_signal() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
