//! Permission bits, and what they amount to in a guild and in one of its channels.

mod compute;

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Sub};
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use compute::{
    Applicable, Scope, base_permissions, channel_permissions, permissions_in, while_timed_out,
};

/// A set of permission bits; a decimal string on the wire, read from a string or a number.
///
/// Bits without a name are kept, so that what a client stored comes back unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions(u64);

/// Why a string is no set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("value is not a permission bit set")]
pub struct InvalidPermissions;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl Permissions {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*

            /// Every permission that has a name.
            pub const ALL: Self = Self($(1 << $bit)|*);

            /// Every permission with its documented name, by rising bit.
            pub const NAMED: &[(&str, Self)] = &[$((stringify!($name), Self::$name)),*];
        }
    };
}

// As listed by the official documentation, topics/permissions.
permissions! {
    /// Create invites.
    CREATE_INSTANT_INVITE = 0;
    /// Remove members.
    KICK_MEMBERS = 1;
    /// Ban members.
    BAN_MEMBERS = 2;
    /// Everything, whatever a channel's overwrites say.
    ADMINISTRATOR = 3;
    /// Create, edit and delete channels.
    MANAGE_CHANNELS = 4;
    /// Edit the guild.
    MANAGE_GUILD = 5;
    /// Add a reaction that a message does not have yet.
    ADD_REACTIONS = 6;
    /// See the audit log.
    VIEW_AUDIT_LOG = 7;
    /// Be heard above others in a voice channel.
    PRIORITY_SPEAKER = 8;
    /// Stream video.
    STREAM = 9;
    /// See a channel: its messages, and its members in voice.
    VIEW_CHANNEL = 10;
    /// Send messages, but not in threads.
    SEND_MESSAGES = 11;
    /// Send messages that are read aloud.
    SEND_TTS_MESSAGES = 12;
    /// Delete the messages of others.
    MANAGE_MESSAGES = 13;
    /// Have one's links embedded.
    EMBED_LINKS = 14;
    /// Upload files.
    ATTACH_FILES = 15;
    /// Read messages sent before.
    READ_MESSAGE_HISTORY = 16;
    /// Notify all with `@everyone` and `@here`.
    MENTION_EVERYONE = 17;
    /// Use the emoji of other guilds.
    USE_EXTERNAL_EMOJIS = 18;
    /// See the guild's figures.
    VIEW_GUILD_INSIGHTS = 19;
    /// Join a voice channel.
    CONNECT = 20;
    /// Speak in a voice channel.
    SPEAK = 21;
    /// Mute others in voice channels.
    MUTE_MEMBERS = 22;
    /// Deafen others in voice channels.
    DEAFEN_MEMBERS = 23;
    /// Move others between voice channels.
    MOVE_MEMBERS = 24;
    /// Speak without push-to-talk.
    USE_VAD = 25;
    /// Change one's own nickname.
    CHANGE_NICKNAME = 26;
    /// Change the nicknames of others.
    MANAGE_NICKNAMES = 27;
    /// Edit roles, and the overwrites of channels.
    MANAGE_ROLES = 28;
    /// Edit webhooks.
    MANAGE_WEBHOOKS = 29;
    /// Edit emoji, stickers and sounds of others.
    MANAGE_GUILD_EXPRESSIONS = 30;
    /// Use application commands.
    USE_APPLICATION_COMMANDS = 31;
    /// Ask to speak in a stage channel.
    REQUEST_TO_SPEAK = 32;
    /// Edit the scheduled events of others.
    MANAGE_EVENTS = 33;
    /// Delete and archive threads, and see the private ones.
    MANAGE_THREADS = 34;
    /// Create public and announcement threads.
    CREATE_PUBLIC_THREADS = 35;
    /// Create private threads.
    CREATE_PRIVATE_THREADS = 36;
    /// Use the stickers of other guilds.
    USE_EXTERNAL_STICKERS = 37;
    /// Send messages in threads.
    SEND_MESSAGES_IN_THREADS = 38;
    /// Use activities.
    USE_EMBEDDED_ACTIVITIES = 39;
    /// Time members out.
    MODERATE_MEMBERS = 40;
    /// See what role subscriptions earn.
    VIEW_CREATOR_MONETIZATION_ANALYTICS = 41;
    /// Use the soundboard.
    USE_SOUNDBOARD = 42;
    /// Create emoji, stickers and sounds, and edit one's own.
    CREATE_GUILD_EXPRESSIONS = 43;
    /// Create scheduled events, and edit one's own.
    CREATE_EVENTS = 44;
    /// Use the sounds of other guilds.
    USE_EXTERNAL_SOUNDS = 45;
    /// Send voice messages.
    SEND_VOICE_MESSAGES = 46;
    /// Set the status of a voice channel.
    SET_VOICE_CHANNEL_STATUS = 48;
    /// Send polls.
    SEND_POLLS = 49;
    /// Let one's own applications answer in public.
    USE_EXTERNAL_APPS = 50;
    /// Pin and unpin messages.
    PIN_MESSAGES = 51;
    /// Send without waiting out a channel's slow mode.
    BYPASS_SLOWMODE = 52;
}

