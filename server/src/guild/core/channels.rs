//! Channels: reading, adding, changing and removing them.

use super::guilds::rights_in_guild;
use super::json::{self, OpenObject};
use super::overwrites;
use super::rights::{Rights, allow_if};
use super::state::Guild;
use super::table::channel_with_guild;
use super::{GuildCore, Moment, validate};
use crate::guild::command::{Caller, ChannelEdit, NewChannel, Outcome, Reply};
use crate::guild::event::Event;
use crate::protocol::objects::fixed::{False, Null, Zero};
use crate::protocol::objects::{Channel, ChannelType};
use crate::protocol::{ApiError, ChannelId, Permissions, limits};

/// Longest slow mode, in seconds.
const MAX_SLOW_MODE: u64 = 21_600;
/// Bits per second of voice channels.
const BITRATES: std::ops::RangeInclusive<u32> = 8_000..=384_000;
const DEFAULT_BITRATE: u32 = 64_000;

impl GuildCore {
    pub(super) fn get_channels(&self, at: &Moment, caller: &Caller) -> Outcome {
        let guild = self.state.guild()?;
        let rights = Rights::of(guild, caller, at.now_ms).map_err(|_| ApiError::UNKNOWN_GUILD)?;
        let visible = guild
            .channels
            .values()
            .filter(|channel| rights.within(channel).contains(Permissions::VIEW_CHANNEL));
        let body = json::array(visible, |out, channel| {
            guild.write_channel(out, channel, caller);
        });
        Ok(Reply::Json(body.into()))
    }

    pub(super) fn get_channel(&self, at: &Moment, caller: &Caller, id: ChannelId) -> Outcome {
        let guild = self.state.guild()?;
        let rights = Rights::of(guild, caller, at.now_ms)?;
        let (channel, _) = rights.channel(id)?;
        Ok(guild.channel_reply(channel, caller))
    }

    /// Adding a channel with an id that is there already answers with that channel: the caller may
    /// not know that it was done.
    pub(super) fn create_channel(
        &mut self,
        at: &Moment,
        caller: &Caller,
        new: NewChannel,
    ) -> Outcome {
        let guild = self.state.guild()?;
        let rights = rights_in_guild(guild, caller, at)?;
        rights.require(Permissions::MANAGE_CHANNELS)?;
        let id = new.id;
        if !guild.channels.contains_key(&id) {
            let channel = plan_channel(guild, &rights, new)?;
            self.emit(Event::ChannelCreated(Box::new(channel)));
        }
        let guild = self.state.guild()?;
        let channel = guild.channels.get(&id).ok_or(ApiError::UNKNOWN_CHANNEL)?;
        Ok(guild.channel_reply(channel, caller))
    }

    pub(super) fn edit_channel(
        &mut self,
        at: &Moment,
        caller: &Caller,
        id: ChannelId,
        edit: ChannelEdit,
    ) -> Outcome {
        let guild = self.state.guild()?;
        if guild.direct {
            return Err(ApiError::NOT_IN_DIRECT_MESSAGES);
        }
        let rights = Rights::of(guild, caller, at.now_ms)?;
        let (before, may) = rights.channel_with(id, Permissions::MANAGE_CHANNELS)?;
        if let Some(list) = &edit.permission_overwrites {
            allow_if(may.contains(Permissions::MANAGE_ROLES))?;
            overwrites::check_change(guild, &rights, &before.permission_overwrites, list)?;
        }
        let after = edited(before.clone(), edit, |id| {
            guild.channels.get(&id).map(|c| &**c)
        })?;
        let events = overwrites::with_synced_children(guild, before, after);
        for event in events {
            self.emit(event);
        }
        let guild = self.state.guild()?;
        let channel = guild.channels.get(&id).ok_or(ApiError::UNKNOWN_CHANNEL)?;
        Ok(guild.channel_reply(channel, caller))
    }

    /// Channels of a removed category stay, without a category. A direct message channel is not
    /// removed: closing it is the client's own affair.
    pub(super) fn delete_channel(
        &mut self,
        at: &Moment,
        caller: &Caller,
        id: ChannelId,
    ) -> Outcome {
        let guild = self.state.guild()?;
        let rights = Rights::of(guild, caller, at.now_ms)?;
        if guild.direct {
            let (channel, _) = rights.channel(id)?;
            return Ok(guild.channel_reply(channel, caller));
        }
        let (channel, _) = rights.channel_with(id, Permissions::MANAGE_CHANNELS)?;
        let reply = guild.channel_reply(channel, caller);
        let orphans = guild.channels.values().filter(|c| c.parent_id == Some(id));
        let mut events: Vec<Event> = orphans
            .map(|orphan| {
                Event::ChannelUpdated(Box::new(Channel {
                    parent_id: None,
                    ..(**orphan).clone()
                }))
            })
            .collect();
        events.push(Event::ChannelDeleted(Box::new(channel.clone())));
        for event in events {
            self.emit(event);
        }
        Ok(reply)
    }
}

impl Guild {
    /// A channel as REST shows it to a caller.
    pub(super) fn channel_reply(&self, channel: &Channel, caller: &Caller) -> Reply {
        let mut body = Vec::with_capacity(512);
        self.write_channel(&mut body, channel, caller);
        Reply::Json(body.into())
    }

    /// A direct message channel names its recipients, the caller left out, instead of a guild.
    fn write_channel(&self, out: &mut Vec<u8>, channel: &Channel, caller: &Caller) {
        if !self.direct {
            return channel_with_guild(out, channel, self.settings.id);
        }
        let own = caller.user_id();
        let others = self.members.values().filter(|m| Some(m.user.id) != own);
        let recipients = json::array(others, |out, member| json::append(out, &*member.user));
        OpenObject::from_value(out, &Direct::from(channel))
            .raw("recipients", &recipients)
            .close();
    }
}

