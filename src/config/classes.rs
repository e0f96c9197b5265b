//! The types of the program that a file can name.
//!
//! A file has names and the program has types; this is where they meet. Nothing else of the program
//! can be reached from a file.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use remoting_core::__private::{Construct, ConstructWith, Dispatch, InterfaceDescriptor};
use remoting_core::sink::SinkRef;
use remoting_core::{Activatable, Dispatcher, Host, LeasePolicy, Proxy, Publication, Result};

use super::settings::Activation;

/// A dispatcher whose objects are made by their `Default`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no dispatcher of a type with a `Default`",
    note = "use `add_with` and say how its objects are made, or `add_activated` if it has constructors"
)]
pub trait WithDefault: Offers {
    /// Makes an object.
    fn make() -> Self::Object;
}

/// A dispatcher whose objects the program makes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no dispatcher",
    note = "write the dispatcher of the interface over the object's type: `TallyDispatcher<Counted>`"
)]
pub trait Offers: 'static {
    /// The object.
    type Object: Send + Sync + 'static;

    /// The interface that the objects are offered through.
    fn interface() -> &'static InterfaceDescriptor;

    /// One object for all calls.
    fn singleton(
        make: impl Fn() -> Self::Object + Send + Sync + 'static,
    ) -> Publication<Self::Object>;

    /// A new object for each call.
    fn single_call(
        make: impl Fn() -> Self::Object + Send + Sync + 'static,
    ) -> Publication<Self::Object>;

    /// One object for all calls, made by a factory that may wait and may fail.
    fn try_singleton<E, R>(
        make: impl Fn() -> R + Send + Sync + 'static,
    ) -> Publication<Self::Object>
    where
        E: fmt::Display + Send + 'static,
        R: Future<Output = Result<Self::Object, E>> + Send + 'static;

    /// A new object for each call, made by a factory that may wait and may fail.
    fn try_single_call<E, R>(
        make: impl Fn() -> R + Send + Sync + 'static,
    ) -> Publication<Self::Object>
    where
        E: fmt::Display + Send + 'static,
        R: Future<Output = Result<Self::Object, E>> + Send + 'static;
}

/// A dispatcher whose objects clients make, by the constructors of the interface.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no dispatcher of an interface with a `#[constructor]`",
    note = "add a constructor to the trait, or use `add` or `add_with`"
)]
pub trait WithConstructors: Offers {
    /// An object for each client that activates one.
    fn activated() -> Publication<Self::Object>;
}

/// A dispatcher whose objects clients make, by the constructors of a factory of type `F`.
#[diagnostic::on_unimplemented(
    message = "`{F}` is no factory of the objects of `{Self}`",
    note = "implement the interface's factory for it: `impl AccountFactory for Bank`"
)]
pub trait WithFactory<F>: Offers {
    /// An object for each client that activates one.
    fn activated_with(factory: F) -> Publication<Self::Object>;
}

impl<P: Dispatch<T>, T: Send + Sync + 'static> Offers for Dispatcher<P, T> {
    type Object = T;

    fn interface() -> &'static InterfaceDescriptor {
        P::interface()
    }

    fn singleton(make: impl Fn() -> T + Send + Sync + 'static) -> Publication<T> {
        Self::singleton(make)
    }

    fn single_call(make: impl Fn() -> T + Send + Sync + 'static) -> Publication<T> {
        Self::single_call(make)
    }

    fn try_singleton<E, R>(make: impl Fn() -> R + Send + Sync + 'static) -> Publication<T>
    where
        E: fmt::Display + Send + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
    {
        Self::try_singleton(make)
    }

    fn try_single_call<E, R>(make: impl Fn() -> R + Send + Sync + 'static) -> Publication<T>
    where
        E: fmt::Display + Send + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
    {
        Self::try_single_call(make)
    }
}

impl<P: Dispatch<T>, T: Default + Send + Sync + 'static> WithDefault for Dispatcher<P, T> {
    fn make() -> T {
        T::default()
    }
}

impl<P: Construct<T>, T: Send + Sync + 'static> WithConstructors for Dispatcher<P, T> {
    fn activated() -> Publication<T> {
        Self::activated()
    }
}

