//! Snowflakes: 64-bit ids that rise with time, written as decimal strings on the wire.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds between the Unix epoch and the first moment a snowflake can name
/// (2015-01-01T00:00:00Z).
pub const DISCORD_EPOCH_MS: u64 = 1_420_070_400_000;

/// Bits below the millisecond in a snowflake: 10 for the node, 12 for the increment.
const TIME_SHIFT: u32 = 22;
/// Bits of the increment.
const INCREMENT_BITS: u32 = 12;

/// Why a string is no snowflake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("value is not a snowflake")]
pub struct InvalidSnowflake;

fn parse_snowflake(text: &str) -> Result<u64, InvalidSnowflake> {
    if text.is_empty() || text.len() > 20 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidSnowflake);
    }
    match text.parse() {
        Ok(0) | Err(_) => Err(InvalidSnowflake),
        Ok(value) => Ok(value),
    }
}

struct SnowflakeVisitor;

impl Visitor<'_> for SnowflakeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snowflake as decimal string or number")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<u64, E> {
        if value == 0 {
            return Err(E::custom(InvalidSnowflake));
        }
        Ok(value)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<u64, E> {
        parse_snowflake(value).map_err(E::custom)
    }
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u64);

        impl $name {
            /// Wraps a raw snowflake.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The raw snowflake.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// When the id was made, in milliseconds since the Unix epoch.
            pub const fn created_at_ms(self) -> u64 {
                (self.0 >> TIME_SHIFT) + DISCORD_EPOCH_MS
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidSnowflake;
            fn from_str(text: &str) -> Result<Self, InvalidSnowflake> {
                parse_snowflake(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                super::decimal::serialize(self.0, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(SnowflakeVisitor).map(Self)
            }
        }
    };
}

id_type!(
    /// A guild: the unit of placement, ordering and fan-out.
    GuildId
);
id_type!(
    /// A channel of a guild.
    ChannelId
);
id_type!(
    /// A user or bot account.
    UserId
);
id_type!(
    /// A role of a guild; the `@everyone` role has the guild's own id.
    RoleId
);
id_type!(
    /// A message; ids of one guild rise in journal order.
    MessageId
);

impl GuildId {
    /// The id of the guild's `@everyone` role.
    pub const fn everyone(self) -> RoleId {
        RoleId(self.0)
    }

    /// The shard that a session with `shard_count` shards receives this guild on.
    pub const fn shard(self, shard_count: u32) -> u32 {
        ((self.0 >> TIME_SHIFT) % shard_count as u64) as u32
    }
}

/// The number of a record in its guild's journal: 1 for the first, without gaps.
///
/// 0 stands for the position before the first record.
pub type Position = u64;

/// Makes snowflakes that rise strictly within one node, also when the clock steps back.
#[derive(Debug)]
pub struct SnowflakeSource {
    /// Ten bits that keep the ids of two nodes apart.
    node: u64,
    last: AtomicU64,
}

impl SnowflakeSource {
    /// A source for node number `node`; only its low ten bits count.
    pub const fn new(node: u16) -> Self {
        Self {
            node: (node as u64) & 0x3ff,
            last: AtomicU64::new(0),
        }
    }

    /// The next id at `now_ms` milliseconds since the Unix epoch.
    ///
    /// At most 4,096 ids fit into one millisecond; further ones borrow from the next.
    pub fn next(&self, now_ms: u64) -> u64 {
        let fresh =
            (now_ms.saturating_sub(DISCORD_EPOCH_MS) << TIME_SHIFT) | (self.node << INCREMENT_BITS);
        let step = |last: u64| {
            if last < fresh {
                return fresh;
            }
            let full = (1 << INCREMENT_BITS) - 1;
            if last & full == full {
                (((last >> TIME_SHIFT) + 1) << TIME_SHIFT) | (self.node << INCREMENT_BITS)
            } else {
                last + 1
            }
        };
        let before = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(step(last))
            })
            .unwrap_or_else(|last| last);
        step(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_strings_and_read_from_strings_and_numbers() {
        let id = GuildId::new(2_000_000_000_000_000_001);
        assert_eq!(
            serde_json::to_string(&id).unwrap(),
            "\"2000000000000000001\""
        );
        for text in ["\"2000000000000000001\"", "2000000000000000001"] {
            assert_eq!(serde_json::from_str::<GuildId>(text).unwrap(), id);
        }
        for text in [
            "\"0\"",
            "0",
            "\"\"",
            "\"12x\"",
            "-1",
            "null",
            "\"99999999999999999999\"",
        ] {
            assert!(serde_json::from_str::<GuildId>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ids_rise_strictly_when_the_clock_stands_or_steps_back() {
        let source = SnowflakeSource::new(3);
        let now = DISCORD_EPOCH_MS + 1_000_000;
        let mut last = 0;
        for i in 0..10_000_u64 {
            let id = source.next(if i % 7 == 0 { now - 50 } else { now });
            assert!(id > last);
            assert_eq!((id >> INCREMENT_BITS) & 0x3ff, 3);
            last = id;
        }
    }

    #[test]
    fn shard_follows_the_documented_formula() {
        let id = GuildId::new(197_038_439_483_310_086);
        assert_eq!(
            u64::from(id.shard(16)),
            (197_038_439_483_310_086_u64 >> 22) % 16
        );
        assert_eq!(id.shard(1), 0);
    }
}
