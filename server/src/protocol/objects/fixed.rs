//! Keys whose value never varies: they cost no memory in the state and are skipped when read.

use serde::de::IgnoredAny;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! fixed_value {
    ($(#[$doc:meta])* $name:ident, |$serializer:ident| $write:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name;

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, $serializer: S) -> Result<S::Ok, S::Error> {
                $write
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                IgnoredAny::deserialize(deserializer).map(|_| Self)
            }
        }
    };
}

fixed_value!(
    /// `null`
    Null,
    |s| s.serialize_none()
);
fixed_value!(
    /// `0`
    Zero,
    |s| s.serialize_u8(0)
);
fixed_value!(
    /// `false`
    False,
    |s| s.serialize_bool(false)
);
fixed_value!(
    /// `[]`
    EmptyList,
    |s| s.serialize_seq(Some(0))?.end()
);
fixed_value!(
    /// `"0"`, the discriminator of every account.
    NoDiscriminator,
    |s| s.serialize_str("0")
);
