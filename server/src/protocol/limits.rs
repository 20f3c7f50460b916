//! Limits of the protocol: what Discord's documentation states and what every client may rely on.

/// Largest payload a client may send over the gateway, in bytes; beyond it: close 4002.
pub const MAX_INBOUND_PAYLOAD: usize = 4096;
/// Payloads a connection may send within [`INBOUND_WINDOW_MS`]; beyond it: close 4008.
pub const MAX_INBOUND_PER_WINDOW: u32 = 120;
/// Length of the window of [`MAX_INBOUND_PER_WINDOW`], in milliseconds.
pub const INBOUND_WINDOW_MS: u64 = 60_000;
/// Guilds one shard may hold; beyond it: close 4011.
pub const MAX_GUILDS_PER_SHARD: usize = 2_500;
/// Characters of a message's content.
pub const MAX_MESSAGE_CHARS: usize = 2_000;
/// Characters of a nonce.
pub const MAX_NONCE_CHARS: usize = 25;
/// Embeds of a message.
pub const MAX_EMBEDS: usize = 10;
/// Channels of a guild.
pub const MAX_CHANNELS: usize = 500;
/// Roles of a guild.
pub const MAX_ROLES: usize = 250;
/// Permission overwrites of a channel.
pub const MAX_OVERWRITES: usize = 100;
/// Distinct reaction emoji of a message.
pub const MAX_REACTIONS: usize = 20;
/// Members in one GUILD_MEMBERS_CHUNK.
pub const MEMBERS_PER_CHUNK: usize = 1_000;
/// Members or messages in one page of a REST list.
pub const MAX_MEMBERS_PAGE: usize = 1_000;
/// Messages in one page of history.
pub const MAX_MESSAGES_PAGE: usize = 100;
/// Messages in one bulk delete.
pub const MAX_BULK_DELETE: usize = 100;
/// Guilds one user may be a member of.
pub const MAX_GUILDS_PER_USER: usize = 10_000;
