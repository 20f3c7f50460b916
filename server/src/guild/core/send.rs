//! Sending a message: the path that matters most.

use std::sync::Arc;

use smallvec::smallvec;

use super::mentions::Mentions;
use super::nonces::NonceKey;
use super::rights::{Rights, allow_if};
use super::state::Guild;
use super::{GuildCore, Moment, json, record, render, validate};
use crate::guild::command::{Caller, NewMessage, Outcome, Reply};
use crate::guild::event::Event;
use crate::protocol::objects::fixed::EmptyList;
use crate::protocol::objects::{Channel, Message, MessageReference, Nonce, PartialMember, User};
use crate::protocol::{ApiError, ChannelId, EventName, MessageId, Permissions, Timestamp, limits};

/// An ordinary message.
pub(super) const KIND_DEFAULT: u8 = 0;
/// A reply to another message.
pub(super) const KIND_REPLY: u8 = 19;

/// Do not show embeds.
pub(super) const SUPPRESS_EMBEDS: u64 = 1 << 2;
/// Do not notify.
const SUPPRESS_NOTIFICATIONS: u64 = 1 << 12;
/// The message consists of components alone.
pub(super) const COMPONENTS_V2: u64 = 1 << 15;
/// Flags that an author may set.
pub(super) const AUTHOR_FLAGS: u64 = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | COMPONENTS_V2;

/// Bytes of a message's embeds and components together.
const MAX_RICH_BYTES: usize = 64 * 1_024;
/// Top-level components of a message.
const MAX_COMPONENTS: usize = 40;

/// What a send comes to.
enum Planned {
    /// It was done before: this is the message.
    Known(MessageId),
    /// A new message.
    New(Box<New>),
}

struct New {
    message: Message,
    member: Option<Box<PartialMember>>,
    nonce: Option<Nonce>,
    referenced: Option<Arc<Message>>,
}

impl GuildCore {
    pub(super) fn create_message(
        &mut self,
        at: &Moment,
        caller: &Caller,
        channel: ChannelId,
        new: NewMessage,
    ) -> Outcome {
        let guild = self.state.guild()?;
        match self.plan_message(at, guild, caller, channel, new)? {
            Planned::Known(id) => {
                let found = guild.memory.get(channel, id);
                let found = found.ok_or(ApiError::UNKNOWN_MESSAGE)?;
                let viewer = caller.user_id();
                Ok(Reply::Json(guild.message_json(found, viewer).into()))
            }
            Planned::New(new) => Ok(self.commit_message(*new)),
        }
    }

    /// Emits the event of a new message. It is serialized once, for the record, the
    /// dispatch and the reply together.
    fn commit_message(&mut self, new: New) -> Reply {
        let New {
            message,
            member,
            nonce,
            referenced,
        } = new;
        let mut body = json::to_vec(&message);
        let member_json = member.as_deref().map(json::to_vec);
        let record = record::encode_message_created(
            &body,
            member_json.as_deref(),
            nonce.as_ref(),
            referenced.as_deref(),
        );
        render::complete_message(&mut body, nonce.as_ref(), referenced.as_deref());
        let item = render::message_item(
            self.state.scope(),
            self.state.position + 1,
            EventName::MessageCreate,
            message.channel_id,
            &body,
            member_json.as_deref(),
        );
        let event = Event::MessageCreated {
            message: Arc::new(message),
            member,
            nonce,
            referenced,
        };
        self.commit(record, smallvec![item], event);
        Reply::Json(body.into())
    }

    fn plan_message(
        &self,
        at: &Moment,
        guild: &Guild,
        caller: &Caller,
        channel: ChannelId,
        new: NewMessage,
    ) -> Result<Planned, ApiError> {
        let rights = Rights::of(guild, caller, at.now_ms)?;
        let (channel, may) = rights.channel(channel)?;
        if !channel.kind.has_messages() {
            return Err(ApiError::NOT_A_TEXT_CHANNEL);
        }
        allow_if(may.contains(Permissions::SEND_MESSAGES))?;
        check_new(&new)?;
        allow_if(!new.tts || may.contains(Permissions::SEND_TTS_MESSAGES))?;
        let member = rights.member()?;
        let author = Arc::clone(&member.user);
        if new.enforce_nonce
            && let Some(nonce) = &new.nonce
        {
            let key = NonceKey {
                author: author.id,
                channel: channel.id,
                nonce: nonce.clone(),
            };
            if let Some(known) = guild.nonces.find(&key, at.now_ms, &self.settings) {
                return Ok(Planned::Known(known));
            }
        }
        check_slow_mode(at, guild, channel, may, &author)?;
        let mentions = Mentions::of(
            guild,
            &rights,
            channel,
            &new.content,
            new.allowed_mentions.as_ref(),
        )?;
        let referenced = find_referenced(guild, channel, may, new.reference.as_ref())?;
        Ok(Planned::New(Box::new(compose(
            at, guild, channel, member, new, mentions, referenced,
        ))))
    }
}

