//! The server's end of a call: objects, and what runs when one is called.
//!
//! An [`Instance`] is one object of the user's with its lock, and what the rest of the
//! crate holds as a [`ServerObject`]; its [`Kind`] knows the interfaces that it is called
//! through. A [`Class`] makes instances: one for all calls, one for each, or one
//! for each client. Generated code turns a [`RawCall`] into a call of the
//! user's method; a [`Running`] keeps its context and catches its panics.

mod apart;
mod call;
mod call_context;
mod class;
mod construct;
pub(crate) mod context;
mod describe;
mod dispatcher;
mod flow;
mod gate;
mod guard;
mod holding;
mod instance;
mod keeper;
mod kind;
mod lease;
mod lock;
mod profile;
mod quotas;
mod reach;
mod report;
mod running;
mod singleton;
mod sinks;
mod sponsors;
mod tenant;
mod tracking;
mod turns;
mod watchdog;
mod workers;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::budget::{ScanError, ScanLimits};
use crate::descriptor::{InterfaceDescriptor, MethodDescriptor};
use crate::error::{Detail, Error, ErrorKind, Fault, GoneReason};
use crate::formatter::{DecodeArguments, FormatError};
use crate::id::{InterfaceId, MethodId};
use crate::lifetime::{LeasePolicy, LeaseState};
use crate::limits::{Counters, Limits, Reached as LimitReached};
use crate::log::Rate;
use crate::payload::Payload;
use crate::peer::Peer;
use crate::proxy::{Company, Reference, Stub, Style, decode_arguments};
use crate::sink::Sinks;

pub(crate) use apart::{News, Trial, poll_timed};
pub use call::{ArgumentBytes, Dispatched, IncomingCall, bytes};
pub(crate) use call::{app_fault, refused};
pub use call_context::CallContext;
pub(crate) use class::Class;
pub use class::Publication;
pub(crate) use construct::NewObject;
pub use construct::{ConstructorCall, Made, not_activatable};
#[cfg(feature = "json")]
pub(crate) use describe::DescribeProxy;
pub(crate) use describe::{ANY, DESCRIBE, Undone};
pub use describe::{Description, MethodDescription};
pub use dispatcher::Dispatcher;
pub use flow::Flow;
pub(crate) use guard::Guard;
pub(crate) use holding::{Busy, Entered, Hold};
pub(crate) use instance::Instance;
pub(crate) use keeper::{Keeper, Names, Vacancy};
pub use kind::AlsoOffers;
pub(crate) use kind::Kind;
pub use lease::{Lease, Sponsor, SponsorDispatcher, SponsorProxy, sponsor_fn};
pub(crate) use profile::{Conduct, Profile, poll_producer};
pub(crate) use reach::{Reached, constructor_of, home, method_named, reach, seen_through};
use running::{Approach, supervise, wait_at_door};
pub(crate) use running::{Running, drop_caught, fault_of};
pub(crate) use sinks::{Around, construct};
pub(crate) use tenant::Tenant;
pub(crate) use tracking::Tracking;
pub use tracking::{Tracked, TrackingEvent, TrackingEvents};
pub(crate) use workers::{Permit, Prepared, Workers, cap, is_slow_here};

/// A future with a name that does not matter.
pub(crate) type Pinned<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An object that calls can reach, whatever it is made of.
pub(crate) trait ServerObject: Send + Sync {
    /// The interface that the object is seen through.
    fn interface(&self) -> &'static InterfaceDescriptor;

    /// The number of that interface.
    fn interface_id(&self) -> InterfaceId {
        self.interface().id
    }

    /// The name that it is called by, if it stands for one.
    fn name(&self) -> Option<Arc<str>> {
        None
    }

    /// Finds a method that can be called.
    fn method(&self, id: MethodId) -> Option<(usize, &'static MethodDescriptor)> {
        self.interface().method(id)
    }

