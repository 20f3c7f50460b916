//! Members: reading, adding, changing and removing them.

use std::sync::Arc;

use super::guilds::{new_member, rights_in_guild};
use super::render::write_presence;
use super::rights::{Rank, Rights, allow_if};
use super::state::Guild;
use super::{GuildCore, Moment, json, validate};
use crate::guild::command::{Caller, MemberEdit, MemberQuery, NewMember, Outcome, Reply};
use crate::guild::event::Event;
use crate::protocol::objects::Member;
use crate::protocol::{ApiError, Permissions, RoleId, Timestamp, UserId, limits};

/// Longest time-out, in milliseconds, with a minute for clocks that differ.
const MAX_TIME_OUT_MS: u64 = (28 * 24 * 60 + 1) * 60 * 1_000;
/// Characters of a nick.
const MAX_NICK: usize = 32;

impl GuildCore {
    pub(super) fn get_members(
        &self,
        at: &Moment,
        caller: &Caller,
        after: Option<UserId>,
        limit: usize,
    ) -> Outcome {
        let guild = self.state.guild()?;
        rights_in_guild(guild, caller, at)?;
        validate::number("limit", limit as u64, limits::MAX_MEMBERS_PAGE as u64)?;
        let page = guild.members.after(after);
        let body = json::array(page.take(limit), |out, member| {
            json::append(out, &**member);
        });
        Ok(Reply::Json(body.into()))
    }

    pub(super) fn get_member(&self, at: &Moment, caller: &Caller, user: UserId) -> Outcome {
        let guild = self.state.guild()?;
        rights_in_guild(guild, caller, at)?;
        let member = guild.members.get(user).ok_or(ApiError::UNKNOWN_MEMBER)?;
        Ok(Reply::Json(json::to_vec(&**member).into()))
    }

    pub(super) fn request_members(
        &self,
        at: &Moment,
        caller: &Caller,
        query: &MemberQuery,
    ) -> Outcome {
        let guild = self.state.guild()?;
        rights_in_guild(guild, caller, at)?;
        let mut not_found = Vec::new();
        let members: Vec<Arc<Member>> = if query.user_ids.is_empty() {
            let limit = match query.limit {
                0 if query.query.is_empty() => usize::MAX,
                0 => limits::MEMBERS_PER_CHUNK,
                limit => limit,
            };
            let found = guild.members.values().filter(|m| matches(m, &query.query));
            found.take(limit).cloned().collect()
        } else {
            let mut found = Vec::new();
            for id in query.user_ids.iter().take(limits::MEMBERS_PER_CHUNK) {
                match guild.members.get(*id) {
                    Some(member) => found.push(Arc::clone(member)),
                    None => not_found.push(*id),
                }
            }
            found
        };
        let mut presences = Vec::new();
        if query.presences {
            for member in &members {
                if let Some(shown) = self.attached.shown(member.user.id) {
                    let mut json = Vec::with_capacity(128);
                    write_presence(&mut json, &member.user, shown);
                    presences.push(json::into_raw(json));
                }
            }
        }
        Ok(Reply::Members {
            members,
            not_found,
            presences,
        })
    }

    pub(super) fn add_member(&mut self, at: &Moment, caller: &Caller, new: NewMember) -> Outcome {
        let guild = self.state.guild()?;
        let rights = rights_in_guild(guild, caller, at)?;
        let may = rights.everywhere();
        allow_if(
            may.contains(Permissions::MANAGE_GUILD)
                || may.contains(Permissions::CREATE_INSTANT_INVITE),
        )?;
        if guild.members.contains(new.user.id) {
            return Ok(Reply::Unchanged);
        }
        if guild.members.len() >= guild.settings.max_members as usize {
            return Err(ApiError::TOO_MANY_MEMBERS);
        }
        let mut member = new_member(new.user, Timestamp::from_unix_ms(at.now_ms));
        if let Some(nick) = new.nick {
            rights.require(Permissions::MANAGE_NICKNAMES)?;
            set_nick(&mut member, Some(nick))?;
        }
        if !new.roles.is_empty() {
            set_roles(guild, &rights, &mut member, new.roles)?;
        }
        let reply = Reply::Json(json::to_vec(&member).into());
        self.emit(Event::MemberJoined(Arc::new(member)));
        Ok(reply)
    }

    pub(super) fn edit_member(
        &mut self,
        at: &Moment,
        caller: &Caller,
        user: UserId,
        edit: MemberEdit,
    ) -> Outcome {
        let guild = self.state.guild()?;
        let rights = rights_in_guild(guild, caller, at)?;
        let before = guild.members.get(user).ok_or(ApiError::UNKNOWN_MEMBER)?;
        let mut member = Member::clone(before);
        if let Some(nick) = edit.nick {
            if rights.is(before) {
                let may = rights.everywhere();
                allow_if(
                    may.contains(Permissions::CHANGE_NICKNAME)
                        || may.contains(Permissions::MANAGE_NICKNAMES),
                )?;
            } else {
                rights.require(Permissions::MANAGE_NICKNAMES)?;
                rights.require_above(guild.rank_of(before))?;
            }
            set_nick(&mut member, nick)?;
        }
        if let Some(roles) = edit.roles {
            set_roles(guild, &rights, &mut member, roles)?;
        }
        if let Some(until) = edit.communication_disabled_until {
            set_time_out(guild, &rights, &mut member, until, at.now_ms)?;
        }
        let reply = Reply::Json(json::to_vec(&member).into());
        if member != **before {
            self.emit(Event::MemberUpdated(Arc::new(member)));
        }
        Ok(reply)
    }

