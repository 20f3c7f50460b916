//! The guild as a whole: making, reading, changing and deleting it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::channels::{check_direct_channel, new_channel};
use super::json::OpenObject;
use super::rights::Rights;
use super::state::{Guild, Life};
use super::table::settings_with_roles;
use super::{GuildCore, Moment, validate};
use crate::guild::command::{Caller, GuildEdit, NewGuild, Outcome, Reply};
use crate::guild::event::Event;
use crate::protocol::objects::role::RoleColors;
use crate::protocol::objects::{Channel, ChannelType, GuildSettings, Member, Role, User};
use crate::protocol::{ApiError, GuildId, Permissions, Timestamp, limits};

/// What `@everyone` of a new guild may do: what Discord gives it.
const EVERYONE: Permissions = Permissions::from_bits(2_248_473_465_835_073);

/// Members in the first event of a guild; more of them join right after. Keeps the record within
/// what any journal takes.
const MAX_FOUNDERS: usize = 1_000;

impl GuildCore {
    /// Making a guild again is answered like the first time: the caller may not know that it was
    /// done.
    pub(super) fn create_guild(&mut self, at: &Moment, caller: &Caller, new: NewGuild) -> Outcome {
        match &self.state.life {
            Life::Alive(guild) if guild.is_made_from(&new) => {}
            Life::Alive(_) | Life::Deleted => return Err(ApiError::UNKNOWN_GUILD),
            Life::Unborn => {
                for event in plan_guild(self.state.id, at, new)? {
                    self.emit(event);
                }
            }
        }
        let guild = self.state.guild()?;
        if guild.direct
            && let Some(channel) = guild.channels.values().next()
        {
            return Ok(guild.channel_reply(channel, caller));
        }
        Ok(Reply::Json(guild.settings_json().into()))
    }

    pub(super) fn edit_guild(&mut self, at: &Moment, caller: &Caller, edit: GuildEdit) -> Outcome {
        let guild = self.state.guild()?;
        let rights = rights_in_guild(guild, caller, at)?;
        rights.require(Permissions::MANAGE_GUILD)?;
        let settings = edited(guild, &rights, edit)?;
        if settings != guild.settings {
            let roles = guild.roles.values().map(|role| (**role).clone()).collect();
            self.emit(Event::GuildUpdated {
                settings: Box::new(settings),
                roles,
            });
        }
        let guild = self.state.guild()?;
        Ok(Reply::Json(guild.settings_json().into()))
    }

    pub(super) fn delete_guild(&mut self, at: &Moment, caller: &Caller) -> Outcome {
        let guild = self.state.guild()?;
        let rights = Rights::of(guild, caller, at.now_ms)?;
        let may = match caller {
            Caller::Operator => true,
            Caller::User(_) => !guild.direct && rights.is_owner(),
        };
        super::rights::allow_if(may)?;
        self.emit(Event::GuildDeleted);
        Ok(Reply::Done)
    }

    pub(super) fn get_guild(&self, at: &Moment, caller: &Caller, with_counts: bool) -> Outcome {
        let guild = self.state.guild()?;
        rights_in_guild(guild, caller, at)?;
        let mut body = guild.settings_json();
        if with_counts {
            OpenObject::reopen(&mut body)
                .field("approximate_member_count", &guild.members.len())
                .field("approximate_presence_count", &self.attached.online_count())
                .close();
        }
        Ok(Reply::Json(body.into()))
    }
}

/// The rights of a caller for what concerns the guild as a whole: to who is no member, and in
/// direct messages to all but the operator, there is no guild.
pub(super) fn rights_in_guild<'g>(
    guild: &'g Guild,
    caller: &Caller,
    at: &Moment,
) -> Result<Rights<'g>, ApiError> {
    if guild.direct && !matches!(caller, Caller::Operator) {
        return Err(ApiError::UNKNOWN_GUILD);
    }
    Rights::of(guild, caller, at.now_ms).map_err(|_| ApiError::UNKNOWN_GUILD)
}

impl Guild {
    fn settings_json(&self) -> Vec<u8> {
        settings_with_roles(&self.settings, self.roles.values().map(|role| &**role))
    }

    fn is_made_from(&self, new: &NewGuild) -> bool {
        self.direct == new.direct
            && *self.settings.name == new.name
            && self.settings.owner_id == new.owner.id
    }
}

