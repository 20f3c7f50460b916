//! Editing and deleting messages.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::mentions::Mentions;
use super::rights::{Rights, allow_if};
use super::send::{
    AUTHOR_FLAGS, COMPONENTS_V2, SUPPRESS_EMBEDS, check_content, check_not_empty, check_rich,
};
use super::state::Guild;
use super::{GuildCore, Moment};
use crate::guild::command::{Caller, MessageEdit, Outcome, Reply};
use crate::guild::event::Event;
use crate::protocol::objects::{Channel, Message, PartialMember};
use crate::protocol::{ApiError, ChannelId, MessageId, Permissions, Timestamp, limits};

/// Bulk deletion refuses messages older than this, in milliseconds.
const MAX_BULK_AGE_MS: u64 = 14 * 24 * 60 * 60 * 1_000;

impl GuildCore {
    pub(super) fn edit_message(
        &mut self,
        at: &Moment,
        caller: &Caller,
        channel: ChannelId,
        id: MessageId,
        edit: MessageEdit,
    ) -> Outcome {
        let guild = self.state.guild()?;
        if let Some(event) = plan_edit(at, guild, caller, channel, id, edit)? {
            self.emit(event);
        }
        let guild = self.state.guild()?;
        let found = guild.memory.get(channel, id);
        let found = found.ok_or(ApiError::UNKNOWN_MESSAGE)?;
        let body = guild.message_json(found, caller.user_id());
        Ok(Reply::Json(body.into()))
    }

    pub(super) fn delete_message(
        &mut self,
        at: &Moment,
        caller: &Caller,
        channel: ChannelId,
        id: MessageId,
    ) -> Outcome {
        let guild = self.state.guild()?;
        let rights = Rights::of(guild, caller, at.now_ms)?;
        let (channel, may) = rights.channel(channel)?;
        let found = guild.memory.get(channel.id, id);
        let found = found.ok_or(ApiError::UNKNOWN_MESSAGE)?;
        let own = caller.user_id() == Some(found.message.author.id) && !rights.is_timed_out();
        allow_if(own || may.contains(Permissions::MANAGE_MESSAGES))?;
        let channel_id = channel.id;
        self.emit(Event::MessageDeleted {
            channel_id,
            message_id: id,
        });
        Ok(Reply::Done)
    }

    /// Ids of messages that are not there are passed over.
    pub(super) fn bulk_delete(
        &mut self,
        at: &Moment,
        caller: &Caller,
        channel: ChannelId,
        ids: &[MessageId],
    ) -> Outcome {
        let guild = self.state.guild()?;
        if guild.direct {
            return Err(ApiError::NOT_IN_DIRECT_MESSAGES);
        }
        let rights = Rights::of(guild, caller, at.now_ms)?;
        let (channel, _) = rights.channel_with(channel, Permissions::MANAGE_MESSAGES)?;
        if !(2..=limits::MAX_BULK_DELETE).contains(&ids.len()) {
            return Err(ApiError::BULK_DELETE_COUNT);
        }
        let distinct: BTreeSet<MessageId> = ids.iter().copied().collect();
        if distinct.len() < ids.len() {
            return Err(ApiError::invalid_form(
                "messages",
                "SET_TYPE_ALREADY_CONTAINS_VALUE",
                "The set already contains this value.",
            ));
        }
        let oldest = at.now_ms.saturating_sub(MAX_BULK_AGE_MS);
        if distinct.iter().any(|id| id.created_at_ms() < oldest) {
            return Err(ApiError::BULK_DELETE_TOO_OLD);
        }
        let message_ids: Vec<MessageId> = distinct
            .into_iter()
            .filter(|id| guild.memory.get(channel.id, *id).is_some())
            .collect();
        if !message_ids.is_empty() {
            let channel_id = channel.id;
            self.emit(Event::MessagesDeleted {
                channel_id,
                message_ids,
            });
        }
        Ok(Reply::Done)
    }
}

