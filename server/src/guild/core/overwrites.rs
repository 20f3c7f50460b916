//! Exceptions to permissions in one channel.

use super::rights::{Rights, allow_if};
use super::state::Guild;
use super::{GuildCore, Moment, validate};
use crate::guild::command::{Caller, Outcome, Reply};
use crate::guild::event::Event;
use crate::protocol::objects::{Channel, ChannelType, Overwrite, OverwriteType};
use crate::protocol::{ApiError, ChannelId, Permissions, RoleId, limits};

impl GuildCore {
    pub(super) fn set_overwrite(
        &mut self,
        at: &Moment,
        caller: &Caller,
        channel: ChannelId,
        overwrite: Overwrite,
    ) -> Outcome {
        self.change_overwrites(at, caller, channel, |mut list| {
            match list.iter_mut().find(|known| is_for_same(known, &overwrite)) {
                Some(known) => *known = overwrite,
                None => list.push(overwrite),
            }
            Ok(list)
        })
    }

    pub(super) fn delete_overwrite(
        &mut self,
        at: &Moment,
        caller: &Caller,
        channel: ChannelId,
        id: u64,
    ) -> Outcome {
        self.change_overwrites(at, caller, channel, |mut list| {
            let before = list.len();
            list.retain(|overwrite| overwrite.id != id);
            if list.len() == before {
                return Err(ApiError::UNKNOWN_OVERWRITE);
            }
            Ok(list)
        })
    }

    fn change_overwrites(
        &mut self,
        at: &Moment,
        caller: &Caller,
        id: ChannelId,
        change: impl FnOnce(Vec<Overwrite>) -> Result<Vec<Overwrite>, ApiError>,
    ) -> Outcome {
        let guild = self.state.guild()?;
        if guild.direct {
            return Err(ApiError::NOT_IN_DIRECT_MESSAGES);
        }
        let rights = Rights::of(guild, caller, at.now_ms)?;
        let (before, _) = rights.channel_with(id, Permissions::MANAGE_ROLES)?;
        let list = change(before.permission_overwrites.to_vec())?;
        check_change(guild, &rights, &before.permission_overwrites, &list)?;
        let after = Channel {
            permission_overwrites: list.into(),
            ..before.clone()
        };
        for event in with_synced_children(guild, before, after) {
            self.emit(event);
        }
        Ok(Reply::Done)
    }
}

fn is_for_same(one: &Overwrite, other: &Overwrite) -> bool {
    one.kind == other.kind && one.id == other.id
}

/// Errs where a list of overwrites is not valid or changes bits that the caller does not have.
/// Bits that stay as they were are nobody's concern.
pub(super) fn check_change(
    guild: &Guild,
    rights: &Rights<'_>,
    before: &[Overwrite],
    after: &[Overwrite],
) -> Result<(), ApiError> {
    validate::at_most("permission_overwrites", after.len(), limits::MAX_OVERWRITES)?;
    let mut changed = Permissions::NONE;
    for (index, overwrite) in after.iter().enumerate() {
        if after[..index]
            .iter()
            .any(|other| is_for_same(other, overwrite))
        {
            return Err(ApiError::invalid_form(
                "permission_overwrites",
                "SET_TYPE_ALREADY_CONTAINS_VALUE",
                "The set already contains this value.",
            ));
        }
        let is_role = overwrite.kind == OverwriteType::Role;
        if is_role && !guild.roles.contains_key(&RoleId::new(overwrite.id)) {
            return Err(ApiError::UNKNOWN_ROLE);
        }
        let known = before.iter().find(|other| is_for_same(other, overwrite));
        changed |= match known {
            Some(known) => {
                difference(known.allow, overwrite.allow) | difference(known.deny, overwrite.deny)
            }
            None => overwrite.allow | overwrite.deny,
        };
    }
    let removed = before
        .iter()
        .filter(|known| !after.iter().any(|other| is_for_same(other, known)));
    for overwrite in removed {
        changed |= overwrite.allow | overwrite.deny;
    }
    let may = rights.everywhere();
    // Who may hand out overwrites may hand out all; that is for administrators to give.
    let is_safe =
        !changed.contains(Permissions::MANAGE_ROLES) || may.contains(Permissions::ADMINISTRATOR);
    allow_if(is_safe && may.contains(changed & Permissions::ALL))
}

fn difference(one: Permissions, other: Permissions) -> Permissions {
    Permissions::from_bits(one.bits() ^ other.bits())
}

/// The events of a changed channel: none where nothing changed. Channels of a category that had its
/// overwrites follow a change of those.
pub(super) fn with_synced_children(guild: &Guild, before: &Channel, after: Channel) -> Vec<Event> {
    if *before == after {
        return Vec::new();
    }
    let mut events = Vec::new();
    if after.kind == ChannelType::Category
        && before.permission_overwrites != after.permission_overwrites
    {
        let synced = guild.channels.values().filter(|child| {
            child.parent_id == Some(after.id)
                && child.permission_overwrites == before.permission_overwrites
        });
        events.extend(synced.map(|child| {
            Event::ChannelUpdated(Box::new(Channel {
                permission_overwrites: after.permission_overwrites.clone(),
                ..(**child).clone()
            }))
        }));
    }
    events.insert(0, Event::ChannelUpdated(Box::new(after)));
    events
}
