//! Request bodies as clients write them, and how they become what a guild takes.
//!
//! Unknown keys are ignored, `null` stands for a key that is not there unless it clears a value.
//! What a guild checks anyway (lengths of names, permissions) is not checked twice.

pub(super) mod channel;
pub(super) mod guild;
pub(super) mod member;
pub(super) mod message;
pub(super) mod role;

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A form that is read from a JSON object alone. Left to itself, the parser takes an array for an
/// object without keys as well.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// For fields that `null` clears: `None` where the key is missing, `Some(None)` where it is null.
fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// Libraries clear a text by an empty one as well.
fn without_empty(text: Option<Option<String>>) -> Option<Option<String>> {
    text.map(|text| text.filter(|text| !text.is_empty()))
}