impl Permissions {
    /// No permission.
    pub const NONE: Self = Self(0);

    /// Takes any bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether all of `other` are in the set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for Permissions {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.union(other);
    }
}

impl BitAnd for Permissions {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.intersection(other)
    }
}

impl Sub for Permissions {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.difference(other)
    }
}

/// The decimal number, as on the wire.
impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The names, and in hexadecimal the bits without one.
impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = f.debug_set();
        for (name, permission) in Self::NAMED {
            if self.contains(*permission) {
                set.entry(&format_args!("{name}"));
            }
        }
        let nameless = self.difference(Self::ALL);
        if !nameless.is_empty() {
            set.entry(&format_args!("{:#x}", nameless.0));
        }
        set.finish()
    }
}

impl FromStr for Permissions {
    type Err = InvalidPermissions;

    fn from_str(text: &str) -> Result<Self, InvalidPermissions> {
        // The standard parser would also take a plus sign.
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidPermissions);
        }
        text.parse().map(Self).map_err(|_| InvalidPermissions)
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        super::decimal::serialize(self.0, serializer)
    }
}

struct PermissionsVisitor;

impl Visitor<'_> for PermissionsVisitor {
    type Value = Permissions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permission bits as decimal string or number")
    }

    fn visit_u64<E: de::Error>(self, bits: u64) -> Result<Permissions, E> {
        Ok(Permissions(bits))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Permissions, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PermissionsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_decimal_string_and_read_from_string_or_number() {
        let set = Permissions::ADD_REACTIONS | Permissions::SEND_MESSAGES;
        assert_eq!(serde_json::to_string(&set).unwrap(), "\"2112\"");
        for text in ["\"2112\"", "2112"] {
            assert_eq!(serde_json::from_str::<Permissions>(text).unwrap(), set);
        }
        let any = Permissions::from_bits(u64::MAX);
        let text = serde_json::to_string(&any).unwrap();
        assert_eq!(serde_json::from_str::<Permissions>(&text).unwrap(), any);
        for text in [
            "\"\"",
            "\"-1\"",
            "\"+1\"",
            "\" 1\"",
            "\"0x1\"",
            "-1",
            "1.0",
            "null",
            "true",
            "[]",
            "\"18446744073709551616\"",
            "18446744073709551616",
        ] {
            assert!(serde_json::from_str::<Permissions>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_documented_bit_has_a_name_and_the_skipped_one_has_none() {
        assert_eq!(Permissions::NAMED.len(), 52);
        // Bits 0 to 52 without 47, which the documentation leaves out.
        assert_eq!(Permissions::ALL.bits(), ((1 << 53) - 1) & !(1 << 47));
        assert_eq!(Permissions::VIEW_CHANNEL.bits(), 0x400);
        assert_eq!(Permissions::MODERATE_MEMBERS.bits(), 0x100_0000_0000);
        assert_eq!(Permissions::BYPASS_SLOWMODE.bits(), 0x10_0000_0000_0000);
    }

    #[test]
    fn debug_shows_names_and_display_the_number() {
        let set = Permissions::KICK_MEMBERS | Permissions::from_bits(1 << 60);
        assert_eq!(format!("{set:?}"), "{KICK_MEMBERS, 0x1000000000000000}");
        assert_eq!(set.to_string(), "1152921504606846978");
    }
}
