//! The host of the process, for programs that do not need one of their own.

use std::sync::LazyLock;

use remoting_core::channel::InProcessChannel;
use remoting_core::{Host, Proxy, Result};

/// The host that [`connect`] uses: one for the process, made when it is first needed.
///
/// It calls others through all channels that are compiled in and listens on none;
/// publish through a host of your own. Its connections have a runtime of their own, so that it can
/// be used from any number of runtimes.
pub fn host() -> &'static Host {
    static HOST: LazyLock<Host> = LazyLock::new(|| {
        let builder = Host::builder()
            .own_runtime()
            .channel(InProcessChannel::client());
        #[cfg(feature = "tcp")]
        let builder = builder.channel(remoting_tcp::TcpChannel::client());
        #[cfg(feature = "http")]
        let builder = builder.channel(remoting_http::HttpChannel::client());
        builder
            .start_client()
            .expect("the channels of the process's own host have different names")
    });
    &HOST
}

/// Finds an object at a URL through the process's own [`host`], and makes a proxy of it.
///
/// # Errors
///
/// Those of [`Host::connect`].
pub async fn connect<P: Proxy>(url: &str) -> Result<P> {
    host().connect(url).await
}