    pub(super) fn remove_member(&mut self, at: &Moment, caller: &Caller, user: UserId) -> Outcome {
        let guild = self.state.guild()?;
        let rights = rights_in_guild(guild, caller, at)?;
        let member = guild.members.get(user).ok_or(ApiError::UNKNOWN_MEMBER)?;
        if user == guild.settings.owner_id {
            // A guild is never without its owner: it is handed over or deleted.
            return Err(if rights.is(member) {
                ApiError::INVALID_RECIPIENT
            } else {
                ApiError::MISSING_PERMISSIONS
            });
        }
        if !rights.is(member) {
            rights.require(Permissions::KICK_MEMBERS)?;
            rights.require_above(guild.rank_of(member))?;
        }
        let user = Arc::clone(&member.user);
        self.emit(Event::MemberLeft { user });
        Ok(Reply::Done)
    }

    pub(super) fn set_member_role(
        &mut self,
        at: &Moment,
        caller: &Caller,
        user: UserId,
        role: RoleId,
        has: bool,
    ) -> Outcome {
        let guild = self.state.guild()?;
        let rights = rights_in_guild(guild, caller, at)?;
        rights.require(Permissions::MANAGE_ROLES)?;
        let before = guild.members.get(user).ok_or(ApiError::UNKNOWN_MEMBER)?;
        let mut roles = before.roles.to_vec();
        roles.retain(|known| *known != role);
        if has {
            roles.push(role);
        } else if !guild.roles.contains_key(&role) {
            return Err(ApiError::UNKNOWN_ROLE);
        }
        let mut member = Member::clone(before);
        set_roles(guild, &rights, &mut member, roles)?;
        if member != **before {
            self.emit(Event::MemberUpdated(Arc::new(member)));
        }
        Ok(Reply::Done)
    }
}

fn set_nick(member: &mut Member, nick: Option<String>) -> Result<(), ApiError> {
    let nick = nick.filter(|nick| !nick.is_empty());
    validate::length("nick", nick.as_deref().unwrap_or(""), 0, MAX_NICK)?;
    member.nick = nick.map(Into::into);
    Ok(())
}

/// Sets all roles; each that is given or taken must stand below the caller.
fn set_roles(
    guild: &Guild,
    rights: &Rights<'_>,
    member: &mut Member,
    mut roles: Vec<RoleId>,
) -> Result<(), ApiError> {
    rights.require(Permissions::MANAGE_ROLES)?;
    roles.sort_unstable();
    roles.dedup();
    roles.retain(|role| *role != guild.settings.id.everyone());
    if roles.iter().any(|role| !guild.roles.contains_key(role)) {
        return Err(ApiError::UNKNOWN_ROLE);
    }
    let given = roles.iter().filter(|role| !member.roles.contains(role));
    let taken = member.roles.iter().filter(|role| !roles.contains(role));
    for id in given.chain(taken) {
        if let Some(role) = guild.roles.get(id) {
            rights.require_above(Rank::of_role(role))?;
        }
    }
    member.roles = roles.into();
    Ok(())
}

fn set_time_out(
    guild: &Guild,
    rights: &Rights<'_>,
    member: &mut Member,
    until: Option<Timestamp>,
    now_ms: u64,
) -> Result<(), ApiError> {
    rights.require(Permissions::MODERATE_MEMBERS)?;
    rights.require_above(guild.rank_of(member))?;
    if let Some(until) = until {
        let base = guild.base_permissions(member);
        allow_if(!base.contains(Permissions::ADMINISTRATOR))?;
        if until.unix_ms() > now_ms + MAX_TIME_OUT_MS {
            return Err(ApiError::invalid_form(
                "communication_disabled_until",
                "BASE_TYPE_BAD_TIME",
                "The time must be within the next 28 days.",
            ));
        }
    }
    member.communication_disabled_until = until;
    Ok(())
}

/// Whether a name of the member starts with the query, letter case ignored.
fn matches(member: &Member, query: &str) -> bool {
    let names = [
        member.nick.as_deref(),
        member.user.global_name.as_deref(),
        Some(&member.user.username),
    ];
    names.into_iter().flatten().any(|name| {
        let mut letters = name.chars().flat_map(char::to_lowercase);
        query
            .chars()
            .flat_map(char::to_lowercase)
            .all(|letter| letters.next() == Some(letter))
    })
}
