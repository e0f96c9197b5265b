//! A channel that notes each dialling.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use remoting::channel::{
    Acceptor, BoxFuture, Channel, ChannelSettings, Dialed, Exchange, Listener,
};
use remoting::{CallMessage, ReplyMessage};
use remoting::{ConnectPolicy, Error, ErrorKind, Host, ObjectUrl, TcpChannel};

/// What was dialled.
#[derive(Default)]
pub struct Dials {
    addresses: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    pub most_at_once: AtomicUsize,
    /// How many calls went out without a session.
    pub exchanges: AtomicUsize,
}

impl Dials {
    fn begin(&self, address: &str) {
        self.addresses.lock().unwrap().push(address.to_owned());
        let at_once = 1 + self.at_once.fetch_add(1, Ordering::SeqCst);
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
    }

    fn end(&self) {
        self.at_once.fetch_sub(1, Ordering::SeqCst);
    }

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

/// The way to a server without sessions that cannot be reached.
struct Nowhere(Arc<Dials>);

impl Exchange for Nowhere {
    fn exchange(&self, _: CallMessage) -> BoxFuture<'_, ReplyMessage> {
        self.0.exchanges.fetch_add(1, Ordering::SeqCst);
        let error = Error::new(ErrorKind::ConnectFailed, "as the test wants it");
        Box::pin(std::future::ready(Err(error.into())))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async {
            self.0.begin("probed");
            tokio::task::yield_now().await;
            self.0.end();
            Err(Error::new(ErrorKind::ConnectFailed, "as the test wants it"))
        })
    }
}

/// TCP, or a channel that fails in one way only.
pub struct Counting {
    tcp: TcpChannel,
    settings: ChannelSettings,
    dials: Arc<Dials>,
    failure: Option<ErrorKind>,
    has_no_sessions: bool,
}

impl Counting {
    pub fn new(failure: Option<ErrorKind>) -> (Self, Arc<Dials>) {
        let dials = Arc::<Dials>::default();
        let counting = Self {
            tcp: TcpChannel::client(),
            settings: ChannelSettings::new("counting"),
            dials: Arc::clone(&dials),
            failure,
            has_no_sessions: false,
        };
        (counting, dials)
    }

    /// Gives exchanges instead, by which nobody can be reached.
    pub fn without_sessions(mut self) -> Self {
        self.has_no_sessions = true;
        self
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
            if self.has_no_sessions {
                return Ok(Dialed::Exchange(Arc::new(Nowhere(Arc::clone(&self.dials)))));
            }
            self.dials.begin(url.authority());
            // Others get a chance to dial too.
            tokio::task::yield_now().await;
            let dialed = match self.failure {
                Some(kind) => Err(Error::new(kind, "as the test wants it")),
                None => self.tcp.dial(url).await,
            };
            self.dials.end();
            dialed
        })
    }
}
