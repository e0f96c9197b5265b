//! Values that flow with calls, and come back changed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::context;
use crate::error::Error;
use crate::proxy::check_headers;

/// What the names of headers begin with that carry values which flow.
const PREFIX: &str = "flow.";

/// Values that go along with each call made where they are in place, through all calls that its handler makes in turn; what any of
/// the servers changes or adds comes back. (.NET: `LogicalCallContext`.)
///
/// Put them in place for a future by [`scope`](Self::scope). A handler has those of its caller in place, under
/// [`Flow::current`]. They travel as headers whose names begin with `flow.`, among the 64 headers and 8 KiB of a call
/// and of a reply; a reply carries those alone that have changed. Whatever else a caller has, headers included, goes no further
/// than to the handler that it calls.
///
/// Clones are the same values. Since servers can change them, and they flow on to others, do not decide by them who may
/// do what; and put nothing in that one of the servers is not to read.
///
/// ```
/// use remoting_core::Flow;
///
/// # async fn call() -> remoting_core::Result<()> { Ok(()) }
/// # async fn example() -> remoting_core::Result<()> {
/// let flow = Flow::new();
/// flow.set("tenant", "blue")?;
/// flow.scope(async { call().await }).await?;
/// assert_eq!(flow.get("tenant").as_deref(), Some("blue"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Flow(Arc<Mutex<Values>>);

type Values = BTreeMap<String, String>;

impl Flow {
    /// No values. Where others are in place already, these hide them: begin with [`copied`](Self::copied) to have both.
    pub fn new() -> Self {
        Self::default()
    }

    /// The values that are in place here: those of the innermost scope, else those of the handler that runs here. `None` where
    /// there is neither.
    ///
    /// They are in place for the future itself, not for tasks that it starts.
    pub fn current() -> Option<Self> {
        let within = context::place();
        let scope = SCOPE.with_borrow(|scope| {
            let scope = scope.as_ref().filter(|scope| scope.within == within);
            scope.map(|scope| scope.flow.clone())
        });
        scope.or_else(|| {
            context::with_active(|active| {
                let headers = active.headers.as_ref();
                let flow = active.flow.get_or_insert_with(|| {
                    Self::of(headers.into_iter().flat_map(|headers| headers.iter()))
                });
                flow.clone()
            })
        })
    }

    /// The same values as a copy, whose changes stay apart.
    #[must_use]
    pub fn copied(&self) -> Self {
        let values = self.lock().clone();
        Self(Arc::new(Mutex::new(values)))
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<String> {
        self.lock().get(name).cloned()
    }

    /// Sets the value of a name, from the next call on that is made where it is in place; in a handler for its caller, too.
    ///
    /// # Errors
    ///
    /// `TooLarge` if these were more than 64 values, or more than 8 KiB in all; nothing is changed then.
    pub fn set(&self, name: impl Into<String>, value: impl Into<String>) -> Result<(), Error> {
        let mut values = self.lock();
        let mut changed = values.clone();
        changed.insert(name.into(), value.into());
        check_headers(&pairs(&changed))?;
        *values = changed;
        Ok(())
    }

    /// All of them, sorted by their names.
    pub fn all(&self) -> Vec<(String, String)> {
        let values = self.lock();
        let all = values.iter();
        all.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Runs a future with the values in place. Dropping it leaves what has come back until then.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let _in_place = InPlace::of(self);
            future.as_mut().poll(cx)
        })
        .await
    }

    /// The values that a caller has sent along.
    fn of<'a>(headers: impl IntoIterator<Item = &'a (String, String)>) -> Self {
        let flow = Self::new();
        flow.absorb(headers);
        flow
    }

    /// Those in place here, if there can be any: a handler whose caller has sent none, and which has not looked, has none.
    #[inline]
    pub(crate) fn going() -> Option<Self> {
        let is_in_scope = SCOPE.with_borrow(Option::is_some);
        match is_in_scope || context::may_flow() {
            true => Self::current(),
            false => None,
        }
    }

    /// Those in place here, where something flows back to a call with which nothing went.
    #[inline]
    pub(crate) fn awaiting(headers: &[(String, String)]) -> Option<Self> {
        let is_any = headers.iter().any(is_flowing);
        is_any.then(Self::current).flatten()
    }

    /// What goes along with a call.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        pairs(&self.lock())
    }

    /// Takes over what has come along with a call, or back with its reply. What there is no room for is left out.
    pub(crate) fn absorb<'a>(&self, headers: impl IntoIterator<Item = &'a (String, String)>) {
        for (name, value) in headers {
            if let Some(name) = name.strip_prefix(PREFIX) {
                let _fits = self.set(name, value);
            }
        }
    }

    /// What goes back with a reply: the values that differ from those which the caller has sent.
    pub(super) fn changes(&self, sent: &[(String, String)]) -> Vec<(String, String)> {
        let mut changed = self.headers();
        changed.retain(|pair| !sent.contains(pair));
        changed
    }

    fn lock(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.lock();
        f.debug_set().entries(values.keys()).finish()
    }
}

