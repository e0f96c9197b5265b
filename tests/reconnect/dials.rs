//! A channel that notes each dialling.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use remoting::channel::{Acceptor, BoxFuture, Channel, ChannelSettings, Dialed, Listener};
use remoting::{ConnectPolicy, Error, ErrorKind, Host, ObjectUrl, TcpChannel};

/// What was dialled.
#[derive(Default)]
pub struct Dials {
    addresses: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    pub most_at_once: AtomicUsize,
}

impl Dials {
    /// The addresses, in order.
    pub fn all(&self) -> Vec<String> {
        self.addresses.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.addresses.lock().unwrap().len()
    }

    pub fn forget(&self) {
        self.addresses.lock().unwrap().clear();
    }
}

/// TCP, or a channel that fails in one way only.
pub struct Counting {
    tcp: TcpChannel,
    settings: ChannelSettings,
    dials: Arc<Dials>,
    failure: Option<ErrorKind>,
}

impl Counting {
    pub fn new(failure: Option<ErrorKind>) -> (Self, Arc<Dials>) {
        let dials = Arc::<Dials>::default();
        let counting = Self {
            tcp: TcpChannel::client(),
            settings: ChannelSettings::new("counting"),
            dials: Arc::clone(&dials),
            failure,
        };
        (counting, dials)
    }

    pub fn policy(mut self, policy: ConnectPolicy) -> Self {
        self.settings.connect_policy = Some(policy);
        self
    }

    pub fn client(self) -> Host {
        Host::builder().channel(self).start_client().unwrap()
    }
}

impl Channel for Counting {
    fn scheme(&self) -> &'static str {
        "tcp"
    }

    fn settings(&self) -> &ChannelSettings {
        &self.settings
    }

    fn listen(&self, _: Acceptor) -> BoxFuture<'_, Result<Option<Listener>, Error>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn dial<'a>(&'a self, url: &'a ObjectUrl) -> BoxFuture<'a, Result<Dialed, Error>> {
        Box::pin(async move {
            let dials = &self.dials;
            let address = url.authority().to_owned();
            dials.addresses.lock().unwrap().push(address);
            let at_once = 1 + dials.at_once.fetch_add(1, Ordering::SeqCst);
            dials.most_at_once.fetch_max(at_once, Ordering::SeqCst);
            // Others get a chance to dial too.
            tokio::task::yield_now().await;
            let dialed = match self.failure {
                Some(kind) => Err(Error::new(kind, "as the test wants it")),
                None => self.tcp.dial(url).await,
            };
            dials.at_once.fetch_sub(1, Ordering::SeqCst);
            dialed
        })
    }
}
