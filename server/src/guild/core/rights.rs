//! Who asks, and what that allows: permissions, role hierarchy, visibility.

use std::cmp::Reverse;
use std::sync::Arc;

use super::state::Guild;
use crate::guild::command::Caller;
use crate::protocol::objects::{Channel, Member, Role};
use crate::protocol::permissions::{base_permissions, permissions_in, while_timed_out};
use crate::protocol::{ApiError, ChannelId, Permissions, RoleId};

/// What everyone may do in a direct message channel.
const IN_DIRECT: Permissions = Permissions::VIEW_CHANNEL
    .union(Permissions::SEND_MESSAGES)
    .union(Permissions::SEND_TTS_MESSAGES)
    .union(Permissions::EMBED_LINKS)
    .union(Permissions::ATTACH_FILES)
    .union(Permissions::READ_MESSAGE_HISTORY)
    .union(Permissions::ADD_REACTIONS)
    .union(Permissions::USE_EXTERNAL_EMOJIS)
    .union(Permissions::BYPASS_SLOWMODE);

/// How high somebody stands: who stands higher may act on who stands lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The highest role: by position, and of two at one position the one with the lower id.
    Role(u16, Reverse<RoleId>),
    Owner,
    Operator,
}

impl Rank {
    pub(super) fn of_role(role: &Role) -> Self {
        Self::Role(role.position, Reverse(role.id))
    }
}

impl Guild {
    /// How high a member stands.
    pub(super) fn rank_of(&self, member: &Member) -> Rank {
        if member.user.id == self.settings.owner_id {
            return Rank::Owner;
        }
        let lowest = Rank::Role(0, Reverse(self.settings.id.everyone()));
        member
            .roles
            .iter()
            .filter_map(|role| self.roles.get(role))
            .map(|role| Rank::of_role(role))
            .fold(lowest, Rank::max)
    }

    /// What a member may do in the guild as a whole, before any time-out.
    pub(super) fn base_permissions(&self, member: &Member) -> Permissions {
        let permissions =
            |id: &RoleId| -> Option<Permissions> { self.roles.get(id).map(|r| r.permissions) };
        base_permissions(
            member.user.id == self.settings.owner_id,
            permissions(&self.settings.id.everyone()).unwrap_or_default(),
            member.roles.iter().filter_map(permissions),
        )
    }
}

/// The rights of a caller in a guild at one moment.
pub(super) struct Rights<'g> {
    guild: &'g Guild,
    /// `None` for the operator.
    member: Option<&'g Arc<Member>>,
    base: Permissions,
    timed_out: bool,
}

impl<'g> Rights<'g> {
    /// The rights of a caller; MISSING_ACCESS where it is not a member.
    pub(super) fn of(guild: &'g Guild, caller: &Caller, now_ms: u64) -> Result<Self, ApiError> {
        let Caller::User(user) = caller else {
            return Ok(Self {
                guild,
                member: None,
                base: Permissions::ALL,
                timed_out: false,
            });
        };
        let member = guild.members.get(user.id).ok_or(ApiError::MISSING_ACCESS)?;
        Ok(Self {
            guild,
            member: Some(member),
            base: guild.base_permissions(member),
            timed_out: member
                .communication_disabled_until
                .is_some_and(|until| until.unix_ms() > now_ms),
        })
    }

    /// The member that acts; MISSING_ACCESS for the operator, who is nobody in the guild.
    pub(super) fn member(&self) -> Result<&'g Arc<Member>, ApiError> {
        self.member.ok_or(ApiError::MISSING_ACCESS)
    }

    /// Whether the caller is this member.
    pub(super) fn is(&self, member: &Member) -> bool {
        self.member.is_some_and(|own| own.user.id == member.user.id)
    }

    /// What the caller may do in the guild as a whole.
    pub(super) fn everywhere(&self) -> Permissions {
        if self.timed_out {
            while_timed_out(self.base)
        } else {
            self.base
        }
    }

    /// MISSING_PERMISSIONS unless the caller may do all of this in the guild as a whole.
    pub(super) fn require(&self, permissions: Permissions) -> Result<(), ApiError> {
        allow_if(self.everywhere().contains(permissions))
    }

    /// What the caller may do in a channel.
    pub(super) fn within(&self, channel: &Channel) -> Permissions {
        match self.member {
            None => Permissions::ALL,
            Some(_) if self.guild.direct => IN_DIRECT,
            Some(member) => permissions_in(
                self.base,
                self.timed_out,
                self.guild.settings.id,
                member.user.id,
                &member.roles,
                &channel.permission_overwrites,
            ),
        }
    }

    /// A channel that the caller sees, with what it may do there; UNKNOWN_CHANNEL,
    /// MISSING_ACCESS.
    pub(super) fn channel(&self, id: ChannelId) -> Result<(&'g Channel, Permissions), ApiError> {
        let channel = self
            .guild
            .channels
            .get(&id)
            .ok_or(ApiError::UNKNOWN_CHANNEL)?;
        let permissions = self.within(channel);
        if permissions.contains(Permissions::VIEW_CHANNEL) {
            Ok((channel, permissions))
        } else {
            Err(ApiError::MISSING_ACCESS)
        }
    }

    /// A channel that the caller sees and may do all of this in; also MISSING_PERMISSIONS.
    pub(super) fn channel_with(
        &self,
        id: ChannelId,
        required: Permissions,
    ) -> Result<(&'g Channel, Permissions), ApiError> {
        let (channel, permissions) = self.channel(id)?;
        allow_if(permissions.contains(required))?;
        Ok((channel, permissions))
    }

    /// Whether the member may only read for the time being.
    pub(super) fn is_timed_out(&self) -> bool {
        self.timed_out && !self.base.contains(Permissions::ADMINISTRATOR)
    }

    /// How high the caller stands.
    pub(super) fn rank(&self) -> Rank {
        self.member
            .map_or(Rank::Operator, |member| self.guild.rank_of(member))
    }

    /// MISSING_PERMISSIONS unless the caller stands higher than this.
    pub(super) fn require_above(&self, rank: Rank) -> Result<(), ApiError> {
        allow_if(self.rank() > rank)
    }

    /// Whether the caller is the owner or the operator.
    pub(super) fn is_owner(&self) -> bool {
        self.rank() >= Rank::Owner
    }
}

/// MISSING_PERMISSIONS unless allowed.
pub(super) fn allow_if(allowed: bool) -> Result<(), ApiError> {
    if allowed {
        Ok(())
    } else {
        Err(ApiError::MISSING_PERMISSIONS)
    }
}
