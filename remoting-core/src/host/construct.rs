//! Constructors that are called without a session: what they make gets a ticket.

use std::sync::Arc;

use super::exchange::{Through, call_of, check};
use super::registry::Registry;
use crate::clock;
use crate::connection::Service;
use crate::error::{Error, ErrorKind, Executed, Fault};
use crate::object::{NewObject, Running, cap, construct as construct_through, constructor_of};
use crate::peer::Peer;
use crate::sink::{CallMessage, Ticket};

/// Runs a constructor, and gives a ticket for the object. A dropped future gives the constructor up,
/// and lets go what it has made.
///
/// - `call`: its method is the constructor's number.
pub(super) async fn run(
    registry: Arc<Registry>,
    through: Through,
    call: CallMessage,
    peer: Arc<Peer>,
) -> Result<Ticket, Fault> {
    let shows_details = registry.shows_details(&peer);
    let made = construct(&registry, &through, call, peer).await;
    let made = made.inspect_err(|fault| registry.counters.count(fault));
    made.map_err(|fault| fault.shown(shows_details))
}

async fn construct(
    registry: &Arc<Registry>,
    through: &Through,
    call: CallMessage,
    peer: Arc<Peer>,
) -> Result<Ticket, Fault> {
    let Through {
        limits,
        sinks,
        calls,
    } = through;
    check(registry, limits, &call)?;
    let class = registry.class(&call.object, call.interface, &peer)?;
    let interface = class.interface();
    let method = constructor_of(&*class, call.method, &peer)?;
    let vacancy = registry.keeper().vacancy_of(&peer)?;
    let owner = peer.principal().cloned();
    let permit = registry.workers().admit()?;
    let name = call.object.clone();
    let now = clock::now();
    let conduct = class.conduct(method.0);
    let (raw, mut context) = call_of((registry, limits), call, (interface.id, method), peer, now)?;
    let deadline = context.deadline;
    context.conduct = conduct;
    let mut running = Running::start(context, || construct_through(sinks, &class, &name, raw));
    let _underway = calls.add(running.cancellation());
    let workers = registry.workers();
    let making = workers.construct(running, cap(now, limits.max_deadline), conduct);
    let made = tokio::time::timeout_at(deadline.into(), making)
        .await
        .map_err(|_| {
            let text = "the deadline passed while the object was being made";
            let error = Error::new(ErrorKind::DeadlineExceeded, text);
            Fault::Error(error.with_executed(Executed::Unknown))
        })??;
    drop(permit);
    let NewObject { object, headers } = made;
    let tenant = registry.keeper().take_in(object, vacancy, None);
    let tickets = &registry.tickets;
    let given = tickets.give(registry.keeper(), &tenant, owner.as_ref());
    let ticket = given.map_err(Fault::after_execution)?;
    Ok(Ticket { headers, ..ticket })
}
