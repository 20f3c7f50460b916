//! Requests about messages that memory has forgotten.
//!
//! The core says what it misses ([`GuildCore::wants`]), somebody reads that from the journal
//! ([`crate::guild::recall`]) between [`GuildCore::begin_recall`] and [`GuildCore::recall`], and then the
//! requests are handled as if memory had never ended. It is exact, because
//! * the read begins when all records up to the position at `begin_recall` are acknowledged, so it has
//!   everything up to there about messages up to the floor of that time;
//! * nothing can be written about those until `recall`, since who writes has to know them first;
//! * what memory forgets in between is kept, with what is written about it.

use super::memory::MessageMemory;
use super::nonces::NonceKey;
use super::recalled::Recollection;
use super::rights::Rights;
use super::state::Guild;
use super::{GuildCore, Moment};
use crate::guild::command::{Caller, Command, NewMessage, Page, Request};
use crate::journal::Span;
use crate::protocol::{ChannelId, MessageId, limits};

impl GuildCore {
    /// What must be read before a request can be handled; nothing for most.
    pub fn wants(&self, at: &Moment, request: &Request) -> Vec<Span> {
        let Ok(guild) = self.state.guild() else {
            return Vec::new();
        };
        if guild.memory.is_whole() {
            return Vec::new();
        }
        let Request { caller, command } = request;
        let (channel, mut spans) = match command {
            Command::GetMessages {
                channel,
                page,
                limit,
            } => (*channel, page_of(guild, *channel, *page, *limit)),
            Command::GetMessage(channel, id) | Command::EditMessage(channel, id, _) => {
                (*channel, with_referenced(&guild.memory, *channel, *id))
            }
            Command::DeleteMessage(channel, id)
            | Command::AddReaction(channel, id, _)
            | Command::RemoveReaction(channel, id, ..)
            | Command::GetReactions {
                channel,
                message: id,
                ..
            } => (*channel, one(&guild.memory, *channel, *id)),
            Command::BulkDelete(channel, ids) if ids.len() <= limits::MAX_BULK_DELETE => {
                let spans = ids.iter().flat_map(|id| one(&guild.memory, *channel, *id));
                (*channel, spans.collect())
            }
            Command::CreateMessage(channel, new) => {
                (*channel, self.of_new(at, guild, caller, *channel, new))
            }
            _ => return Vec::new(),
        };
        if spans.is_empty() {
            return spans;
        }
        // Who may not see the channel is told so without a read.
        let rights = Rights::of(guild, caller, at.now_ms);
        if rights.is_ok_and(|rights| rights.channel(channel).is_ok()) {
            spans.dedup();
            spans
        } else {
            Vec::new()
        }
    }

    fn of_new(
        &self,
        at: &Moment,
        guild: &Guild,
        caller: &Caller,
        channel: ChannelId,
        new: &NewMessage,
    ) -> Vec<Span> {
        let mut spans = Vec::new();
        if let Some((reference, _)) = &new.reference {
            spans.extend(one(&guild.memory, channel, reference.message_id));
        }
        if new.enforce_nonce
            && let (Some(nonce), Some(author)) = (&new.nonce, caller.user_id())
        {
            let key = NonceKey {
                author,
                channel,
                nonce: nonce.clone(),
            };
            if let Some(known) = guild.nonces.find(&key, at.now_ms, &self.settings) {
                spans.extend(with_referenced(&guild.memory, channel, known));
            }
        }
        spans
    }

    /// Begins to keep what memory forgets, so that a read of what is older can be taken in later.
    pub fn begin_recall(&mut self) {
        if let Ok(guild) = self.state.guild_mut() {
            guild.memory.begin_recall();
        }
    }

    /// Takes in what was read; `false` where it took so long that it is of no use.
    pub fn recall(&mut self, read: Recollection) -> bool {
        self.state
            .guild_mut()
            .is_ok_and(|guild| guild.memory.recall(read))
    }

    /// Forgets again what was taken in.
    pub fn end_recall(&mut self) {
        if let Ok(guild) = self.state.guild_mut() {
            guild.memory.end_recall();
        }
    }
}

fn one(memory: &MessageMemory, channel: ChannelId, id: MessageId) -> Vec<Span> {
    memory.missing_one(channel, id).into_iter().collect()
}

/// A message and the one that it replies to, which is shown with it.
fn with_referenced(memory: &MessageMemory, channel: ChannelId, id: MessageId) -> Vec<Span> {
    let mut spans = one(memory, channel, id);
    spans.extend(referenced(memory, channel, id));
    spans
}

fn referenced(memory: &MessageMemory, channel: ChannelId, id: MessageId) -> Option<Span> {
    let reference = memory
        .get(channel, id)?
        .message
        .message_reference
        .as_ref()?;
    memory.missing_one(reference.channel_id, reference.message_id)
}

fn page_of(guild: &Guild, channel: ChannelId, page: Page, limit: usize) -> Vec<Span> {
    if !(1..=limits::MAX_MESSAGES_PAGE).contains(&limit) {
        return Vec::new();
    }
    let mut spans = guild.memory.missing(channel, page, limit);
    for entry in guild.memory.page(channel, page, limit) {
        spans.extend(referenced(&guild.memory, channel, entry.message.id));
    }
    spans
}
