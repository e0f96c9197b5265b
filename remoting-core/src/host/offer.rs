//! What a host offers: publishing and taking back.

use std::sync::Arc;

use super::Host;
use super::object_ref::{ObjectName, ObjectRef};
use crate::error::{Error, ErrorKind, Result};
use crate::object::{Dispatch, Dispatcher, Publication};

impl Host {
    /// Offers objects under a name: what `singleton`, `single_call` and `activated` of a dispatcher make.
    ///
    /// The names are the same on every channel.
    ///
    /// # Errors
    ///
    /// - `NameTaken`: something is published under that name, or an interface clashes with another one.
    /// - `Config`: roles are asked for a method that the interface does not have.
    /// - `InvalidUrl`: the name has other characters than letters, digits, `.`, `_`, `-`, or more than 128.
    pub fn publish<T>(&self, name: &str, publication: Publication<T>) -> Result<()> {
        self.0.registry.publish(name, publication.class)
    }

    /// Takes a publication back, however it was published. Tells whether there was one.
    ///
    /// Calls that run go on; later ones end with `ObjectGone(Disconnected)`. Objects
    /// that clients have activated stay theirs.
    pub fn unpublish(&self, name: &str) -> bool {
        self.0.registry.withdraw(name, false).unwrap_or(false)
    }

    /// Offers an object that already lives under a name.
    ///
    /// The same object under the same name again gives the same reference. An object
    /// that was disconnected may be marshalled again, and proxies got by its name work
    /// again. (.NET: `RemotingServices.Marshal`.)
    ///
    /// # Errors
    ///
    /// `NameTaken` if the name stands for something else, or the object has another
    /// name; those of [`Host::publish`].
    pub fn marshal<P, T>(&self, name: &str, object: Dispatcher<P, T>) -> Result<ObjectRef>
    where
        P: Dispatch<T>,
        T: Send + Sync + 'static,
    {
        self.0.registry.marshal(name, object.into_object())?;
        Ok(ObjectRef::new(
            Arc::downgrade(&self.0),
            name,
            P::interface(),
        ))
    }

    /// Takes a marshalled object back: true the first time, false when it was gone already.
    ///
    /// - `object`: its name, or what `marshal` gave.
    ///
    /// # Errors
    ///
    /// `NotRegistered` if the reference is another host's, or the name was published
    /// rather than marshalled. (.NET: `RemotingServices.Disconnect`.)
    pub fn disconnect(&self, object: impl Into<ObjectName>) -> Result<bool> {
        let name = object.into().on(&self.0)?;
        self.0.registry.withdraw(&name, true)
    }

    /// The names under which something is published, sorted.
    pub fn published(&self) -> Vec<String> {
        let mut names = self.0.registry.names();
        names.sort_unstable();
        names
    }

    /// The URL of a publication, through the channel of highest priority that listens.
    ///
    /// # Errors
    ///
    /// - `NotFound`: nothing is published under that name.
    /// - `NoChannel`: no channel listens.
    pub fn url(&self, name: &str) -> Result<String> {
        if !self.0.registry.is_published(name) {
            let text = format!("nothing is published here under the name `{name}`");
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        let first = self.urls(name).into_iter().next();
        first.ok_or_else(|| Error::new(ErrorKind::NoChannel, "no channel of this host listens"))
    }

    /// The URLs of a publication: one for each channel that listens, those of higher priority
    /// first. None while nothing is published under that name.
    pub fn urls(&self, name: &str) -> Vec<String> {
        if !self.0.registry.is_published(name) {
            return Vec::new();
        }
        let channels = self.channels();
        channels
            .iter()
            .filter_map(|channel| channel.url(name))
            .collect()
    }
}
