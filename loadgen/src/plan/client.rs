//! One session's kind.

/// GUILDS, `GUILD_MESSAGES` and `MESSAGE_CONTENT`.
pub const MESSAGES: u32 = 1 << 0 | 1 << 9 | 1 << 15;

/// GUILDS.
pub const NO_MESSAGES: u32 = 1 << 0;

/// What there is for guilds: members, presences, messages with content, reactions, typing.
pub const ALL_INTENTS: u32 = MESSAGES | 1 << 1 | 1 << 8 | 1 << 10 | 1 << 11;

/// What a session is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Whose session it is.
    pub user: u32,
    /// Which of how many shards.
    pub shard: Option<(u32, u32)>,
    /// What it asks for.
    pub intents: u32,
    /// Reads `zlib-stream`.
    pub is_compressed: bool,
    /// Bytes that it reads each second, if it does not read all there is.
    pub bytes_per_second: Option<u32>,
}

impl Client {
    /// The usual session of a user.
    pub fn of(user: u32) -> Self {
        Self {
            user,
            shard: None,
            intents: MESSAGES,
            is_compressed: false,
            bytes_per_second: None,
        }
    }

    /// Whether messages come to it at all.
    pub fn gets_messages(&self) -> bool {
        self.intents & MESSAGES == MESSAGES
    }

    /// Whether a guild with this snowflake is its shard's.
    pub fn has(&self, guild: u64) -> bool {
        self.shard
            .is_none_or(|(shard, shards)| (guild >> 22) % u64::from(shards) == u64::from(shard))
    }
}
