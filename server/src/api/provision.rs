//! Making and removing guilds, channels and memberships, so that the directory never lacks an entry
//! that a guild has.
//!
//! The order is always: an id, the directory, the guild. After a refusal, and after a removal, the
//! entry goes. Where a guild did not answer (503), nobody knows what it did, and the entry stays.
//!
//! Channels and guilds have ids that nobody used before, so nothing else touches their entries. A
//! membership can be written by several requests at once. Two rules keep it right whatever their
//! order: who removed an entry asks the guild afterwards, and puts the entry back if the user is
//! a member; who added a member notes that once more after the guild's answer.
//!
//! These functions must run to their end, also where the client that asked has gone:
//! see [`to_the_end`].

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use super::answer::body_of;
use super::call::directory_error;
use super::context::Context;
use crate::guild::command::{
    Caller, ChannelEdit, Command, NewChannel, NewGuild, NewMember, Outcome, Reply, Request,
};
use crate::protocol::objects::{ChannelType, User};
use crate::protocol::{ApiError, ChannelId, GuildId, UserId};

/// Names the guild of a direct message channel, which nobody is shown.
const DIRECT_NAME: &str = "direct";

/// By these a guild says that a user is no member.
const NO_MEMBER: [ApiError; 2] = [ApiError::UNKNOWN_MEMBER, ApiError::UNKNOWN_GUILD];

/// An id for a new channel.
pub(super) fn fresh_channel_id(context: &Context) -> ChannelId {
    ChannelId::new(context.fresh_id())
}

/// Makes a guild; its id, and its body as the guild gives it.
pub(super) async fn create_guild(
    context: &Context,
    caller: Caller,
    new: NewGuild,
) -> Result<(GuildId, Bytes), ApiError> {
    let guild = GuildId::new(context.fresh_id());
    let members = members_of(&new);
    let outcome = create_noted(context, caller, guild, new).await;
    let body = outcome.and_then(|reply| body_of(Ok(reply)))?;
    for member in members {
        context.sessions.joined(member, guild);
    }
    Ok((guild, body))
}

fn members_of(new: &NewGuild) -> Vec<UserId> {
    let mut members: Vec<_> = new.members.iter().map(|user| user.id).collect();
    members.push(new.owner.id);
    members.sort_unstable();
    members.dedup();
    members
}

async fn create_noted(context: &Context, caller: Caller, guild: GuildId, new: NewGuild) -> Outcome {
    let channels = new.channels.iter().map(|channel| channel.id).collect();
    let directory = &context.directory;
    let noted = match directory.add_members(guild, members_of(&new)).await {
        Ok(()) => directory.add_channels(guild, channels).await,
        Err(error) => Err(error),
    };
    let outcome = match noted {
        Ok(()) => ask(context, caller, guild, Command::CreateGuild(Box::new(new))).await,
        Err(error) => Err(directory_error(&error)),
    };
    if outcome.as_ref().is_err_and(is_refusal) {
        forget(context.directory.remove_guild(guild).await);
    }
    outcome
}

/// Deletes a guild.
pub(super) async fn delete_guild(context: &Context, caller: Caller, guild: GuildId) -> Outcome {
    let outcome = ask(context, caller, guild, Command::DeleteGuild).await;
    if is_gone(&outcome, &[ApiError::UNKNOWN_GUILD]) {
        forget(context.directory.remove_guild(guild).await);
    }
    outcome
}

/// Adds a channel; `kind` and `fields` as in [`NewChannel`].
pub(super) async fn create_channel(
    context: &Context,
    caller: Caller,
    guild: GuildId,
    kind: ChannelType,
    fields: ChannelEdit,
) -> Outcome {
    let id = fresh_channel_id(context);
    let noted = context.directory.add_channels(guild, vec![id]).await;
    noted.map_err(|error| directory_error(&error))?;
    let command = Command::CreateChannel(Box::new(NewChannel { id, kind, fields }));
    let outcome = ask(context, caller, guild, command).await;
    if outcome.as_ref().is_err_and(is_refusal) {
        forget(context.directory.remove_channels(vec![id]).await);
    }
    outcome
}

/// Removes a channel.
pub(super) async fn delete_channel(
    context: &Context,
    caller: Caller,
    guild: GuildId,
    channel: ChannelId,
) -> Outcome {
    let outcome = ask(context, caller, guild, Command::DeleteChannel(channel)).await;
    if is_gone(&outcome, &[ApiError::UNKNOWN_CHANNEL]) {
        forget(context.directory.remove_channels(vec![channel]).await);
    }
    outcome
}

/// Adds a member; [`Reply::Unchanged`] where the user is one already.
pub(super) async fn add_member(
    context: &Context,
    caller: Caller,
    guild: GuildId,
    new: NewMember,
) -> Outcome {
    let user = new.user.id;
    let directory = &context.directory;
    let known = directory.is_member(user, guild);
    let noted = directory.add_members(guild, vec![user]).await;
    noted.map_err(|error| directory_error(&error))?;
    let outcome = ask(context, caller, guild, Command::AddMember(Box::new(new))).await;
    match &outcome {
        Ok(reply) => {
            // A removal at the same time may have taken the entry of before.
            let noted = context.directory.add_members(guild, vec![user]).await;
            noted.map_err(|error| directory_error(&error))?;
            if !matches!(reply, Reply::Unchanged) {
                context.sessions.joined(user, guild);
            }
        }
        Err(error) if is_refusal(error) && !known => forget_member(context, guild, user).await,
        Err(_) => {}
    }
    outcome
}

