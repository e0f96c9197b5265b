//! What a host calls: finding objects at other hosts.

use std::sync::{Arc, PoisonError};

use super::channels::Registered;
use super::named::NamedEndpoint;
use super::{Host, registrations};
use crate::channel::check_addresses;
use crate::descriptor::InterfaceDescriptor;
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::proxy::{Activatable, Activator, Proxy, Reference};
use crate::url::ObjectUrl;

impl Host {
    /// Makes a proxy of an object at a URL. Nothing is sent: the first call connects.
    ///
    /// # Errors
    ///
    /// - `InvalidUrl`: the URL is not like `tcp://127.0.0.1:8080/bank`, or its channel cannot dial
    ///   such an address.
    /// - `NoChannel`: the host has no channel for the URL's scheme.
    ///
    /// (.NET: `Activator.GetObject`.)
    pub fn get<P: Proxy>(&self, url: &str) -> Result<P> {
        Ok(P::from_reference(Reference::new(
            self.endpoint(url, P::interface())?,
        )))
    }

    /// Makes a proxy of an object at a URL, and finds out whether it is there.
    ///
    /// # Errors
    ///
    /// Those of [`Host::get`]; `ConnectFailed` if nobody answers at the address;
    /// `NotFound`, `ObjectGone` or `WrongInterface` if the object is not what was expected. Whether a host that cannot
    /// be reached is waited for, a [`ConnectPolicy`](crate::ConnectPolicy) says.
    pub async fn connect<P: Proxy>(&self, url: &str) -> Result<P> {
        let endpoint = self.endpoint(url, P::interface())?;
        endpoint.connect().await?;
        Ok(P::from_reference(Reference::new(endpoint)))
    }

    /// The way to the constructors of a publication: `host.activate::<AccountProxy>(url).open(..)`.
    ///
    /// Nothing is sent before a constructor is called. Where the URL is wrong, or the host has
    /// no channel for it, the constructor's call says so.
    pub fn activate<P: Activatable>(&self, url: &str) -> P::Activator {
        let activator = self.activator(url, P::interface());
        P::activator(activator.unwrap_or_else(|error| Activator::failed(Fault::Error(error))))
    }

    pub(super) fn activator(
        &self,
        url: &str,
        interface: &'static InterfaceDescriptor,
    ) -> Result<Activator> {
        Ok(Activator::new(self.endpoint(url, interface)?))
    }

    fn endpoint(
        &self,
        url: &str,
        interface: &'static InterfaceDescriptor,
    ) -> Result<Arc<NamedEndpoint>> {
        let url: ObjectUrl = url.parse()?;
        let channel = self.channel_for(&url)?;
        Ok(NamedEndpoint::new(
            Arc::downgrade(&self.0),
            channel,
            url,
            interface,
            None,
        ))
    }

    /// Says where the objects of an interface are activated, so that its constructors can be
    /// called on the proxy's type: `AccountProxy::open(..)`.
    ///
    /// Holds for the whole process, until the host is dropped.
    ///
    /// # Errors
    ///
    /// `NameTaken` if the interface is registered already; those of [`Host::get`].
    pub fn register_activated<P: Activatable>(&self, url: &str) -> Result<()> {
        self.channel_for(&url.parse()?)?;
        registrations::register(Arc::downgrade(&self.0), P::interface(), url)
    }

    /// Says where the one object of an interface is, for [`Host::well_known`].
    ///
    /// # Errors
    ///
    /// `NameTaken` if the interface is registered with this host already; those of [`Host::get`].
    pub fn register_well_known<P: Proxy>(&self, url: &str) -> Result<()> {
        self.channel_for(&url.parse()?)?;
        let mut table = self
            .0
            .well_known
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let interface = P::interface();
        if let Some(known) = table.get(&interface.id) {
            let text = format!(
                "`{}` is registered as well known at {known} already",
                interface.name
            );
            return Err(Error::new(ErrorKind::NameTaken, text));
        }
        table.insert(interface.id, url.to_owned());
        Ok(())
    }

    /// Makes a proxy of the one object of an interface, at the URL that was registered.
    ///
    /// # Errors
    ///
    /// `NotRegistered` without [`Host::register_well_known`].
    pub fn well_known<P: Proxy>(&self) -> Result<P> {
        let interface = P::interface();
        let url = self
            .0
            .well_known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&interface.id)
            .cloned();
        let url = url.ok_or_else(|| {
            let text = format!("no URL is registered for `{0}`; call `host.register_well_known::<{0}Proxy>(url)` first", interface.name);
            Error::new(ErrorKind::NotRegistered, text)
        })?;
        self.get(&url)
    }

    fn channel_for(&self, url: &ObjectUrl) -> Result<Arc<Registered>> {
        let channels = self.channels();
        if let Some(handle) = channels
            .iter()
            .find(|channel| channel.registered.channel().serves(url.scheme()))
        {
            check_addresses(handle.registered.channel(), url)?;
            return Ok(Arc::clone(&handle.registered));
        }
        let mut schemes: Vec<_> = channels
            .iter()
            .map(|channel| format!("`{}`", channel.scheme()))
            .collect();
        schemes.dedup();
        let have = if schemes.is_empty() {
            "no channel at all".to_owned()
        } else {
            format!("only {}", schemes.join(", "))
        };
        let text = format!(
            "no channel for `{}`, the scheme of `{url}`: the host has {have}; add one with `Host::builder().channel(..)` or `host.register_channel(..)`",
            url.scheme()
        );
        Err(Error::new(ErrorKind::NoChannel, text))
    }
}
