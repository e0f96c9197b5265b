//! Where the program's interfaces live, said once at the start.
//!
//! A constructor such as `AccountProxy::open(..)` names no host, so activated
//! interfaces are registered for the whole process; the registration ends with its
//! host. (.NET: `RegisterActivatedClientType`, `RegisterWellKnownClientType`.)

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use super::{Host, HostInner};
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::formatter::Arguments;
use crate::id::InterfaceId;
use crate::proxy::{Activator, Call, CallError, Stub};

static ACTIVATED: LazyLock<Mutex<HashMap<InterfaceId, Registration>>> =
    LazyLock::new(Mutex::default);

struct Registration {
    host: Weak<HostInner>,
    url: String,
}

fn activated() -> MutexGuard<'static, HashMap<InterfaceId, Registration>> {
    ACTIVATED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers where objects of an interface are activated.
pub(super) fn register(
    host: Weak<HostInner>,
    interface: &InterfaceDescriptor,
    url: &str,
) -> Result<()> {
    let mut table = activated();
    if let Some(known) = table
        .get(&interface.id)
        .filter(|known| known.host.strong_count() > 0)
    {
        let text = format!(
            "`{}` is registered for activation at {} already",
            interface.name, known.url
        );
        return Err(Error::new(ErrorKind::NameTaken, text));
    }
    table.insert(
        interface.id,
        Registration {
            host,
            url: url.to_owned(),
        },
    );
    Ok(())
}

/// Forgets what a host registered.
pub(super) fn forget(host: &HostInner) {
    activated().retain(|_, known| {
        known.host.strong_count() > 0 && !std::ptr::eq(known.host.as_ptr(), host)
    });
}

/// A constructor call at the URL that was registered for the interface; what `AccountProxy::open(..)` does.
pub fn activate_registered<A, P, E>(
    interface: &'static InterfaceDescriptor,
    index: usize,
    arguments: A,
) -> Call<P, E>
where
    A: Arguments,
    P: Stub,
    E: CallError,
{
    let known = activated()
        .get(&interface.id)
        .and_then(|known| Some((known.host.upgrade()?, known.url.clone())));
    let activator = match known {
        Some((inner, url)) => Host::from_inner_arc(inner).activator(&url, interface),
        None => {
            let text = format!(
                "`{0}` is not registered for activation; call `host.register_activated::<{0}Proxy>(url)` first, \
                 or use `{0}Proxy::local(..)` for an object in this process",
                interface.name
            );
            Err(Error::new(ErrorKind::NotRegistered, text))
        }
    };
    match activator {
        Ok(activator) => activator.construct(interface, index, arguments),
        Err(error) => Activator::failed(Fault::Error(error)).construct(interface, index, arguments),
    }
}