/// The event of an edit; `None` where it changes nothing.
fn plan_edit(
    at: &Moment,
    guild: &Guild,
    caller: &Caller,
    channel: ChannelId,
    id: MessageId,
    edit: MessageEdit,
) -> Result<Option<Event>, ApiError> {
    let rights = Rights::of(guild, caller, at.now_ms)?;
    let (channel, may) = rights.channel(channel)?;
    let found = guild.memory.get(channel.id, id);
    let before = &found.ok_or(ApiError::UNKNOWN_MESSAGE)?.message;
    let edited = if caller.user_id() == Some(before.author.id) {
        allow_if(!rights.is_timed_out())?;
        edit_own(at, guild, &rights, channel, before, edit)?
    } else {
        edit_foreign(may, before, &edit)?
    };
    let author = guild.members.get(before.author.id);
    let member = author.filter(|_| !guild.direct);
    let referenced = before.message_reference.as_ref().and_then(|reference| {
        let found = guild
            .memory
            .get(reference.channel_id, reference.message_id)?;
        Some(Arc::clone(&found.message))
    });
    Ok(edited.map(|message| Event::MessageEdited {
        message: Arc::new(message),
        member: member.map(|member| Box::new(PartialMember::from(&**member))),
        referenced,
    }))
}

fn edit_own(
    at: &Moment,
    guild: &Guild,
    rights: &Rights<'_>,
    channel: &Channel,
    before: &Message,
    edit: MessageEdit,
) -> Result<Option<Message>, ApiError> {
    let mut message = before.clone();
    let mut is_changed = false;
    if let Some(content) = edit.content
        && content != before.content
    {
        check_content(&content)?;
        let allowed = edit.allowed_mentions.as_ref();
        let mut mentions = Mentions::of(guild, rights, channel, &content, allowed)?;
        // The author replied to stays mentioned unless the edit says otherwise.
        if let Some(reference) = &before.message_reference
            && allowed.is_none_or(|allowed| allowed.replied_user)
            && let Some(found) = guild.memory.get(reference.channel_id, reference.message_id)
        {
            mentions.add_user(&found.message.author);
        }
        message.content = content;
        message.mentions = mentions.users;
        message.mention_roles = mentions.roles;
        message.mention_everyone = mentions.everyone;
        is_changed = true;
    }
    if let Some(embeds) = edit.embeds {
        is_changed = true;
        message.embeds = embeds;
    }
    if let Some(components) = edit.components {
        is_changed = true;
        message.components = components;
    }
    check_rich(&message.embeds, &message.components)?;
    if is_changed {
        message.edited_timestamp = Some(Timestamp::from_unix_ms(at.now_ms));
    }
    if let Some(flags) = edit.flags {
        // Suppressed embeds can come back; a message of components stays one.
        let kept = before.flags & (AUTHOR_FLAGS & !SUPPRESS_EMBEDS);
        message.flags = kept | flags & (SUPPRESS_EMBEDS | COMPONENTS_V2);
    }
    check_not_empty(
        &message.content,
        message.embeds.len(),
        message.components.len(),
        message.flags,
    )?;
    Ok((is_changed || message.flags != before.flags).then_some(message))
}

/// Others than the author may suppress embeds, and nothing else.
fn edit_foreign(
    may: Permissions,
    before: &Message,
    edit: &MessageEdit,
) -> Result<Option<Message>, ApiError> {
    if edit.content.is_some() || edit.embeds.is_some() || edit.components.is_some() {
        return Err(ApiError::NOT_THE_AUTHOR);
    }
    allow_if(may.contains(Permissions::MANAGE_MESSAGES))?;
    let flags = edit.flags.unwrap_or(before.flags);
    let flags = before.flags & !SUPPRESS_EMBEDS | flags & SUPPRESS_EMBEDS;
    Ok((flags != before.flags).then(|| Message {
        flags,
        ..before.clone()
    }))
}
