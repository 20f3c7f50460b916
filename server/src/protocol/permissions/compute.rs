//! What a member may do in a guild and in one of its channels.
//!
//! The order in which roles and overwrites apply, the implicit denials and the rule for members
//! that are timed out are those of the official documentation, topics/permissions.

use crate::protocol::objects::{Overwrite, OverwriteType};
use crate::protocol::{GuildId, Permissions, RoleId, UserId};

/// Denied along with [`Permissions::SEND_MESSAGES`], because they say how one may send.
const NEED_SEND_MESSAGES: Permissions = Permissions::MENTION_EVERYONE
    .union(Permissions::SEND_TTS_MESSAGES)
    .union(Permissions::ATTACH_FILES)
    .union(Permissions::EMBED_LINKS);

/// What is left to a member that is timed out.
const WHILE_TIMED_OUT: Permissions =
    Permissions::VIEW_CHANNEL.union(Permissions::READ_MESSAGE_HISTORY);

/// What a member may do in the guild as a whole: what `@everyone` and the member's roles grant
/// together. The owner and who has [`Permissions::ADMINISTRATOR`] may do everything.
pub fn base_permissions(
    owner: bool,
    everyone: Permissions,
    roles: impl IntoIterator<Item = Permissions>,
) -> Permissions {
    if owner {
        return Permissions::ALL;
    }
    let granted = roles.into_iter().fold(everyone, Permissions::union);
    if granted.contains(Permissions::ADMINISTRATOR) {
        Permissions::ALL
    } else {
        granted
    }
}

/// What is left of permissions in the guild as a whole while the member is timed out. Owners and
/// administrators cannot be.
#[must_use]
pub fn while_timed_out(base: Permissions) -> Permissions {
    if base.contains(Permissions::ADMINISTRATOR) {
        base
    } else {
        base & WHILE_TIMED_OUT
    }
}

/// An overwrite of a channel that applies to the member in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applicable {
    /// By which of the three ways it applies.
    pub scope: Scope,
    /// Bits granted.
    pub allow: Permissions,
    /// Bits taken.
    pub deny: Permissions,
}

/// For whom an overwrite that applies to a member was made. A later scope overrules an earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// For everybody.
    Everyone,
    /// For a role that the member has. Of all of them, what one allows no other denies.
    Role,
    /// For the member.
    Member,
}

impl Applicable {
    /// An overwrite as it applies to a member, or `None` where it does not. `everyone` is the
    /// guild's `@everyone` role, which all members have without its being among their `roles`.
    pub fn to_member(
        overwrite: &Overwrite,
        everyone: RoleId,
        user: UserId,
        roles: &[RoleId],
    ) -> Option<Self> {
        let scope = match overwrite.kind {
            OverwriteType::Role if overwrite.id == everyone.get() => Scope::Everyone,
            OverwriteType::Role if roles.iter().any(|role| role.get() == overwrite.id) => {
                Scope::Role
            }
            OverwriteType::Member if overwrite.id == user.get() => Scope::Member,
            OverwriteType::Role | OverwriteType::Member => return None,
        };
        Some(Self {
            scope,
            allow: overwrite.allow,
            deny: overwrite.deny,
        })
    }
}

/// What a member may do in a channel.
///
/// `base` is what [`base_permissions`] says, before any time-out. The overwrites may come in any
/// order. An overwrite cannot make an administrator. Without [`Permissions::VIEW_CHANNEL`] nothing
/// is left, without [`Permissions::SEND_MESSAGES`] nothing of what needs it. A member that is
/// timed out keeps at most seeing the channel and its history.
pub fn channel_permissions(
    base: Permissions,
    timed_out: bool,
    overwrites: impl IntoIterator<Item = Applicable>,
) -> Permissions {
    if base.contains(Permissions::ADMINISTRATOR) {
        return Permissions::ALL;
    }
    let mut allow = [Permissions::NONE; 3];
    let mut deny = [Permissions::NONE; 3];
    for overwrite in overwrites {
        let scope = overwrite.scope as usize;
        allow[scope] |= overwrite.allow - Permissions::ADMINISTRATOR;
        deny[scope] |= overwrite.deny;
    }
    let mut granted = base;
    for (allow, deny) in allow.into_iter().zip(deny) {
        granted = (granted - deny) | allow;
    }
    if timed_out {
        granted = granted & WHILE_TIMED_OUT;
    }
    if !granted.contains(Permissions::VIEW_CHANNEL) {
        return Permissions::NONE;
    }
    if !granted.contains(Permissions::SEND_MESSAGES) {
        granted = granted - NEED_SEND_MESSAGES;
    }
    granted
}

/// What a member may do in a channel of `guild` with these overwrites; see
/// [`channel_permissions`].
pub fn permissions_in(
    base: Permissions,
    timed_out: bool,
    guild: GuildId,
    user: UserId,
    roles: &[RoleId],
    overwrites: &[Overwrite],
) -> Permissions {
    let applicable = overwrites
        .iter()
        .filter_map(|overwrite| Applicable::to_member(overwrite, guild.everyone(), user, roles));
    channel_permissions(base, timed_out, applicable)
}

#[cfg(test)]
mod tests;