    /// Reads the call's arguments and gives the future that runs it.
    fn dispatch(self: Arc<Self>, call: RawCall<'_>) -> Dispatched;

    /// What the object's origin asks of those who want anything of it.
    fn guard(&self) -> Option<&Arc<Guard>> {
        None
    }

    /// Whether it is another object's guard that is asked, and maybe not always the same one.
    fn is_guarded_elsewhere(&self) -> bool {
        false
    }

    /// Checks that somebody may do anything with the object, and call a method if one is meant, as far as its
    /// origin is concerned.
    ///
    /// # Errors
    ///
    /// `Unauthenticated` for a stranger, `PermissionDenied` for everybody else.
    fn admit(&self, caller: &Peer, method: Option<&MethodDescriptor>) -> Result<(), Fault> {
        self.guard()
            .map_or(Ok(()), |guard| guard.admit(caller, method))
    }

    /// What calls of the object pass through, as far as its origin is concerned.
    fn sinks(&self) -> Sinks {
        self.guard().map(|guard| guard.sinks()).unwrap_or_default()
    }

    /// The interfaces that it is offered through.
    fn interfaces(&self) -> Vec<&'static InterfaceDescriptor> {
        vec![self.interface()]
    }

    /// How long the methods of one of the object's interfaces keep a thread.
    fn profile(&self, interface: InterfaceId) -> &'static Profile;

    /// A number that two faces of the same object share.
    fn identity(&self) -> usize;

    /// The object that a call reaches now: itself, or what is published in its place.
    ///
    /// # Errors
    ///
    /// Why nothing can be called at the moment.
    fn target(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault>;

    /// Begins a call: gives what runs it now.
    ///
    /// # Errors
    ///
    /// Why it cannot be called.
    fn enter(self: Arc<Self>) -> Result<Entered, Fault>;

    /// The tenant through which calls come to the object, if it is in a host's care.
    fn tenant(self: Arc<Self>) -> Option<Arc<Tenant>> {
        None
    }

    /// The tenant whose lease decides about the object.
    fn leased(self: Arc<Self>) -> Option<Arc<Tenant>> {
        self.tenant()
    }

    /// What is said of the lease where there is none.
    fn lease_state(&self) -> LeaseState {
        LeaseState::None
    }

    /// One more interface of the object.
    fn facet(&self, _interface: InterfaceId) -> Option<&'static InterfaceDescriptor> {
        None
    }

    /// Whether a panic has left it in an unknown state.
    fn is_poisoned(&self) -> bool {
        false
    }

    /// Whether a host that hands the object out has to take care of it.
    fn wants_care(&self) -> bool {
        false
    }

    /// How long it is to live, if it was said.
    fn policy(&self) -> Option<Arc<LeasePolicy>> {
        None
    }

    /// Who is asked when its lease is over, from the beginning.
    fn sponsors(&self) -> Vec<SponsorProxy> {
        Vec::new()
    }

    /// Its host lets it go.
    fn on_released(&self, _reason: GoneReason) {}

    /// The proxy that the object is made of, if it is one.
    fn home(&self) -> Option<Reference> {
        None
    }
}

/// Implemented by generated code: how calls of an interface reach a `T`.
pub trait Dispatch<T>: Stub {
    /// Runs the method that `call` is for.
    fn dispatch(call: IncomingCall<'_, T>) -> Dispatched;
}

/// Implemented by generated code for interfaces with constructors, over objects that have them.
#[diagnostic::on_unimplemented(
    message = "clients cannot activate a `{T}` through `{Self}`: its interface has no `#[constructor]`",
    note = "add a constructor to the trait, or publish with `singleton`, `single_call` or `marshal`"
)]
pub trait Construct<T>: Dispatch<T> {
    /// Runs the constructor that `call` is for.
    fn construct(call: ConstructorCall<'_>) -> Made<T>;
}

/// Implemented by generated code for interfaces with constructors, over their factories.
pub trait ConstructWith<F>: Dispatch<Self::Object> {
    /// What the factory makes.
    type Object: Send + Sync + 'static;

    /// Runs the factory's method that `call` is for.
    fn construct(call: ConstructorCall<'_, F>) -> Made<Self::Object>;
}

/// Implemented by generated code for interfaces without a `&mut self` method.
#[diagnostic::on_unimplemented(
    message = "the interface of `{Self}` has methods that take `&mut self`, so its objects cannot be shared as they are",
    note = "use `Dispatcher::new(object)`, which puts a lock around the object"
)]
pub trait Shared {}

/// A call on its way to a method, its arguments still as bytes.
#[derive(Debug, Clone)]
pub(crate) struct RawCall<'f> {
    /// The interface that the call came through.
    pub(crate) interface: InterfaceId,
    pub(crate) method: &'static MethodDescriptor,
    pub(crate) index: usize,
    pub(crate) payload: Bytes<'f>,
    pub(crate) style: Style,
    pub(crate) limits: ScanLimits,
}