/// What a direct message channel has of a channel.
#[derive(serde::Serialize)]
struct Direct {
    id: ChannelId,
    #[serde(rename = "type")]
    kind: ChannelType,
    last_message_id: Option<crate::protocol::MessageId>,
    last_pin_timestamp: Null,
    flags: Zero,
}

impl From<&Channel> for Direct {
    fn from(channel: &Channel) -> Self {
        Self {
            id: channel.id,
            kind: channel.kind,
            last_message_id: channel.last_message_id,
            last_pin_timestamp: Null,
            flags: Zero,
        }
    }
}

fn plan_channel(
    guild: &Guild,
    rights: &Rights<'_>,
    mut new: NewChannel,
) -> Result<Channel, ApiError> {
    if guild.channels.len() >= limits::MAX_CHANNELS {
        return Err(ApiError::TOO_MANY_CHANNELS);
    }
    if let Some(list) = &new.fields.permission_overwrites {
        overwrites::check_change(guild, rights, &[], list)?;
    } else {
        // A channel starts out with the rules of its category.
        let parent = new.fields.parent_id.flatten();
        new.fields.permission_overwrites = parent
            .and_then(|id| guild.channels.get(&id))
            .map(|category| category.permission_overwrites.to_vec());
    }
    let last = guild
        .channels
        .values()
        .map(|channel| channel.position)
        .max();
    let place = last.map_or(0, |last| last.saturating_add(1));
    new_channel(new, place, |id| guild.channels.get(&id).map(|c| &**c))
}

/// A channel from its fields; `place` is its position by default.
pub(super) fn new_channel<'c>(
    new: NewChannel,
    place: u16,
    find: impl Fn(ChannelId) -> Option<&'c Channel>,
) -> Result<Channel, ApiError> {
    if new.kind == ChannelType::Direct {
        return Err(ApiError::WRONG_CHANNEL_TYPE);
    }
    if new.fields.name.is_none() {
        return Err(ApiError::invalid_form(
            "name",
            "BASE_TYPE_REQUIRED",
            "This field is required",
        ));
    }
    let is_voice = new.kind == ChannelType::Voice;
    let blank = Channel {
        position: place,
        bitrate: is_voice.then_some(DEFAULT_BITRATE),
        user_limit: is_voice.then_some(0),
        ..blank(new.id, new.kind)
    };
    edited(blank, new.fields, find)
}

/// The channel of a direct message "guild": it has nothing but its id.
pub(super) fn check_direct_channel(new: &NewChannel) -> Result<Channel, ApiError> {
    if new.kind != ChannelType::Direct {
        return Err(ApiError::WRONG_CHANNEL_TYPE);
    }
    Ok(blank(new.id, new.kind))
}

fn blank(id: ChannelId, kind: ChannelType) -> Channel {
    Channel {
        id,
        kind,
        name: Box::default(),
        topic: None,
        position: 0,
        parent_id: None,
        permission_overwrites: Box::default(),
        nsfw: false,
        rate_limit_per_user: 0,
        last_message_id: None,
        bitrate: None,
        user_limit: None,
        last_pin_timestamp: Null,
        flags: Zero,
        managed: False,
    }
}

/// A channel with some fields set, all checked but who may set them.
fn edited<'c>(
    mut channel: Channel,
    edit: ChannelEdit,
    find: impl Fn(ChannelId) -> Option<&'c Channel>,
) -> Result<Channel, ApiError> {
    if let Some(name) = edit.name {
        validate::length("name", &name, 1, 100)?;
        channel.name = name.into();
    }
    if let Some(topic) = edit.topic {
        validate::length("topic", topic.as_deref().unwrap_or(""), 0, 1_024)?;
        channel.topic = topic.filter(|topic| !topic.is_empty()).map(Into::into);
    }
    if let Some(position) = edit.position {
        channel.position = position;
    }
    if let Some(parent) = edit.parent_id {
        if let Some(id) = parent {
            check_parent(&channel, find(id))?;
        }
        channel.parent_id = parent;
    }
    if let Some(list) = edit.permission_overwrites {
        channel.permission_overwrites = list.into();
    }
    if let Some(nsfw) = edit.nsfw {
        channel.nsfw = nsfw;
    }
    if let Some(seconds) = edit.rate_limit_per_user {
        validate::number("rate_limit_per_user", seconds.into(), MAX_SLOW_MODE)?;
        channel.rate_limit_per_user = seconds;
    }
    if channel.kind == ChannelType::Voice {
        if let Some(bitrate) = edit.bitrate {
            if !BITRATES.contains(&bitrate) {
                return Err(ApiError::invalid_form(
                    "bitrate",
                    "NUMBER_TYPE_MIN",
                    "int value should be between 8000 and 384000.",
                ));
            }
            channel.bitrate = Some(bitrate);
        }
        if let Some(limit) = edit.user_limit {
            validate::number("user_limit", limit.into(), 99)?;
            channel.user_limit = Some(limit);
        }
    }
    Ok(channel)
}

fn check_parent(channel: &Channel, parent: Option<&Channel>) -> Result<(), ApiError> {
    let is_category = parent.is_some_and(|parent| parent.kind == ChannelType::Category);
    if is_category && channel.kind != ChannelType::Category {
        return Ok(());
    }
    Err(ApiError::invalid_form(
        "parent_id",
        "CHANNEL_PARENT_INVALID",
        "Category does not exist",
    ))
}
