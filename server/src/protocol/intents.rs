//! Gateway intents: which groups of events a session asked for.

/// A set of intents; bits that no intent has are kept and ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Intents(u64);

impl Intents {
    /// No intent.
    pub const NONE: Self = Self(0);
    /// Guild, channel and role events.
    pub const GUILDS: Self = Self(1 << 0);
    /// Members joining, changing, leaving (privileged).
    pub const GUILD_MEMBERS: Self = Self(1 << 1);
    /// Presence updates (privileged).
    pub const GUILD_PRESENCES: Self = Self(1 << 8);
    /// Messages in guild channels.
    pub const GUILD_MESSAGES: Self = Self(1 << 9);
    /// Reactions in guild channels.
    pub const GUILD_MESSAGE_REACTIONS: Self = Self(1 << 10);
    /// Typing in guild channels.
    pub const GUILD_MESSAGE_TYPING: Self = Self(1 << 11);
    /// Messages in direct messages.
    pub const DIRECT_MESSAGES: Self = Self(1 << 12);
    /// Reactions in direct messages.
    pub const DIRECT_MESSAGE_REACTIONS: Self = Self(1 << 13);
    /// Typing in direct messages.
    pub const DIRECT_MESSAGE_TYPING: Self = Self(1 << 14);
    /// The content of other users' messages (privileged). Content is always sent here.
    pub const MESSAGE_CONTENT: Self = Self(1 << 15);

    /// The set with exactly these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits, also those without a name.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether every intent of `other` is in this set; true for [`Intents::NONE`].
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