/// Bytes of the frame being read, without references, or a payload that outlives it.
#[derive(Debug, Clone)]
pub(crate) enum Bytes<'f> {
    Borrowed(&'f [u8]),
    Owned(Payload),
}

impl Bytes<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(payload) => payload.as_slice(),
        }
    }
}

impl RawCall<'_> {
    /// Copies the arguments out of the frame, so that the call can wait.
    pub(crate) fn into_owned(self) -> RawCall<'static> {
        let payload = match self.payload {
            Bytes::Borrowed(bytes) => Payload::from(bytes),
            Bytes::Owned(payload) => payload,
        };
        RawCall {
            interface: self.interface,
            method: self.method,
            index: self.index,
            payload: Bytes::Owned(payload),
            style: self.style,
            limits: self.limits,
        }
    }

    /// Reads arguments that own what they hold.
    pub(crate) fn arguments<A: for<'de> DecodeArguments<'de>>(&self) -> Result<A, Fault> {
        self.borrowed_arguments()
    }

    /// Reads arguments that may borrow from the call's bytes.
    pub(crate) fn borrowed_arguments<'a, A: DecodeArguments<'a>>(&'a self) -> Result<A, Fault> {
        let (names, bytes) = (self.method.arguments, self.payload.as_slice());
        let company = match &self.payload {
            Bytes::Borrowed(_) => Company::None,
            Bytes::Owned(payload) => self.style.company(payload),
        };
        decode_arguments(&self.style.formatter, names, bytes, company, self.limits)
            .map_err(|error| bad_arguments(self.method.name, &error))
    }
}

/// The fault for arguments that could not be read. What a type did not like stays in the log, since
/// it may name types; what a limit did not like is told.
fn bad_arguments(method: &str, error: &FormatError) -> Fault {
    static LINES: Rate = Rate::new();
    let text = format!("the arguments of `{method}` could not be read");
    if let FormatError::Scan(reason) = error {
        let refused = Error::new(ErrorKind::BadArguments, format!("{text}: {error}"));
        return Fault::Error(match reason {
            ScanError::TooDeep { .. } => refused.with_source(LimitReached::Depth),
            ScanError::TooManyElements { .. } => refused.with_source(LimitReached::Elements),
            ScanError::Malformed(_) => refused,
        });
    }
    let correlation = correlation();
    if LINES.line().is_some() {
        tracing::warn!(
            target: "remoting::call",
            method,
            correlation = format_args!("{correlation:016x}"),
            "{text}: {}",
            crate::log::clean(&error.to_string()),
        );
    }
    let detail = Detail::new(&text, &error.to_string());
    let refused = Error::new(ErrorKind::BadArguments, text).with_source(detail);
    Fault::Error(refused.with_correlation(correlation))
}

/// Refuses a call that stands below too many others.
pub(crate) fn check_depth(depth: u32, limits: &Limits, counters: &Counters) -> Result<(), Fault> {
    let most = limits.call_depth;
    if usize::try_from(depth).unwrap_or(usize::MAX) <= most {
        return Ok(());
    }
    counters.call_depth.add();
    let text = format!(
        "the call stands below {most} others, each made by the one before; calls that call back without end end here"
    );
    Err(Fault::refused(ErrorKind::ResourceExhausted, text))
}

/// A correlation number for one log line and the error that points to it.
pub(crate) fn correlation() -> u64 {
    u64::from_le_bytes(crate::id::random_bytes())
}

/// The fault for something that went wrong in the user's code: the text stays in the log.
pub(crate) fn internal(method: &str, what: &str, detail: &str) -> Fault {
    static LINES: Rate = Rate::new();
    let correlation = correlation();
    if LINES.line().is_some() {
        tracing::error!(
            target: "remoting::call",
            method,
            correlation = format_args!("{correlation:016x}"),
            "{what}: {}",
            crate::log::clean(detail),
        );
    }
    let error = Error::new(
        ErrorKind::Internal,
        format!("{what}; the server's log has the details"),
    )
    .with_executed(crate::error::Executed::Yes)
    .with_source(Detail::new(what, detail))
    .with_correlation(correlation);
    Fault::Error(error)
}
