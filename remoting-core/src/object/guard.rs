//! Who may call what: roles that are asked for before anything of a call is read. And the sinks that it passes through then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

use crate::descriptor::MethodDescriptor;
use crate::error::{ErrorKind, Fault};
use crate::peer::Peer;
use crate::sink::{SinkRef, Sinks};

/// What stands before the objects of one origin: what they ask of those who call them, and sinks; mostly nothing.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// Whether it asks anything: each call looks here.
    asks: AtomicBool,
    rules: ArcSwapOption<Rules>,
    /// Whether calls pass through sinks: each call looks here.
    has_sinks: AtomicBool,
    sinks: Mutex<Sinks>,
}

#[derive(Debug, Default, Clone)]
struct Rules {
    /// For anything at all: one of these, if that was said. Where there are none, nobody has one.
    roles: Option<Vec<String>>,
    /// For one method: one of these.
    methods: Vec<(String, Vec<String>)>,
}

impl Guard {
    /// Asks for one of these roles, whatever is called.
    pub(super) fn set_roles<R: Into<String>>(&self, roles: impl IntoIterator<Item = R>) {
        let roles: Vec<String> = roles.into_iter().map(Into::into).collect();
        self.change(|rules| rules.roles = Some(roles.clone()));
    }

    /// Asks for one of these roles where a method is called.
    pub(super) fn add_method<R: Into<String>>(
        &self,
        method: &str,
        roles: impl IntoIterator<Item = R>,
    ) {
        let roles: Vec<String> = roles.into_iter().map(Into::into).collect();
        self.change(|rules| rules.methods.push((method.to_owned(), roles.clone())));
    }

    /// Has calls pass through one more sink.
    pub(super) fn add_sink(&self, sink: SinkRef) {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        *sinks = std::mem::take(&mut *sinks).then(Sinks::from_iter([sink]));
        self.has_sinks.store(true, Ordering::Release);
    }

    /// What calls pass through.
    #[inline]
    pub(crate) fn sinks(&self) -> Sinks {
        match self.has_sinks.load(Ordering::Acquire) {
            true => self.known_sinks(),
            false => Sinks::default(),
        }
    }

    #[cold]
    fn known_sinks(&self) -> Sinks {
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.clone()
    }

    fn change(&self, change: impl Fn(&mut Rules)) {
        self.rules.rcu(|rules| {
            let mut rules = rules.as_deref().cloned().unwrap_or_default();
            change(&mut rules);
            Some(Arc::new(rules))
        });
        self.asks.store(true, Ordering::Release);
    }

    fn rules(&self) -> Option<Arc<Rules>> {
        match self.asks.load(Ordering::Acquire) {
            true => self.rules.load_full(),
            false => None,
        }
    }

    /// The methods that roles are asked for.
    pub(crate) fn methods(&self) -> Vec<String> {
        let rules = self.rules();
        let methods = rules.iter().flat_map(|rules| &rules.methods);
        methods.map(|(name, _)| name.clone()).collect()
    }

    /// Checks that somebody may do anything with the objects, and call a method if one is meant.
    ///
    /// # Errors
    ///
    /// `Unauthenticated` for a stranger, `PermissionDenied` for everybody else.
    pub(crate) fn admit(
        &self,
        caller: &Peer,
        method: Option<&MethodDescriptor>,
    ) -> Result<(), Fault> {
        let Some(rules) = self.rules() else {
            return Ok(());
        };
        if let Some(roles) = &rules.roles {
            has_one_of(caller, roles)?;
        }
        let Some(method) = method else {
            return Ok(());
        };
        let mut asked = rules.methods.iter().filter(|(name, _)| name == method.name);
        asked.try_for_each(|(_, roles)| has_one_of(caller, roles))
    }
}

/// Checks that somebody has a role that an interface asks for where a method is called.
///
/// # Errors
///
/// `Unauthenticated` for a stranger, `PermissionDenied` for everybody else.
pub(crate) fn admit_to(method: &MethodDescriptor, caller: &Peer) -> Result<(), Fault> {
    match method.roles {
        [] => Ok(()),
        roles => has_one_of(caller, roles),
    }
}

fn has_one_of(peer: &Peer, roles: &[impl AsRef<str>]) -> Result<(), Fault> {
    if peer.is_own() || roles.iter().any(|role| peer.has_role(role.as_ref())) {
        return Ok(());
    }
    // The same for everything that is guarded: which role it takes is not the caller's to know.
    let (kind, text) = match peer.principal() {
        Some(_) => (
            ErrorKind::PermissionDenied,
            "the caller does not have a role that may do this",
        ),
        None => (
            ErrorKind::Unauthenticated,
            "this is for callers who say who they are: by a token, or by a certificate",
        ),
    };
    Err(Fault::refused(kind, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Principal;

    static PLAIN: MethodDescriptor = MethodDescriptor::new("look", &[]);
    static GUARDED: MethodDescriptor =
        MethodDescriptor::new("close", &[]).roles(&["boss", "owner"]);

    fn kind(guard: &Arc<Guard>, method: &MethodDescriptor, roles: &[&str]) -> Option<ErrorKind> {
        let principal = Principal::new("ann");
        let principal = roles.iter().fold(principal, |own, role| own.role(*role));
        let peer = Peer::named("x").logged_in(Some(principal));
        let checked = guard.admit(&peer, Some(method));
        let checked = checked.and_then(|()| admit_to(method, &peer));
        match checked.err()? {
            Fault::Error(error) => Some(error.kind()),
            Fault::App(_) => None,
        }
    }

    #[test]
    fn a_caller_needs_a_role_of_each_kind_that_is_asked_for() {
        let denied = Some(ErrorKind::PermissionDenied);
        let guard = Arc::new(Guard::default());
        assert_eq!(kind(&guard, &PLAIN, &[]), None);
        assert_eq!(kind(&guard, &GUARDED, &["teller"]), denied);
        assert_eq!(kind(&guard, &GUARDED, &["owner"]), None);
        guard.set_roles(["teller"]);
        guard.add_method("look", ["eyes"]);
        assert_eq!(kind(&guard, &GUARDED, &["boss"]), denied);
        assert_eq!(kind(&guard, &GUARDED, &["boss", "teller"]), None);
        assert_eq!(kind(&guard, &PLAIN, &["teller"]), denied);
        assert_eq!(kind(&guard, &PLAIN, &["teller", "eyes"]), None);
    }

    #[test]
    fn where_no_role_is_listed_nobody_has_one() {
        let guard = Arc::new(Guard::default());
        guard.set_roles([""; 0]);
        assert_eq!(
            kind(&guard, &PLAIN, &["teller"]),
            Some(ErrorKind::PermissionDenied)
        );
    }

    #[test]
    fn a_stranger_is_asked_who_it_is_and_the_process_itself_is_not() {
        let fault = admit_to(&GUARDED, &Peer::named("x")).unwrap_err();
        assert!(matches!(fault, Fault::Error(error) if error.kind() == ErrorKind::Unauthenticated));
        assert!(admit_to(&GUARDED, &Peer::local()).is_ok());
    }
}