/// Values as headers.
fn pairs(values: &Values) -> Vec<(String, String)> {
    let values = values.iter();
    values
        .map(|(name, value)| (format!("{PREFIX}{name}"), value.clone()))
        .collect()
}

/// Whether a header carries a value that flows.
pub(super) fn is_flowing((name, _): &(String, String)) -> bool {
    name.starts_with(PREFIX)
}

thread_local! {
    static SCOPE: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// Values that are in place during a poll.
struct Scope {
    flow: Flow,
    /// The call that runs here: one that runs inside of it has values of its own.
    within: usize,
}

/// Takes the values away again on drop, and puts those from before in their place.
struct InPlace(Option<Scope>);

impl InPlace {
    fn of(flow: &Flow) -> Self {
        let scope = Scope {
            flow: flow.clone(),
            within: context::place(),
        };
        Self(SCOPE.replace(Some(scope)))
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        SCOPE.replace(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_reply_carries_what_has_changed_alone() {
        let sent = [pair("flow.a", "1"), pair("flow.b", "2"), pair("c", "3")];
        let flow = Flow::of(&sent);
        assert_eq!(flow.all(), [pair("a", "1"), pair("b", "2")]);
        assert_eq!(flow.changes(&sent), []);
        flow.set("b", "other").unwrap();
        flow.set("d", "new").unwrap();
        let changes = [pair("flow.b", "other"), pair("flow.d", "new")];
        assert_eq!(flow.changes(&sent), changes);
    }

    #[test]
    fn no_more_values_are_kept_than_a_call_carries() {
        let flow = Flow::new();
        for number in 0..64 {
            flow.set(format!("{number}"), "x").unwrap();
        }
        flow.set("more", "x").unwrap_err();
        flow.set("0", "x".repeat(9000)).unwrap_err();
        flow.set("0", "y").unwrap();
        flow.absorb(&[pair("flow.more", "x")]);
        assert_eq!(flow.all().len(), 64);
        assert_eq!(flow.get("0").as_deref(), Some("y"));
        assert_eq!(flow.get("more"), None);
    }

    #[tokio::test]
    async fn a_scope_ends_with_its_future_and_an_inner_one_hides_it() {
        assert!(Flow::current().is_none());
        let (outer, inner) = (Flow::new(), Flow::new());
        outer.set("name", "outer").unwrap();
        inner.set("name", "inner").unwrap();
        let name = || Flow::current().and_then(|flow| flow.get("name"));
        outer
            .scope(async {
                assert_eq!(name().as_deref(), Some("outer"));
                inner
                    .scope(async {
                        tokio::task::yield_now().await;
                        assert_eq!(name().as_deref(), Some("inner"));
                    })
                    .await;
                assert_eq!(name().as_deref(), Some("outer"));
            })
            .await;
        assert!(Flow::current().is_none());
    }

    #[test]
    fn a_panic_takes_the_values_away_too() {
        let flow = Flow::new();
        let caught = std::panic::catch_unwind(|| {
            let _in_place = InPlace::of(&flow);
            panic!("inside");
        });
        assert!(caught.is_err());
        assert!(Flow::current().is_none());
    }
}
