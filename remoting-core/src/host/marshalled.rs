//! Objects that are published as they are.

use std::sync::Arc;

use crate::descriptor::InterfaceDescriptor;
use crate::error::{Fault, GoneReason};
use crate::object::{Class, Guard, ServerObject, Tenant};

/// An object that its owner made, in the care of the host.
pub(super) struct Marshalled(pub(super) Arc<Tenant>);

impl Class for Marshalled {
    fn interface(&self) -> &'static InterfaceDescriptor {
        self.0.interface()
    }

    fn guard(&self) -> Option<&Arc<Guard>> {
        ServerObject::guard(&*self.0)
    }

    fn interfaces(&self) -> Vec<&'static InterfaceDescriptor> {
        ServerObject::interfaces(&*self.0)
    }

    fn object(self: Arc<Self>) -> Result<Arc<dyn ServerObject>, Fault> {
        Ok(Arc::clone(&self.0) as _)
    }

    fn named(&self, name: Option<&str>) {
        self.0.rename(name);
    }

    fn taken_back(&self) {
        self.0.go_unnamed(GoneReason::Disconnected);
    }
}
