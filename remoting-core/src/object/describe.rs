//! What an object can do, for those who do not have its trait.
//!
//! Each object tells by an ordinary call, beside its own methods; so it can be asked over each
//! channel.

use std::sync::{Arc, LazyLock};

use remoting_macros::remote;
use serde::{Deserialize, Serialize};

use super::{
    Class, Dispatched, Entered, Guard, Instance, Kind, Profile, RawCall, Reached, ServerObject,
    refused,
};
use crate::descriptor::{InterfaceDescriptor, MethodDescriptor};
use crate::error::{ErrorKind, Fault, Result};
use crate::id::{InterfaceId, MethodId};
use crate::proxy::Stub;

/// An interface, as its objects describe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// The name of the interface.
    pub interface: String,
    /// Its number, in 16 hexadecimal digits.
    pub id: String,
    /// Its methods, in the order of the trait.
    pub methods: Vec<MethodDescription>,
    /// Its constructors, in the order of the trait.
    pub constructors: Vec<MethodDescription>,
}

/// A method or a constructor, as it is described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MethodDescription {
    /// The name that calls have.
    pub name: String,
    /// The names of the arguments, in order.
    pub arguments: Vec<String>,
    /// It changes nothing.
    pub readonly: bool,
    /// It may be run again when nobody knows whether it ran.
    pub idempotent: bool,
    /// It is answered before it has run.
    pub oneway: bool,
}

impl From<&InterfaceDescriptor> for Description {
    fn from(interface: &InterfaceDescriptor) -> Self {
        let all = |methods: &[MethodDescriptor]| methods.iter().map(Into::into).collect();
        Self {
            interface: interface.name.to_owned(),
            id: format!("{:016x}", interface.id.0),
            methods: all(interface.methods),
            constructors: all(interface.constructors),
        }
    }
}

impl From<&MethodDescriptor> for MethodDescription {
    fn from(method: &MethodDescriptor) -> Self {
        Self {
            name: method.name.to_owned(),
            arguments: method
                .arguments
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
            readonly: method.readonly,
            idempotent: method.idempotent,
            oneway: method.oneway,
        }
    }
}

/// What every object offers beside its own interface.
#[remote(name = "remoting.Object")]
pub(crate) trait Describe {
    #[rename = "$describe"]
    async fn describe(&self) -> Result<Description>;
}

/// The number of the interface that stands for whichever an object has.
pub(crate) const ANY: InterfaceId = InterfaceId::of("remoting.Object");

/// The number of the method by which an object describes itself.
pub(crate) const DESCRIBE: MethodId = MethodId::of("$describe");

/// The interface that every object offers beside its own.
pub(crate) fn interface() -> &'static InterfaceDescriptor {
    DescribeProxy::interface()
}

/// The host's end.
struct Described(&'static InterfaceDescriptor);

impl Describe for Described {
    async fn describe(&self) -> Result<Description> {
        Ok(Description::from(self.0))
    }
}

/// The object that describes another one, of this interface.
fn control(interface: &'static InterfaceDescriptor) -> Arc<dyn ServerObject> {
    static KIND: LazyLock<Arc<Kind<Described>>> = LazyLock::new(Kind::new::<DescribeProxy>);
    Arc::new(Instance::new(Described(interface), &KIND))
}

/// Finds what runs a call of the method by which `target` describes itself.
///
/// # Errors
///
/// `NoSuchMethod` for every other method.
pub(super) fn reach(
    target: &dyn ServerObject,
    method: MethodId,
) -> std::result::Result<Reached, Fault> {
    let found = interface().method(method);
    let (index, method) = found.ok_or_else(|| Fault::of(ErrorKind::NoSuchMethod))?;
    Ok(Reached {
        object: control(target.interface()),
        interface: ANY,
        index,
        method,
        busy: None,
        sinks: target.sinks(),
    })
}

/// What stands for a publication that has no object, only constructors: it can be described.
pub(crate) struct Undone {
    interface: &'static InterfaceDescriptor,
    /// Why it cannot be called.
    fault: Fault,
    guard: Option<Arc<Guard>>,
}

impl Undone {
    pub(crate) fn new(class: &dyn Class, fault: Fault) -> Self {
        Self {
            interface: class.interface(),
            fault,
            guard: class.guard().cloned(),
        }
    }
}

impl ServerObject for Undone {
    fn interface(&self) -> &'static InterfaceDescriptor {
        self.interface
    }

    fn guard(&self) -> Option<&Arc<Guard>> {
        self.guard.as_ref()
    }

    fn dispatch(self: Arc<Self>, _call: RawCall<'_>) -> Dispatched {
        refused(self.fault.clone())
    }

    fn profile(&self, _interface: InterfaceId) -> &'static Profile {
        Profile::unknown()
    }

    fn identity(&self) -> usize {
        std::ptr::from_ref(self).cast::<()>() as usize
    }

    fn target(self: Arc<Self>) -> std::result::Result<Arc<dyn ServerObject>, Fault> {
        Ok(self)
    }

    fn enter(self: Arc<Self>) -> std::result::Result<Entered, Fault> {
        Err(self.fault.clone())
    }
}
