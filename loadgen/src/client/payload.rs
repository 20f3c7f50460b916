//! Gateway payloads in full, as far as a light client looks at them.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::marker::decimal;

/// The four members that every payload has.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    /// Opcode.
    pub op: u64,
    /// Sequence number of a dispatch.
    #[serde(default)]
    pub s: Option<u64>,
    /// Event name of a dispatch.
    #[serde(borrow, default)]
    pub t: Option<Cow<'a, str>>,
    /// The rest, unparsed; `None` for null.
    #[serde(borrow, default)]
    pub d: Option<&'a RawValue>,
}

/// A snowflake: a decimal number in a string, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Snowflake(pub u64);

impl<'de> Deserialize<'de> for Snowflake {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        match decimal(text.as_bytes()) {
            Some(id) if id != 0 => Ok(Self(id)),
            _ => Err(D::Error::custom("expected a snowflake in decimal")),
        }
    }
}

/// Data of op 10.
#[derive(Debug, Deserialize)]
pub struct Hello {
    /// Milliseconds between heartbeats.
    pub heartbeat_interval: u32,
}

/// Data of READY.
#[derive(Debug, Deserialize)]
pub struct Ready<'a> {
    /// Names the session in a Resume.
    #[serde(borrow)]
    pub session_id: Cow<'a, str>,
    /// Where to resume.
    #[serde(borrow)]
    pub resume_gateway_url: Cow<'a, str>,
}

/// Data of `GUILD_CREATE`.
#[derive(Debug, Deserialize)]
pub struct GuildCreate {
    /// The guild.
    pub id: Snowflake,
    /// It is known, but cannot be used now.
    #[serde(default)]
    pub unavailable: bool,
    /// Its channels.
    #[serde(default)]
    pub channels: Vec<Channel>,
}

/// Data of `GUILD_DELETE`.
#[derive(Debug, Deserialize)]
pub struct GuildDelete {
    /// The guild.
    pub id: Snowflake,
    /// It is only out of reach; otherwise the user is no member any more.
    #[serde(default)]
    pub unavailable: bool,
}

/// A channel in `GUILD_CREATE`.
#[derive(Debug, Deserialize)]
pub struct Channel {
    /// The channel.
    pub id: Snowflake,
    /// Its newest message.
    #[serde(default)]
    pub last_message_id: Option<Snowflake>,
}

/// A message, in `MESSAGE_CREATE` or in an answer to a post.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    /// Its snowflake.
    pub id: Snowflake,
    /// What it says.
    #[serde(borrow, default)]
    pub content: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_has_the_newest_message_of_each_channel() {
        let text = r#"{"id":"5","channels":[{"id":"1"},{"id":"2","last_message_id":"70"},
            {"id":"3","last_message_id":"9"},{"id":"4","last_message_id":null}],"members":[]}"#;
        let guild: GuildCreate = serde_json::from_str(text).unwrap();
        let last = guild.channels.iter().map(|channel| channel.last_message_id);
        let last: Vec<Option<u64>> = last.map(|id| id.map(|id| id.0)).collect();
        assert_eq!(last, [None, Some(70), Some(9), None]);
    }

    #[test]
    fn snowflakes_are_strings_of_digits() {
        for wrong in ["\"0\"", "5", "\"\"", "\"x\"", "null"] {
            assert!(serde_json::from_str::<Snowflake>(wrong).is_err(), "{wrong}");
        }
    }
}
