//! What is known of an interface at compile time.
//!
//! The macro writes one [`InterfaceDescriptor`] per interface; everything that
//! happens to a call on its way is decided by the [`MethodDescriptor`] it carries.

use crate::id::{InterfaceId, MethodId};

/// An interface: its name, its numbers and its methods.
#[derive(Debug)]
#[non_exhaustive]
pub struct InterfaceDescriptor {
    /// The name that peers agree on.
    pub name: &'static str,
    /// The hash of the name; peers that differ in it never talk.
    pub id: InterfaceId,
    /// The hash of all signatures; a difference only tells that versions differ.
    pub signature: u64,
    /// The methods, in the order of the trait.
    pub methods: &'static [MethodDescriptor],
    /// The constructors, in the order of the trait.
    pub constructors: &'static [MethodDescriptor],
    /// Whether any method takes `&mut self`, so that its objects need a lock.
    pub exclusive: bool,
}

impl InterfaceDescriptor {
    /// Describes an interface without methods.
    pub const fn new(name: &'static str, signature: u64) -> Self {
        Self {
            name,
            id: InterfaceId::of(name),
            signature,
            methods: &[],
            constructors: &[],
            exclusive: false,
        }
    }

    /// Adds the methods, in the order of the trait.
    pub const fn methods(mut self, methods: &'static [MethodDescriptor]) -> Self {
        self.methods = methods;
        let mut index = 0;
        while index < methods.len() {
            self.exclusive |= methods[index].exclusive;
            index += 1;
        }
        self
    }

    /// Adds the constructors, in the order of the trait.
    pub const fn constructors(mut self, constructors: &'static [MethodDescriptor]) -> Self {
        self.constructors = constructors;
        self
    }

    /// Finds a method by its hash.
    pub fn method(&self, id: MethodId) -> Option<(usize, &'static MethodDescriptor)> {
        self.methods
            .iter()
            .enumerate()
            .find(|(_, method)| method.id == id)
    }

    /// Finds a constructor by its hash.
    pub fn constructor(&self, id: MethodId) -> Option<(usize, &'static MethodDescriptor)> {
        self.constructors
            .iter()
            .enumerate()
            .find(|(_, method)| method.id == id)
    }
}

/// A method or constructor: its names and what its attributes ask for.
#[derive(Debug)]
#[non_exhaustive]
pub struct MethodDescriptor {
    /// The wire name: the method's own, or that of `#[rename]`.
    pub name: &'static str,
    /// The hash of the wire name.
    pub id: MethodId,
    /// The names of the arguments, in order.
    pub arguments: &'static [&'static str],
    /// Takes `&mut self`: one call at a time.
    pub exclusive: bool,
    /// `#[oneway]`: nobody waits for an answer.
    pub oneway: bool,
    /// `#[idempotent]`: may be run again.
    pub idempotent: bool,
    /// `#[readonly]`: changes nothing.
    pub readonly: bool,
    /// `#[detached]`: runs on when its caller is gone.
    pub detached: bool,
    /// `#[cancel_safe]`: may be cut although it takes `&mut self`.
    pub cancel_safe: bool,
    /// `#[blocking]`: runs on the blocking pool.
    pub blocking: bool,
    /// Its result has a `Streaming` in it.
    pub streams: bool,
    /// The place of the one argument that is a `Streaming`.
    pub stream_argument: Option<usize>,
    /// `#[roles(..)]`: one of these is what callers need; anybody may call where there are none.
    pub roles: &'static [&'static str],
}

impl MethodDescriptor {
    /// Describes a method that takes `&self` and has no attributes.
    pub const fn new(name: &'static str, arguments: &'static [&'static str]) -> Self {
        Self {
            name,
            id: MethodId::of(name),
            arguments,
            exclusive: false,
            oneway: false,
            idempotent: false,
            readonly: false,
            detached: false,
            cancel_safe: false,
            blocking: false,
            streams: false,
            stream_argument: None,
            roles: &[],
        }
    }

    /// Marks a method that takes `&mut self`.
    pub const fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// Marks a `#[oneway]` method.
    pub const fn oneway(mut self) -> Self {
        self.oneway = true;
        self
    }

    /// Marks an `#[idempotent]` method.
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Marks a `#[readonly]` method.
    pub const fn readonly(mut self) -> Self {
        self.readonly = true;
        self
    }

    /// Marks a `#[detached]` method.
    pub const fn detached(mut self) -> Self {
        self.detached = true;
        self
    }

    /// Marks a `#[cancel_safe]` method.
    pub const fn cancel_safe(mut self) -> Self {
        self.cancel_safe = true;
        self
    }

    /// Sets the roles of `#[roles(..)]`.
    pub const fn roles(mut self, roles: &'static [&'static str]) -> Self {
        self.roles = roles;
        self
    }

    /// Marks a `#[blocking]` method.
    pub const fn blocking(mut self) -> Self {
        self.blocking = true;
        self
    }

    /// Marks a method whose result has a `Streaming` in it.
    pub const fn streams(mut self) -> Self {
        self.streams = true;
        self
    }

    /// Says which one argument is a `Streaming`.
    pub const fn stream_argument(mut self, place: usize) -> Self {
        self.stream_argument = Some(place);
        self
    }

    /// Tells whether a call that runs may be cut when nobody waits for it any more.
    pub(crate) const fn may_be_cut(&self) -> bool {
        !self.detached && (!self.exclusive || self.cancel_safe)
    }
}
