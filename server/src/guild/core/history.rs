//! Reading messages and reactions.

use serde::Serialize;

use super::json::{self, OpenObject};
use super::remembered::Remembered;
use super::rights::{Rights, allow_if};
use super::state::Guild;
use super::validate;
use crate::guild::command::{Outcome, Page, Reply};
use crate::protocol::objects::fixed::{EmptyList, False, Zero};
use crate::protocol::objects::{Emoji, EmojiKey};
use crate::protocol::{ApiError, ChannelId, MessageId, Permissions, UserId, limits};

/// Users in one page of a reaction.
const MAX_REACTIONS_PAGE: usize = 100;

impl Guild {
    /// A page of history; empty for who may not read history.
    pub(super) fn messages_page(
        &self,
        rights: &Rights<'_>,
        channel: ChannelId,
        page: Page,
        limit: usize,
    ) -> Outcome {
        let (channel, may) = rights.channel(channel)?;
        if !channel.kind.has_messages() {
            return Err(ApiError::NOT_A_TEXT_CHANNEL);
        }
        check_limit(limit, limits::MAX_MESSAGES_PAGE)?;
        if !may.contains(Permissions::READ_MESSAGE_HISTORY) {
            return Ok(Reply::Json("[]".into()));
        }
        let viewer = rights.member().ok().map(|member| member.user.id);
        let found = self.memory.page(channel.id, page, limit);
        let body = json::array(found, |out, entry| self.write_message(out, entry, viewer));
        Ok(Reply::Json(body.into()))
    }

    /// One message.
    pub(super) fn one_message(
        &self,
        rights: &Rights<'_>,
        channel: ChannelId,
        id: MessageId,
    ) -> Outcome {
        let (_, may) = rights.channel(channel)?;
        allow_if(may.contains(Permissions::READ_MESSAGE_HISTORY))?;
        let found = self.memory.get(channel, id);
        let found = found.ok_or(ApiError::UNKNOWN_MESSAGE)?;
        let viewer = rights.member().ok().map(|member| member.user.id);
        Ok(Reply::Json(self.message_json(found, viewer).into()))
    }

    /// Users who reacted with an emoji. Who left the guild since is counted, but not listed.
    pub(super) fn reaction_users(
        &self,
        rights: &Rights<'_>,
        channel: ChannelId,
        id: MessageId,
        emoji: &EmojiKey,
        (after, limit): (Option<UserId>, usize),
    ) -> Outcome {
        let (_, may) = rights.channel(channel)?;
        allow_if(may.contains(Permissions::READ_MESSAGE_HISTORY))?;
        check_limit(limit, MAX_REACTIONS_PAGE)?;
        let found = self.memory.get(channel, id);
        let found = found.ok_or(ApiError::UNKNOWN_MESSAGE)?;
        let users = found.users_of(&emoji.0).unwrap_or_default();
        let start = after.map_or(0, |after| users.partition_point(|user| *user <= after));
        let members = users[start..].iter().filter_map(|id| self.members.get(*id));
        let body = json::array(members.take(limit), |out, member| {
            json::append(out, &*member.user);
        });
        Ok(Reply::Json(body.into()))
    }

    /// A message as REST shows it to `viewer`.
    pub(super) fn message_json(&self, entry: &Remembered, viewer: Option<UserId>) -> Vec<u8> {
        let mut out = Vec::with_capacity(768);
        self.write_message(&mut out, entry, viewer);
        out
    }

    fn write_message(&self, out: &mut Vec<u8>, entry: &Remembered, viewer: Option<UserId>) {
        let mut object = OpenObject::from_value(out, &*entry.message);
        if !entry.reactions.is_empty() {
            let reactions = entry.reactions.iter().map(|reaction| ReactionCount {
                count: reaction.users.len(),
                count_details: CountDetails {
                    burst: Zero,
                    normal: reaction.users.len(),
                },
                me: viewer.is_some_and(|user| reaction.users.binary_search(&user).is_ok()),
                me_burst: False,
                emoji: &reaction.emoji,
                burst_colors: EmptyList,
            });
            object.field("reactions", &reactions.collect::<Vec<_>>());
        }
        if let Some(reference) = &entry.message.message_reference {
            let (channel, id) = (reference.channel_id, reference.message_id);
            match self.memory.get(channel, id) {
                Some(found) => {
                    object.field("referenced_message", &*found.message);
                }
                // Null says that it was deleted; nothing, that it is not known.
                None if self.memory.knows(channel, id, id) => {
                    object.raw("referenced_message", b"null");
                }
                None => {}
            }
        }
        object.close();
    }
}

fn check_limit(limit: usize, max: usize) -> Result<(), ApiError> {
    if limit == 0 {
        return Err(ApiError::invalid_form(
            "limit",
            "NUMBER_TYPE_MIN",
            "int value should be greater than or equal to 1.",
        ));
    }
    validate::number("limit", limit as u64, max as u64)
}

#[derive(Serialize)]
struct ReactionCount<'m> {
    count: usize,
    count_details: CountDetails,
    me: bool,
    me_burst: False,
    emoji: &'m Emoji,
    burst_colors: EmptyList,
}

#[derive(Serialize)]
struct CountDetails {
    burst: Zero,
    normal: usize,
}
