//! What goes along with a payload: objects, and the headers of a reply.

use std::any::Any;
use std::sync::Arc;

use super::Payload;

/// What goes along, behind one thin pointer, so that payloads with nothing beside them stay small.
#[derive(Clone, Default)]
pub(super) struct Attached {
    objects: Option<Arc<dyn Any + Send + Sync>>,
    headers: Headers,
}

/// Names and values that go along with a call or a reply; none for most.
pub(crate) type Headers = Option<Arc<Vec<(String, String)>>>;

/// The pairs of headers.
pub(crate) fn pairs(headers: &Headers) -> &[(String, String)] {
    headers.as_ref().map_or(&[], |headers| headers.as_slice())
}

/// The headers that a list is: an empty one is none.
pub(crate) fn unless_empty(headers: Vec<(String, String)>) -> Headers {
    let is_any = !headers.is_empty();
    is_any.then(|| Arc::new(headers))
}

/// The value of the first header of a name.
pub(crate) fn header_of<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

impl Payload {
    /// Attaches the objects that the bytes refer to, in place of others.
    pub(crate) fn attach(&mut self, objects: impl Any + Send + Sync) {
        self.attached.get_or_insert_default().objects = Some(Arc::new(objects));
    }

    /// The objects that are attached, if they are an `A`.
    pub(crate) fn attached<A: Any + Send + Sync>(&self) -> Option<&A> {
        let objects = self.attached.as_ref()?.objects.as_ref()?;
        objects.downcast_ref()
    }

    /// Whether any objects are attached.
    #[inline]
    pub(crate) fn has_attached(&self) -> bool {
        let attached = self.attached.as_ref();
        attached.is_some_and(|attached| attached.objects.is_some())
    }

    /// Takes off the objects that are attached, if they are an `A` and no clone of the payload has them too.
    pub(crate) fn detach<A: Any + Send + Sync>(&mut self) -> Option<A> {
        let objects = self.attached.as_mut()?.objects.take()?;
        Arc::into_inner(objects.downcast().ok()?)
    }

    /// The headers of the reply that this is the value, or the user's error, of.
    #[inline]
    pub fn headers(&self) -> &[(String, String)] {
        let attached = self.attached.as_ref();
        attached.map_or(&[], |attached| pairs(&attached.headers))
    }

    /// Sets the headers of the reply that this is the value, or the user's error, of.
    pub fn set_headers(&mut self, headers: Vec<(String, String)>) {
        self.carry(unless_empty(headers));
    }

    /// The same, for headers that may be shared.
    pub(crate) fn carry(&mut self, headers: Headers) {
        if headers.is_some() || self.attached.is_some() {
            self.attached.get_or_insert_default().headers = headers;
        }
    }
}
