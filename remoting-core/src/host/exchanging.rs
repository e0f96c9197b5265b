//! Calls through a channel without sessions, and the way round it for those that need one.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::named::NamedEndpoint;
use super::peers::host_is_gone;
use crate::channel::{BoxFuture, Exchange};
use crate::clock;
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::payload::Payload;
use crate::proxy::{CallState, Fetched, OnRuntime, Redeem, Reference};
use crate::sink::{CallMessage, ReplyMessage};
use crate::url::{ObjectUrl, is_ticket};
use crate::wire::MAX_REFERENCES;

/// The way to an object over a session, made when a call needs it first.
pub(super) struct OverSession {
    url: ObjectUrl,
    endpoint: OnceLock<Arc<NamedEndpoint>>,
}

impl OverSession {
    pub(super) fn new(url: ObjectUrl) -> Self {
        let endpoint = OnceLock::new();
        Self { url, endpoint }
    }

    /// The endpoint, if a call has needed it.
    pub(super) fn found(&self) -> Option<&Arc<NamedEndpoint>> {
        self.endpoint.get()
    }
}

impl NamedEndpoint {
    /// What takes a call instead, if it needs a session and there is a way to one: objects are made
    /// for a session, objects of this side are called back over it, streams go beside its calls, and answers are
    /// kept there for calls on them.
    pub(super) fn over_session(&self, call: &CallState) -> Option<&Arc<NamedEndpoint>> {
        let session = self.session.as_ref()?;
        let streams = call.method().is_some_and(|method| method.streams);
        let is_plain = call.promise.is_none() && !call.payload.has_attached();
        let needs = call.is_constructor() || streams || !is_plain;
        needs.then(|| {
            session
                .endpoint
                .get_or_init(|| self.another(session.url.clone(), self.interface))
        })
    }

    /// Sends a call through a channel without sessions.
    pub(super) fn exchange(
        &self,
        exchange: Arc<dyn Exchange>,
        call: &CallState,
    ) -> Result<Reply, Fault> {
        self.check_exchange(call)?;
        let method = call
            .method_id()
            .ok_or_else(|| Fault::of(ErrorKind::NoSuchMethod))?;
        let now = clock::now();
        let deadline = call.deadline.unwrap_or(now);
        let left = deadline.saturating_duration_since(now);
        let mut message = CallMessage::new(
            self.url.name(),
            self.interface.id,
            method,
            call.formatter.clone(),
            left,
        );
        message.method_name = call.method().map(|method| method.name);
        message.payload = call.payload.clone();
        message.max_message = self.max_message;
        message.depth = call.depth;
        if !call.is_oneway() {
            message.locks = call.locks.clone();
        }
        message.headers = call
            .options
            .as_ref()
            .map(|options| options.headers.clone())
            .unwrap_or_default();
        let redeemer = Redeemer {
            called: self.own.clone(),
            exchange: Arc::clone(&exchange),
            holdings: Mutex::default(),
        };
        let sent = within(deadline, async move {
            let reply = exchange.exchange(message).await;
            redeemer.attach_to(reply)
        });
        if call.is_oneway() {
            crate::proxy::runtime().spawn(async move { drop(sent.await) });
            let nothing = Fetched::nothing(&call.formatter).payload;
            return Ok(Box::pin(std::future::ready(Ok(nothing))));
        }
        Ok(Box::pin(OnRuntime::new(sent)))
    }

    /// Refuses what cannot be sent without a session, or not at all.
    fn check_exchange(&self, call: &CallState) -> Result<(), Fault> {
        let text = if call.is_constructor() {
            "objects cannot be activated over a channel that has no sessions; \
                activate them through one that has, such as `tcp://`"
        } else if call.payload.has_attached() {
            "objects cannot be passed by reference over a channel that has no \
                sessions; call through one that has, such as `tcp://`"
        } else if call.method().is_some_and(|method| method.streams) {
            "streams need a channel that has sessions; call through one, such as `tcp://`"
        } else if call.payload.len() > self.max_message {
            if let Some(host) = self.host.upgrade() {
                host.registry.counters.max_message.add();
            }
            return Err(Fault::refused(ErrorKind::TooLarge, TOO_LARGE));
        } else {
            return Ok(());
        };
        Err(Fault::refused(ErrorKind::Unsupported, text))
    }
}

/// The answer of a call that is on its way.
type Reply = BoxFuture<'static, Result<Payload, Fault>>;

const TOO_LARGE: &str = "the arguments are larger than `max_message` of this side allows";

/// Bounds a call by its deadline.
async fn within(
    deadline: std::time::Instant,
    call: impl Future<Output = Result<Payload, Fault>>,
) -> Result<Payload, Fault> {
    tokio::time::timeout_at(deadline.into(), call)
        .await
        .unwrap_or_else(|_| {
            let kind = ErrorKind::DeadlineExceeded;
            Err(Fault::Error(
                Error::new(kind, "the call's deadline has passed").with_executed(Executed::Unknown),
            ))
        })
}

/// An object that came by ticket. Dropped, it gives the ticket back.
pub(super) struct Holding {
    exchange: Arc<dyn Exchange>,
    name: String,
}

impl Drop for Holding {
    fn drop(&mut self) {
        crate::proxy::runtime().spawn(self.exchange.release(&self.name));
    }
}

/// Makes proxies of the tickets in an answer.
struct Redeemer {
    /// The way to the object that was called.
    called: Weak<NamedEndpoint>,
    exchange: Arc<dyn Exchange>,
    /// The objects of the answer so far: one may stand there twice.
    holdings: Mutex<Vec<Arc<Holding>>>,
}

impl Redeemer {
    /// Goes along with an answer, unless it has its objects beside it.
    fn attach_to(self, mut reply: ReplyMessage) -> ReplyMessage {
        if let Ok(payload) | Err(Fault::App(payload)) = &mut reply {
            if !payload.has_attached() {
                let redeem: Arc<dyn Redeem> = Arc::new(self);
                payload.attach(redeem);
            }
        }
        reply
    }

    fn holding(&self, name: &str) -> Result<Arc<Holding>, Error> {
        let mut holdings = self.holdings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = holdings.iter().find(|known| known.name == name) {
            return Ok(Arc::clone(known));
        }
        if holdings.len() >= MAX_REFERENCES {
            let text = format!("the answer holds more than {MAX_REFERENCES} objects");
            return Err(Error::new(ErrorKind::BadResult, text));
        }
        let holding = Arc::new(Holding {
            exchange: Arc::clone(&self.exchange),
            name: name.to_owned(),
        });
        holdings.push(Arc::clone(&holding));
        Ok(holding)
    }
}

impl Redeem for Redeemer {
    fn redeem(&self, path: &str, wanted: &'static InterfaceDescriptor) -> Result<Reference, Error> {
        let name = path.strip_prefix('/').filter(|name| is_ticket(name));
        let name = name.ok_or_else(|| {
            let text = "the answer holds something else in the place of an object's path";
            Error::new(ErrorKind::BadResult, text)
        })?;
        let called = self.called.upgrade().ok_or_else(host_is_gone)?;
        let (host, channel) = (called.host.clone(), Arc::clone(&called.channel));
        let url = called.url.sibling(name.to_owned());
        let holding = Some(self.holding(name)?);
        Ok(Reference::new(NamedEndpoint::new(
            host, channel, url, wanted, holding,
        )))
    }
}
