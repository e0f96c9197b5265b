//! References to marshalled objects, as their host sees them.

use std::fmt;
use std::sync::{Arc, Weak};

use super::HostInner;
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Result};

/// What `Host::marshal` gives: which object of which host. (.NET: `ObjRef`.)
#[derive(Clone)]
pub struct ObjectRef {
    host: Weak<HostInner>,
    name: String,
    interface: &'static InterfaceDescriptor,
}

impl ObjectRef {
    pub(super) fn new(
        host: Weak<HostInner>,
        name: &str,
        interface: &'static InterfaceDescriptor,
    ) -> Self {
        Self {
            host,
            name: name.to_owned(),
            interface,
        }
    }

    /// The name under which the object was marshalled.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its interface.
    pub fn interface(&self) -> &'static str {
        self.interface.name
    }

    /// Where it can be reached now: one URL for each channel that listens.
    pub fn urls(&self) -> Vec<String> {
        self.host
            .upgrade()
            .map(|host| super::Host::from_inner_arc(host).urls(&self.name))
            .unwrap_or_default()
    }
}

impl PartialEq for ObjectRef {
    fn eq(&self, other: &Self) -> bool {
        self.host.ptr_eq(&other.host)
            && self.name == other.name
            && self.interface.id == other.interface.id
    }
}

impl Eq for ObjectRef {}

impl fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectRef({}: {})", self.name, self.interface.name)
    }
}

/// A marshalled object, by its name or by its reference.
#[derive(Debug, Clone)]
pub struct ObjectName(Named);

#[derive(Debug, Clone)]
enum Named {
    Name(String),
    Reference(ObjectRef),
}

impl ObjectName {
    /// The name, if it is one of `host`.
    pub(super) fn on(self, host: &Arc<HostInner>) -> Result<String> {
        match self.0 {
            Named::Name(name) => Ok(name),
            Named::Reference(reference)
                if std::ptr::eq(reference.host.as_ptr(), Arc::as_ptr(host)) =>
            {
                Ok(reference.name)
            }
            Named::Reference(reference) => {
                let text = format!(
                    "`{}` was marshalled by another host, and only that one can disconnect it",
                    reference.name
                );
                Err(Error::new(ErrorKind::NotRegistered, text))
            }
        }
    }
}

impl From<&str> for ObjectName {
    fn from(name: &str) -> Self {
        Self(Named::Name(name.to_owned()))
    }
}

impl From<&ObjectRef> for ObjectName {
    fn from(reference: &ObjectRef) -> Self {
        Self(Named::Reference(reference.clone()))
    }
}

impl From<ObjectRef> for ObjectName {
    fn from(reference: ObjectRef) -> Self {
        Self(Named::Reference(reference))
    }
}