fn compose(
    at: &Moment,
    guild: &Guild,
    channel: &Channel,
    member: &crate::protocol::objects::Member,
    new: NewMessage,
    mut mentions: Mentions,
    referenced: Option<Arc<Message>>,
) -> New {
    let replied_user = new
        .allowed_mentions
        .is_none_or(|allowed| allowed.replied_user);
    if let Some(referenced) = &referenced
        && replied_user
    {
        mentions.add_user(&referenced.author);
    }
    let message = Message {
        id: at
            .fresh_id
            .max(MessageId::new(guild.last_message_id.get() + 1)),
        kind: if referenced.is_some() {
            KIND_REPLY
        } else {
            KIND_DEFAULT
        },
        channel_id: channel.id,
        author: Arc::clone(&member.user),
        content: new.content,
        timestamp: Timestamp::from_unix_ms(at.now_ms),
        edited_timestamp: None,
        tts: new.tts,
        mention_everyone: mentions.everyone,
        mentions: mentions.users,
        mention_roles: mentions.roles,
        attachments: EmptyList,
        embeds: new.embeds,
        components: new.components,
        pinned: false,
        flags: new.flags & AUTHOR_FLAGS,
        message_reference: referenced.as_ref().map(|referenced| MessageReference {
            message_id: referenced.id,
            channel_id: referenced.channel_id,
            guild_id: (!guild.direct).then_some(guild.settings.id),
        }),
    };
    New {
        message,
        member: (!guild.direct).then(|| Box::new(PartialMember::from(member))),
        nonce: new.nonce,
        referenced,
    }
}

fn check_new(new: &NewMessage) -> Result<(), ApiError> {
    check_content(&new.content)?;
    check_rich(&new.embeds, &new.components)?;
    check_not_empty(
        &new.content,
        new.embeds.len(),
        new.components.len(),
        new.flags,
    )?;
    if let Some(Nonce::Text(text)) = &new.nonce {
        validate::length("nonce", text, 0, limits::MAX_NONCE_CHARS)?;
    }
    Ok(())
}

/// Content of at most [`limits::MAX_MESSAGE_CHARS`] characters.
pub(super) fn check_content(content: &str) -> Result<(), ApiError> {
    validate::length("content", content, 0, limits::MAX_MESSAGE_CHARS)
}

/// A bounded number and amount of embeds and components.
pub(super) fn check_rich(
    embeds: &[Box<serde_json::value::RawValue>],
    components: &[Box<serde_json::value::RawValue>],
) -> Result<(), ApiError> {
    validate::at_most("embeds", embeds.len(), limits::MAX_EMBEDS)?;
    validate::at_most("components", components.len(), MAX_COMPONENTS)?;
    let bytes: usize = embeds
        .iter()
        .chain(components)
        .map(|raw| raw.get().len())
        .sum();
    if bytes > MAX_RICH_BYTES {
        return Err(ApiError::TOO_LARGE);
    }
    super::embeds::check(embeds)
}

/// A message shows something. With [`COMPONENTS_V2`] that must be components and nothing else.
pub(super) fn check_not_empty(
    content: &str,
    embeds: usize,
    components: usize,
    flags: u64,
) -> Result<(), ApiError> {
    if flags & COMPONENTS_V2 != 0 && !(content.is_empty() && embeds == 0) {
        return Err(ApiError::invalid_form(
            "flags",
            "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
            "The 'content' and 'embeds' fields cannot be used when using \
             MessageFlags.IS_COMPONENTS_V2",
        ));
    }
    if content.trim().is_empty() && embeds == 0 && components == 0 {
        return Err(ApiError::EMPTY_MESSAGE);
    }
    Ok(())
}

fn check_slow_mode(
    at: &Moment,
    guild: &Guild,
    channel: &Channel,
    may: Permissions,
    author: &User,
) -> Result<(), ApiError> {
    let seconds = channel.rate_limit_per_user;
    if seconds == 0 || author.bot || may.contains(Permissions::BYPASS_SLOWMODE) {
        return Ok(());
    }
    match guild
        .slow_mode
        .wait_ms(channel.id, seconds, author.id, at.now_ms)
    {
        0 => Ok(()),
        wait_ms => Err(ApiError::SLOW_MODE.retry_after(wait_ms)),
    }
}

/// The message that is replied to: in the same channel. `None` where it is not there and the author
/// does not mind.
fn find_referenced(
    guild: &Guild,
    channel: &Channel,
    may: Permissions,
    reference: Option<&(MessageReference, bool)>,
) -> Result<Option<Arc<Message>>, ApiError> {
    let Some((reference, must_exist)) = reference else {
        return Ok(None);
    };
    if !may.contains(Permissions::READ_MESSAGE_HISTORY) {
        return Err(ApiError::REPLY_NEEDS_HISTORY);
    }
    if reference.channel_id != channel.id {
        return Err(ApiError::invalid_form(
            "message_reference",
            "REPLIES_CANNOT_REFERENCE_OTHER_CHANNEL",
            "Cannot reply to a message in a different channel",
        ));
    }
    match guild.memory.get(channel.id, reference.message_id) {
        Some(found) => Ok(Some(Arc::clone(&found.message))),
        None if *must_exist => Err(ApiError::invalid_form(
            "message_reference",
            "REPLIES_UNKNOWN_MESSAGE",
            "Unknown message",
        )),
        None => Ok(None),
    }
}
