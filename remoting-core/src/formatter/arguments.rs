//! The arguments of a call: a tuple here, a list or a map in the bytes.
//!
//! Both layouts are written out for each length of tuple instead of left to serde's
//! tuples, since a missing argument may have a value and an error must name it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::ser::{self, Serialize, SerializeMap, SerializeTuple, Serializer};

use super::missing::Missing;

/// The arguments of a call as the caller has them: a tuple of 0 to 12 serde values.
pub trait Arguments {
    /// How many there are.
    const COUNT: usize;

    /// Writes them as a list.
    ///
    /// # Errors
    ///
    /// Those of `serializer`.
    fn by_position<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Writes them as a map from `names`, which are in the order of the tuple.
    ///
    /// # Errors
    ///
    /// Those of `serializer`, and one of its own if there are fewer names than
    /// arguments.
    fn by_name<S: Serializer>(
        &self,
        names: &'static [&'static str],
        serializer: S,
    ) -> Result<S::Ok, S::Error>;
}

/// The arguments of a call as the server wants them: a tuple of 0 to 12 serde values,
/// which may borrow from the call's bytes.
pub trait DecodeArguments<'de>: Sized {
    /// How many there are.
    const COUNT: usize;

    /// Reads them from a list; `names` are in the order of the tuple.
    ///
    /// # Errors
    ///
    /// Those of `list`, and errors that name an argument which is missing or wrong,
    /// or say that there are too many.
    fn by_position<A: SeqAccess<'de>>(
        names: &'static [&'static str],
        list: A,
    ) -> Result<Self, A::Error>;

    /// Reads them from a map.
    ///
    /// # Errors
    ///
    /// Those of `map`, and errors that name an argument which is missing, wrong,
    /// given twice or unknown.
    fn by_name<A: MapAccess<'de>>(names: &'static [&'static str], map: A)
    -> Result<Self, A::Error>;

    /// Makes them of nothing, as if all were missing.
    ///
    /// # Errors
    ///
    /// One that names the first argument which cannot be missing.
    fn from_nothing<E: de::Error>(names: &'static [&'static str]) -> Result<Self, E>;
}

/// Arguments to be written as a list.
pub(super) struct Positional<'a, A>(pub(super) &'a A);

impl<A: Arguments> Serialize for Positional<'_, A> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.by_position(serializer)
    }
}

/// Arguments to be written as a map.
pub(super) struct Named<'a, A> {
    pub(super) names: &'static [&'static str],
    pub(super) arguments: &'a A,
}

impl<A: Arguments> Serialize for Named<'_, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.arguments.by_name(self.names, serializer)
    }
}

/// Reads arguments from a list. Has no code for maps, which keeps the usual path small.
pub(super) struct PositionalSeed<A> {
    names: &'static [&'static str],
    arguments: PhantomData<fn() -> A>,
}

impl<A> PositionalSeed<A> {
    pub(super) fn new(names: &'static [&'static str]) -> Self {
        Self {
            names,
            arguments: PhantomData,
        }
    }
}

impl<'de, A: DecodeArguments<'de>> DeserializeSeed<'de> for PositionalSeed<A> {
    type Value = A;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<A, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, A: DecodeArguments<'de>> Visitor<'de> for PositionalSeed<A> {
    type Value = A;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", Counted(A::COUNT))
    }

    #[inline]
    fn visit_seq<S: SeqAccess<'de>>(self, list: S) -> Result<A, S::Error> {
        A::by_position(self.names, list)
    }

    fn visit_unit<E: de::Error>(self) -> Result<A, E> {
        A::from_nothing(self.names)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<A, M::Error> {
        if A::COUNT == 0 && map.next_key::<IgnoredAny>()?.is_none() {
            return A::from_nothing(self.names);
        }
        Err(de::Error::invalid_type(Unexpected::Map, &self))
    }
}

/// Reads arguments from a map, or from a list.
pub(super) struct NamedSeed<A> {
    names: &'static [&'static str],
    arguments: PhantomData<fn() -> A>,
}

impl<A> NamedSeed<A> {
    pub(super) fn new(names: &'static [&'static str]) -> Self {
        Self {
            names,
            arguments: PhantomData,
        }
    }
}

impl<'de, A: DecodeArguments<'de>> DeserializeSeed<'de> for NamedSeed<A> {
    type Value = A;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<A, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, A: DecodeArguments<'de>> Visitor<'de> for NamedSeed<A> {
    type Value = A;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the arguments as a list or by name ({})",
            Listed(self.names)
        )
    }

    fn visit_seq<S: SeqAccess<'de>>(self, list: S) -> Result<A, S::Error> {
        A::by_position(self.names, list)
    }

    fn visit_unit<E: de::Error>(self) -> Result<A, E> {
        A::from_nothing(self.names)
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<A, M::Error> {
        A::by_name(self.names, map)
    }
}

/// Reads the name of an argument and gives its position.
struct Position(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Position {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Position {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name of an argument ({})", Listed(self.0))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<usize, E> {
        self.0
            .iter()
            .position(|known| *known == name)
            .ok_or_else(|| {
                let shown: String = name.chars().take(SHOWN_OF_A_NAME).collect();
                E::custom(format_args!(
                    "unknown argument `{shown}`; there is {}",
                    Listed(self.0)
                ))
            })
    }
}

/// How much of a name that a peer made up is repeated to it.
const SHOWN_OF_A_NAME: usize = 64;

/// Names as an error shows them.
struct Listed(&'static [&'static str]);

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, others)) = self.0.split_last() else {
            return f.write_str("none");
        };
        for name in others {
            write!(f, "`{name}`, ")?;
        }
        write!(f, "`{last}`")
    }
}

