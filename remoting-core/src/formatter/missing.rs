//! The value of an argument that was not sent.

use std::marker::PhantomData;

use serde::de::{self, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// A deserializer of nothing: gives `None` where an option is asked for, and
/// otherwise an error that names the argument.
pub(super) struct Missing<E> {
    name: &'static str,
    error: PhantomData<fn() -> E>,
}

impl<E> Missing<E> {
    /// Stands for the argument `name`.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            error: PhantomData,
        }
    }
}

impl<'de, E: de::Error> Deserializer<'de> for Missing<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, E> {
        Err(E::custom(format_args!("missing argument `{}`", self.name)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