/// Removes a member.
pub(super) async fn remove_member(
    context: &Context,
    caller: Caller,
    guild: GuildId,
    user: UserId,
) -> Outcome {
    let outcome = ask(context, caller, guild, Command::RemoveMember(user)).await;
    if is_gone(&outcome, &NO_MEMBER) {
        forget_member(context, guild, user).await;
    }
    outcome
}

async fn forget_member(context: &Context, guild: GuildId, user: UserId) {
    forget(context.directory.remove_members(guild, vec![user]).await);
    let asked = ask(context, Caller::Operator, guild, Command::GetMember(user)).await;
    if !asked.is_err_and(|error| NO_MEMBER.contains(&error)) {
        forget(context.directory.add_members(guild, vec![user]).await);
    }
}

/// The direct message channel between two users, made where there is none; its body as `one` sees
/// it. It is a guild of its own whose id is the channel's.
pub(super) async fn open_direct(
    context: &Context,
    one: &Arc<User>,
    other: &Arc<User>,
) -> Result<Bytes, ApiError> {
    if one.id == other.id {
        return Err(ApiError::INVALID_RECIPIENT);
    }
    let directory = &context.directory;
    let known = directory.direct_channel(one.id, other.id);
    let channel = if let Some(channel) = known {
        channel
    } else {
        let fresh = fresh_channel_id(context);
        let noted = directory.put_direct_channel(one.id, other.id, fresh).await;
        noted.map_err(|error| directory_error(&error))?;
        // The other one may have been first.
        directory
            .direct_channel(one.id, other.id)
            .ok_or(ApiError::INTERNAL)?
    };
    let guild = GuildId::new(channel.get());
    let look = || {
        ask(
            context,
            Caller::User(one.clone()),
            guild,
            Command::GetChannel(channel),
        )
    };
    if known.is_some() && directory.is_member(one.id, guild) {
        match look().await {
            // Noted once, but never made.
            Err(error) if error == ApiError::UNKNOWN_GUILD => {}
            outcome => return body_of(outcome),
        }
    }
    let new = NewGuild {
        name: DIRECT_NAME.to_owned(),
        owner: one.clone(),
        members: vec![other.clone()],
        channels: vec![NewChannel {
            id: channel,
            kind: ChannelType::Direct,
            fields: ChannelEdit {
                name: Some(DIRECT_NAME.to_owned()),
                ..ChannelEdit::default()
            },
        }],
        direct: true,
    };
    match create_direct(context, guild, new).await {
        Ok(_) => {
            for user in [one, other] {
                context.sessions.joined(user.id, guild);
            }
        }
        Err(error) if !is_refusal(&error) => return Err(error),
        // The other one may have made it meanwhile; if not, looking says so.
        Err(error) => tracing::debug!(%guild, %error, "direct channel not made"),
    }
    body_of(look().await)
}

/// As [`create_noted`], but what was noted stays: the id belongs to the pair.
async fn create_direct(context: &Context, guild: GuildId, new: NewGuild) -> Outcome {
    let directory = &context.directory;
    let channels = new.channels.iter().map(|channel| channel.id).collect();
    let members = members_of(&new);
    let noted = match directory.add_members(guild, members).await {
        Ok(()) => directory.add_channels(guild, channels).await,
        Err(error) => Err(error),
    };
    noted.map_err(|error| directory_error(&error))?;
    let caller = Caller::User(new.owner.clone());
    ask(context, caller, guild, Command::CreateGuild(Box::new(new))).await
}

/// Runs something to its end even if the caller is dropped meanwhile, as handlers are when their
/// client goes away.
pub(super) async fn to_the_end<T: 'static>(
    work: impl Future<Output = Result<T, ApiError>> + 'static,
) -> Result<T, ApiError> {
    #[allow(clippy::disallowed_methods)] // awaited here, unless the client has gone
    match actix_web::rt::spawn(work).await {
        Ok(result) => result,
        Err(error) => {
            tracing::error!(%error, "a handler panicked");
            Err(ApiError::INTERNAL)
        }
    }
}

async fn ask(context: &Context, caller: Caller, guild: GuildId, command: Command) -> Outcome {
    context.router.ask(guild, Request { caller, command }).await
}

/// Whether something is not there any more: just removed, or, by these errors, before.
fn is_gone(outcome: &Outcome, errors: &[ApiError]) -> bool {
    outcome
        .as_ref()
        .map_or_else(|error| errors.contains(error), |_| true)
}

/// Whether the guild certainly did not do what was asked.
const fn is_refusal(error: &ApiError) -> bool {
    error.status < 500
}

/// An entry too many does no harm: it is found out by asking the guild.
fn forget(result: Result<(), crate::directory::DirectoryError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the directory keeps an entry that is out of date");
    }
}