impl<P, T, F> WithFactory<F> for Dispatcher<P, T>
where
    P: ConstructWith<F, Object = T>,
    T: Send + Sync + 'static,
    F: Send + Sync + 'static,
{
    fn activated_with(factory: F) -> Publication<T> {
        Self::activated_with(factory)
    }
}

/// On which terms a class is published.
pub(crate) struct Terms<'a> {
    /// How long its objects live, if that is said.
    pub(crate) lease: Option<LeasePolicy>,
    /// What their calls pass through.
    pub(crate) sinks: Vec<SinkRef>,
    /// Who may do anything with them, if that is said.
    pub(crate) roles: Option<&'a [String]>,
    /// Who may call single methods.
    pub(crate) methods: &'a [(String, Vec<String>)],
}

/// Publishes a class under a name.
pub(crate) type Publish = Box<dyn Fn(&Host, &str, Terms<'_>) -> Result<()> + Send + Sync>;

/// Registers an interface at a URL.
pub(crate) type Register = fn(&Host, &str) -> Result<()>;

/// The types that a file can name: those that it publishes, and those that it finds elsewhere.
///
/// ```
/// # use remoting::prelude::*;
/// # use remoting::config::Classes;
/// # #[remote] trait Tally { async fn next(&self) -> remoting::Result<u64>; }
/// # #[derive(Default)] struct Counted;
/// # impl Tally for Counted { async fn next(&self) -> remoting::Result<u64> { Ok(1) } }
/// let server = Classes::new().add::<TallyDispatcher<Counted>>("demo.Tally");
/// let client = Classes::new().proxy::<TallyProxy>();
/// ```
#[derive(Default)]
pub struct Classes {
    served: BTreeMap<String, Served>,
    activated: BTreeMap<&'static str, Register>,
    well_known: BTreeMap<&'static str, Register>,
    pub(super) sinks: BTreeMap<String, SinkRef>,
    /// The classes and sinks that were added more than once.
    pub(super) twice: Vec<String>,
}

/// What can be done with a class.
#[derive(Default)]
pub(crate) struct Served {
    pub(crate) interface: Option<&'static InterfaceDescriptor>,
    singleton: Option<Publish>,
    single_call: Option<Publish>,
    activated: Option<Publish>,
}

impl Served {
    /// How the class is published, if it can be in that way.
    pub(crate) fn publish(&self, activation: Activation) -> Option<&Publish> {
        match activation {
            Activation::Singleton => self.singleton.as_ref(),
            Activation::SingleCall => self.single_call.as_ref(),
            Activation::Activated => self.activated.as_ref(),
        }
    }
}

impl Classes {
    /// No types yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a class whose objects are made by `Default`, as singletons and for single calls.
    ///
    /// - `name`: what the file calls it: `demo.Tally`.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "nothing here is a sum")]
    pub fn add<D: WithDefault>(self, name: impl Into<String>) -> Self {
        self.add_with::<D>(name, D::make)
    }

    /// Adds a class whose objects are made by `make`, as singletons and for single calls.
    ///
    /// - `name`: what the file calls it: `demo.Tally`.
    /// - `make`: makes one object each time it is called.
    #[must_use]
    pub fn add_with<D: Offers>(
        self,
        name: impl Into<String>,
        make: impl Fn() -> D::Object + Send + Sync + 'static,
    ) -> Self {
        let make = Arc::new(make);
        let again = Arc::clone(&make);
        let singleton = publish(move || {
            let make = Arc::clone(&make);
            D::singleton(move || make())
        });
        let single_call = publish(move || {
            let make = Arc::clone(&again);
            D::single_call(move || make())
        });
        self.made_here(name.into(), D::interface(), singleton, single_call)
    }

    /// Adds a class whose objects are made by `make`, which may wait and may fail, as singletons and for
    /// single calls. A failure ends the calls that waited for the object, with the error's text.
    ///
    /// - `name`: what the file calls it: `demo.Tally`.
    /// - `make`: makes one object each time it is called.
    #[must_use]
    pub fn try_add_with<D, E, R>(
        self,
        name: impl Into<String>,
        make: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self
    where
        D: Offers,
        E: fmt::Display + Send + 'static,
        R: Future<Output = Result<D::Object, E>> + Send + 'static,
    {
        let make = Arc::new(make);
        let again = Arc::clone(&make);
        let singleton = publish(move || {
            let make = Arc::clone(&make);
            D::try_singleton(move || make())
        });
        let single_call = publish(move || {
            let make = Arc::clone(&again);
            D::try_single_call(move || make())
        });
        self.made_here(name.into(), D::interface(), singleton, single_call)
    }

    /// Adds a class whose objects clients make, by its constructors.
    ///
    /// - `name`: what the file calls it: `demo.Account`.
    #[must_use]
    pub fn add_activated<D: WithConstructors>(self, name: impl Into<String>) -> Self {
        self.served(name.into(), D::interface(), |served| {
            served.activated.replace(publish(D::activated))
        })
    }

    /// Adds a class whose objects clients make, by the constructors of a factory.
    ///
    /// - `name`: what the file calls it: `demo.Account`.
    /// - `factory`: implements the interface's factory; each publication has a clone.
    #[must_use]
    pub fn add_activated_with<D, F>(self, name: impl Into<String>, factory: F) -> Self
    where
        D: WithFactory<F>,
        F: Clone + Send + Sync + 'static,
    {
        self.served(name.into(), D::interface(), |served| {
            let make = move || D::activated_with(factory.clone());
            served.activated.replace(publish(make))
        })
    }

    /// Lets the file say where the one object of an interface is; its name is the interface's.
    #[must_use]
    pub fn proxy<P: Proxy>(mut self) -> Self {
        let register: Register = |host, url| host.register_well_known::<P>(url);
        self.well_known.insert(P::interface().name, register);
        self
    }

    /// Lets the file say where objects of an interface are activated, and where its one object is; its name
    /// is the interface's.
    #[must_use]
    pub fn activatable<P: Activatable>(mut self) -> Self {
        let register: Register = |host, url| host.register_activated::<P>(url);
        self.activated.insert(P::interface().name, register);
        self.proxy::<P>()
    }

    /// Puts a class among the others whose objects the program makes.
    fn made_here(
        self,
        name: String,
        interface: &'static InterfaceDescriptor,
        singleton: Publish,
        single_call: Publish,
    ) -> Self {
        self.served(name, interface, |served| {
            let known = served.singleton.replace(singleton);
            served.single_call.replace(single_call).or(known)
        })
    }

    /// Puts a class among the others.
    ///
    /// - `fill`: gives what was there already in its place.
    fn served(
        mut self,
        name: String,
        interface: &'static InterfaceDescriptor,
        fill: impl FnOnce(&mut Served) -> Option<Publish>,
    ) -> Self {
        let served = self.served.entry(name.clone()).or_default();
        let known = served.interface.replace(interface);
        let is_other = known.is_some_and(|known| known.id != interface.id);
        if fill(served).is_some() || is_other {
            self.twice.push(name);
        }
        self
    }

    /// The class of a name.
    pub(crate) fn class(&self, name: &str) -> Option<&Served> {
        self.served.get(name)
    }

    /// The names of the classes, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.served.keys().map(String::as_str)
    }

    /// The names under which different classes were added.
    pub(crate) fn twice(&self) -> &[String] {
        &self.twice
    }

    /// The interfaces that can be activated elsewhere, or those that can be found there.
    pub(crate) fn interfaces(&self, activated: bool) -> &BTreeMap<&'static str, Register> {
        if activated {
            &self.activated
        } else {
            &self.well_known
        }
    }
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classes")
            .field("served", &self.served.keys())
            .field("activated", &self.activated.keys())
            .field("well_known", &self.well_known.keys())
            .field("sinks", &self.sinks.keys())
            .finish_non_exhaustive()
    }
}

fn publish<T: Send + Sync + 'static>(
    make: impl Fn() -> Publication<T> + Send + Sync + 'static,
) -> Publish {
    Box::new(move |host, name, terms| {
        let mut publication = make();
        if let Some(policy) = terms.lease {
            publication = publication.lease(policy);
        }
        for sink in terms.sinks {
            publication = publication.sink(sink);
        }
        if let Some(roles) = terms.roles {
            publication = publication.roles(roles);
        }
        for (method, roles) in terms.methods {
            publication = publication.method_roles(method, roles);
        }
        host.publish(name, publication)
    })
}
