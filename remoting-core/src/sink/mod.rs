//! What is between the two ends of a call.
//!
//! A [`MessageSink`] sees calls pass, on their way out of a host or on their way in, and their replies on the way
//! back: to log, count, check or answer them. In .NET: `IMessageSink`.
//!
//! ```
//! use remoting_core::Error;
//! use remoting_core::sink::{MessageSink, MethodCall, MethodReply, Next};
//!
//! /// Tells what was called, and for how long.
//! struct Timing;
//!
//! impl MessageSink for Timing {
//!     async fn process(&self, call: MethodCall, next: Next<'_>) -> MethodReply {
//!         let name = format!("{}::{}", call.interface(), call.method());
//!         let begun = std::time::Instant::now();
//!         let reply = next.run(call).await;
//!         println!("{name}: {:?}, {:?}", begun.elapsed(), reply.error());
//!         reply
//!     }
//! }
//!
//! # fn main() -> remoting_core::Result<()> {
//! let host = remoting_core::Host::builder().client_sink(Timing).server_sink(Timing).start_client()?;
//! # drop(host);
//! # Ok(())
//! # }
//! ```
//!
//! # Which calls
//!
//! - `HostBuilder::client_sink`: those that leave the host through a channel, whatever they call.
//! - `HostBuilder::server_sink`: those that come to the host through a channel, constructors and the methods that every object has
//!   included, when it was found out who calls and that the caller may. Not among them is what HTTP asks without a call: GETs that
//!   describe, renewing and giving back tickets, and requests with a key whose answer is kept.
//! - `TcpChannel::sink`, `HttpChannel::sink`: those among them that leave or come through this channel, behind the host's.
//! - `Publication::sink` and `Dispatcher::sink`: those of these objects, made in their own process included. They come after
//!   all others.
//!
//! The first sink that was added is the outermost one. A call that is answered by a sink goes no further. Nothing of
//! this costs a host anything that has no sinks.

mod call;
mod chain;
mod exposition;
mod faults;
mod limit;
mod logging;
mod message;
mod metrics;
mod outcome;
mod retry;
mod spans;

pub use crate::trace::TraceContext;
pub(crate) use call::{Body, Carried};
pub use call::{MethodCall, MethodReply, Side};
pub use chain::{MessageSink, Next, SinkRef};
pub(crate) use chain::{Sinks, is_of_sink, of_sink};
pub use faults::Faults;
pub use limit::ConcurrencyLimit;
pub use logging::Logging;
pub use message::{CallMessage, ReplyMessage, Ticket};
pub use metrics::{MethodMetrics, Metrics};
pub use retry::Retry;
pub use spans::Tracing;
