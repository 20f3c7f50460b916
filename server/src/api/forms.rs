//! Request bodies as clients write them, and how they become what a guild takes.
//!
//! Unknown keys are ignored, `null` stands for a key that is not there unless it clears a value.
//! What a guild checks anyway (lengths of names, permissions) is not checked twice.

pub(super) mod channel;
pub(super) mod guild;
pub(super) mod member;
pub(super) mod message;
pub(super) mod role;

use serde::{Deserialize, Deserializer};

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
