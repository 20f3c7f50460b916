//! Reacting to messages, and typing.

use std::sync::Arc;

use super::remembered::{Remembered, is_same_emoji};
use super::rights::{Rights, allow_if};
use super::{GuildCore, Moment, Output, render};
use crate::guild::command::{Caller, Outcome, Reply};
use crate::guild::event::Event;
use crate::protocol::objects::{Emoji, EmojiKey};
use crate::protocol::{ApiError, ChannelId, MessageId, Permissions, UserId, limits};

impl GuildCore {
    pub(super) fn add_reaction(
        &mut self,
        at: &Moment,
        caller: &Caller,
        channel: ChannelId,
        id: MessageId,
        EmojiKey(emoji): EmojiKey,
    ) -> Outcome {
        let guild = self.state.guild()?;
        let rights = Rights::of(guild, caller, at.now_ms)?;
        let needed = Permissions::READ_MESSAGE_HISTORY;
        let (channel, may) = rights.channel_with(channel, needed)?;
        let member = rights.member()?;
        allow_if(!rights.is_timed_out())?;
        let found = guild.memory.get(channel.id, id);
        let found = found.ok_or(ApiError::UNKNOWN_MESSAGE)?;
        check_emoji(&emoji)?;
        match found.users_of(&emoji) {
            Some(users) if users.binary_search(&member.user.id).is_ok() => return Ok(Reply::Done),
            Some(_) => {}
            None => {
                allow_if(may.contains(Permissions::ADD_REACTIONS))?;
                if found.reactions.len() >= limits::MAX_REACTIONS {
                    return Err(ApiError::TOO_MANY_REACTIONS);
                }
            }
        }
        let event = Event::ReactionAdded {
            channel_id: channel.id,
            message_id: id,
            message_author_id: Some(found.message.author.id),
            member: Arc::clone(member),
            emoji: known_form(found, emoji),
        };
        self.emit(event);
        Ok(Reply::Done)
    }

    pub(super) fn remove_reaction(
        &mut self,
        at: &Moment,
        caller: &Caller,
        channel: ChannelId,
        id: MessageId,
        EmojiKey(emoji): EmojiKey,
        of: Option<UserId>,
    ) -> Outcome {
        let guild = self.state.guild()?;
        let rights = Rights::of(guild, caller, at.now_ms)?;
        let (channel, may) = rights.channel(channel)?;
        let own = caller.user_id();
        let user_id = of.or(own).ok_or(ApiError::MISSING_ACCESS)?;
        if Some(user_id) == own {
            allow_if(!rights.is_timed_out())?;
        } else {
            allow_if(may.contains(Permissions::MANAGE_MESSAGES))?;
        }
        let found = guild.memory.get(channel.id, id);
        let found = found.ok_or(ApiError::UNKNOWN_MESSAGE)?;
        check_emoji(&emoji)?;
        let has_reacted = found
            .users_of(&emoji)
            .is_some_and(|users| users.binary_search(&user_id).is_ok());
        if has_reacted {
            let event = Event::ReactionRemoved {
                channel_id: channel.id,
                message_id: id,
                user_id,
                emoji: known_form(found, emoji),
            };
            self.emit(event);
        }
        Ok(Reply::Done)
    }

    /// Typing is told at once: it is of no use later.
    pub(super) fn typing(&mut self, at: &Moment, caller: &Caller, channel: ChannelId) -> Outcome {
        let guild = self.state.guild()?;
        let rights = Rights::of(guild, caller, at.now_ms)?;
        let (channel, _) = rights.channel_with(channel, Permissions::SEND_MESSAGES)?;
        if !channel.kind.has_messages() {
            return Err(ApiError::NOT_A_TEXT_CHANNEL);
        }
        let scope = self.state.scope();
        let item = render::typing_item(scope, channel.id, rights.member()?, at.now_ms);
        self.outbox.push_now(Output::Item(item));
        Ok(Reply::Done)
    }
}

/// A custom emoji's name as the message has it already.
fn known_form(found: &Remembered, emoji: Emoji) -> Emoji {
    found
        .reactions
        .iter()
        .find(|reaction| is_same_emoji(&reaction.emoji, &emoji))
        .map_or(emoji, |reaction| reaction.emoji.clone())
}

/// No Unicode emoji consists of ASCII alone.
fn check_emoji(emoji: &Emoji) -> Result<(), ApiError> {
    if emoji.id.is_none() && emoji.name.is_ascii() {
        return Err(ApiError::UNKNOWN_EMOJI);
    }
    Ok(())
}
