//! The guild as a pure state machine: `(now, input) → outputs`. No socket, no thread, no clock.
//!
//! *Invariant I2 (no ghost)*: an output that depends on a record leaves only after that record's
//! append is acknowledged. Commands are checked against, and applied to, the newest state at once;
//! what they make visible (replies, items, attachments, also of plain reads) waits in the outbox
//! behind the position it depends on. If an append fails, the core is thrown away and rebuilt from
//! the journal.
//!
//! *Invariant I5*: nothing here is per session, except that a session's attachment is answered.

use bytes::Bytes;

use super::command::Outcome;
use crate::fanout::{Attachment, Item};
use crate::protocol::objects::Presence;
use crate::protocol::{ApiError, Intents, MessageId, Position, UserId};

/// When something happens, and the id that it may give.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// A fresh snowflake of this node, for a message that the input may create.
    pub fresh_id: MessageId,
}

/// Names a request until it is answered; chosen by the actor.
pub type Ticket = u64;

/// Names a hub of this or another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HubId(pub u32);

/// A session to be attached to the guild.
#[derive(Debug, Clone)]
pub struct Attach {
    /// Where the session lives.
    pub hub: HubId,
    /// Names the session within its hub.
    pub session: u64,
    /// Whose session it is.
    pub user: UserId,
    /// What it asked for; with GUILD_MEMBERS or GUILD_PRESENCES it is shown all members.
    pub intents: Intents,
    /// Up to how many members all of them are shown, 50 to 250.
    pub large_threshold: u16,
    /// The presence of the session; `None` where it attaches again and the guild knows it.
    pub presence: Option<Presence>,
}

/// What the core wants done.
#[derive(Debug)]
pub enum Output {
    /// Answer a request.
    Reply {
        /// Which.
        ticket: Ticket,
        /// How.
        outcome: Outcome,
    },
    /// Hand an item to every subscribed hub, in order.
    Item(Item),
    /// Answer an attachment; for this hub it stands in order with the items.
    Attached {
        /// The hub.
        hub: HubId,
        /// The session.
        session: u64,
        /// The snapshot, or why there is none (UNKNOWN_GUILD, UNKNOWN_MEMBER).
        result: Box<Result<Attachment, ApiError>>,
    },
}

/// Records to be appended in one go.
#[derive(Debug)]
pub struct Batch {
    /// The position that the journal must be at.
    pub expected: Position,
    /// Serialized [`super::event::Event`]s; the first gets position `expected + 1`.
    pub records: Vec<Bytes>,
}