/// A number of arguments as an error shows it.
struct Counted(usize);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("no arguments"),
            1 => f.write_str("1 argument"),
            count => write!(f, "{count} arguments"),
        }
    }
}

#[cold]
fn wrong<E: de::Error>(names: &'static [&'static str], index: usize, error: E) -> E {
    E::custom(format_args!(
        "argument `{}`: {error}",
        name_of(names, index)
    ))
}

#[cold]
fn too_many<E: de::Error>(count: usize) -> E {
    E::custom(format_args!(
        "more arguments than expected: the method takes {}",
        Counted(count)
    ))
}

#[cold]
fn twice<E: de::Error>(names: &'static [&'static str], index: usize) -> E {
    E::custom(format_args!(
        "argument `{}` is given twice",
        name_of(names, index)
    ))
}

fn missing<'de, T: Deserialize<'de>, E: de::Error>(
    names: &'static [&'static str],
    index: usize,
) -> Result<T, E> {
    T::deserialize(Missing::new(name_of(names, index)))
}

fn name_of(names: &'static [&'static str], index: usize) -> &'static str {
    names.get(index).copied().unwrap_or("?")
}

macro_rules! arguments {
    ($count:literal $($index:tt $type:ident $value:ident)*) => {
        impl<$($type: Serialize),*> Arguments for ($($type,)*) {
            const COUNT: usize = $count;

            #[inline]
            fn by_position<S_: Serializer>(&self, serializer: S_) -> Result<S_::Ok, S_::Error> {
                #[allow(unused_mut, reason = "there may be no arguments")]
                let mut list = serializer.serialize_tuple($count)?;
                $(list.serialize_element(&self.$index)?;)*
                list.end()
            }

            #[allow(unused_variables, reason = "there may be no arguments")]
            fn by_name<S_: Serializer>(
                &self,
                names: &'static [&'static str],
                serializer: S_,
            ) -> Result<S_::Ok, S_::Error> {
                #[allow(unused_mut, reason = "there may be no arguments")]
                let mut map = serializer.serialize_map(Some($count))?;
                $(
                    let name = names.get($index).ok_or_else(|| ser::Error::custom("an argument has no name"))?;
                    map.serialize_entry(name, &self.$index)?;
                )*
                map.end()
            }
        }

        impl<'de, $($type: Deserialize<'de>),*> DecodeArguments<'de> for ($($type,)*) {
            const COUNT: usize = $count;

            #[allow(unused_variables, reason = "there may be no arguments")]
            #[inline]
            fn by_position<A_: SeqAccess<'de>>(
                names: &'static [&'static str],
                mut list: A_,
            ) -> Result<Self, A_::Error> {
                $(
                    let $value = match list.next_element().map_err(|error| wrong(names, $index, error))? {
                        Some(value) => value,
                        None => missing(names, $index)?,
                    };
                )*
                match list.next_element::<IgnoredAny>()? {
                    None => Ok(($($value,)*)),
                    Some(_) => Err(too_many($count)),
                }
            }

            fn by_name<A_: MapAccess<'de>>(
                names: &'static [&'static str],
                mut map: A_,
            ) -> Result<Self, A_::Error> {
                $(let mut $value: Option<$type> = None;)*
                while let Some(index) = map.next_key_seed(Position(names))? {
                    match index {
                        $(
                            $index if $value.is_some() => return Err(twice(names, $index)),
                            $index => $value = Some(map.next_value().map_err(|error| wrong(names, $index, error))?),
                        )*
                        _ => return Err(too_many($count)),
                    }
                }
                $(
                    let $value = match $value {
                        Some(value) => value,
                        None => missing(names, $index)?,
                    };
                )*
                Ok(($($value,)*))
            }

            #[allow(unused_variables, reason = "there may be no arguments")]
            fn from_nothing<E_: de::Error>(names: &'static [&'static str]) -> Result<Self, E_> {
                Ok(($(missing::<$type, E_>(names, $index)?,)*))
            }
        }
    };
}

arguments!(0);
arguments!(1 0 A a);
arguments!(2 0 A a 1 B b);
arguments!(3 0 A a 1 B b 2 C c);
arguments!(4 0 A a 1 B b 2 C c 3 D d);
arguments!(5 0 A a 1 B b 2 C c 3 D d 4 E e);
arguments!(6 0 A a 1 B b 2 C c 3 D d 4 E e 5 F f);
arguments!(7 0 A a 1 B b 2 C c 3 D d 4 E e 5 F f 6 G g);
arguments!(8 0 A a 1 B b 2 C c 3 D d 4 E e 5 F f 6 G g 7 H h);
arguments!(9 0 A a 1 B b 2 C c 3 D d 4 E e 5 F f 6 G g 7 H h 8 I i);
arguments!(10 0 A a 1 B b 2 C c 3 D d 4 E e 5 F f 6 G g 7 H h 8 I i 9 J j);
arguments!(11 0 A a 1 B b 2 C c 3 D d 4 E e 5 F f 6 G g 7 H h 8 I i 9 J j 10 K k);
arguments!(12 0 A a 1 B b 2 C c 3 D d 4 E e 5 F f 6 G g 7 H h 8 I i 9 J j 10 K k 11 L l);