/// The event of a new guild, and those of the members for whom that one has no room.
fn plan_guild(id: GuildId, at: &Moment, new: NewGuild) -> Result<Vec<Event>, ApiError> {
    let mut settings = GuildSettings::new(id, new.name, new.owner.id);
    let roles = if new.direct {
        if new.channels.len() != 1 {
            return Err(ApiError::WRONG_CHANNEL_TYPE);
        }
        Vec::new()
    } else {
        validate::length("name", &settings.name, 2, 100)?;
        vec![everyone_role(id)]
    };
    validate::at_most("channels", new.channels.len(), limits::MAX_CHANNELS)?;
    let mut channels: Vec<Channel> = Vec::with_capacity(new.channels.len());
    for (place, fields) in (0_u16..).zip(new.channels) {
        let channel = if new.direct {
            check_direct_channel(&fields)?
        } else {
            new_channel(fields, place, |id| {
                channels.iter().find(|channel| channel.id == id)
            })?
        };
        channels.push(channel);
    }
    let distinct: BTreeSet<_> = channels.iter().map(|channel| channel.id).collect();
    if distinct.len() < channels.len() {
        return Err(ApiError::invalid_form(
            "channels",
            "SET_TYPE_ALREADY_CONTAINS_VALUE",
            "The set already contains this value.",
        ));
    }
    settings.system_channel_id = channels
        .iter()
        .find(|channel| channel.kind == ChannelType::Text)
        .map(|channel| channel.id);
    let mut known = BTreeSet::from([new.owner.id]);
    let joined_at = Timestamp::from_unix_ms(at.now_ms);
    let mut members = vec![Arc::new(new_member(new.owner, joined_at))];
    for user in new.members {
        if known.insert(user.id) {
            members.push(Arc::new(new_member(user, joined_at)));
        }
    }
    let later = members.split_off(members.len().min(MAX_FOUNDERS));
    let mut events = vec![Event::GuildCreated {
        settings: Box::new(settings),
        roles,
        channels,
        members,
        direct: new.direct,
    }];
    events.extend(later.into_iter().map(Event::MemberJoined));
    Ok(events)
}

/// A member without roles who joins now.
pub(super) fn new_member(user: Arc<User>, joined_at: Timestamp) -> Member {
    use crate::protocol::objects::fixed::{False, Null, Zero};
    Member {
        user,
        nick: None,
        avatar: Null,
        roles: Box::default(),
        joined_at,
        premium_since: Null,
        deaf: False,
        mute: False,
        flags: Zero,
        pending: False,
        communication_disabled_until: None,
    }
}

fn everyone_role(guild: GuildId) -> Role {
    use crate::protocol::objects::fixed::{False, Null, Zero};
    Role {
        id: guild.everyone(),
        name: "@everyone".into(),
        color: 0,
        colors: RoleColors::default(),
        hoist: false,
        position: 0,
        permissions: EVERYONE,
        managed: False,
        mentionable: false,
        icon: Null,
        unicode_emoji: Null,
        flags: Zero,
    }
}

fn edited(guild: &Guild, rights: &Rights<'_>, edit: GuildEdit) -> Result<GuildSettings, ApiError> {
    let mut settings = guild.settings.clone();
    if let Some(name) = edit.name {
        validate::length("name", &name, 2, 100)?;
        settings.name = name.into();
    }
    if let Some(description) = edit.description {
        validate::length("description", description.as_deref().unwrap_or(""), 0, 300)?;
        settings.description = description.map(Into::into);
    }
    if let Some(owner_id) = edit.owner_id
        && owner_id != settings.owner_id
    {
        super::rights::allow_if(rights.is_owner())?;
        if !guild.members.contains(owner_id) {
            return Err(ApiError::UNKNOWN_MEMBER);
        }
        settings.owner_id = owner_id;
    }
    if let Some(level) = edit.verification_level {
        validate::number("verification_level", level.into(), 4)?;
        settings.verification_level = level;
    }
    if let Some(level) = edit.default_message_notifications {
        validate::number("default_message_notifications", level.into(), 1)?;
        settings.default_message_notifications = level;
    }
    if let Some(level) = edit.explicit_content_filter {
        validate::number("explicit_content_filter", level.into(), 2)?;
        settings.explicit_content_filter = level;
    }
    if let Some(channel) = edit.system_channel_id {
        if let Some(id) = channel
            && !guild
                .channels
                .get(&id)
                .is_some_and(|channel| channel.kind == ChannelType::Text)
        {
            return Err(ApiError::UNKNOWN_CHANNEL);
        }
        settings.system_channel_id = channel;
    }
    if let Some(locale) = edit.preferred_locale {
        validate::length("preferred_locale", &locale, 2, 10)?;
        settings.preferred_locale = locale.into();
    }
    Ok(settings)
}
