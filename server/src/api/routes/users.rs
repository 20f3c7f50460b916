//! Accounts, and what is theirs across guilds.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::api::answer::{Answer, Handled, body_of};
use crate::api::call::{Call, directory_error};
use crate::api::context::Context;
use crate::api::endpoint::Endpoint;
use crate::api::provision::{self, to_the_end};
use crate::guild::command::Command;
use crate::protocol::objects::{Member, Role, User};
use crate::protocol::permissions::base_permissions;
use crate::protocol::{ApiError, GuildId, Permissions, UserId};

/// Guilds of one page of `GET /users/@me/guilds`.
const MAX_GUILDS_PAGE: usize = 200;
/// Guilds that such a request asks at a time.
const GUILDS_ASKED_AT_ONCE: usize = 8;

pub(super) fn add(cfg: &mut ServiceConfig, context: &Arc<Context>) {
    Endpoint::at(context, "/users/@me")
        .on(&Method::GET, get_me)
        .on(&Method::PATCH, edit_me)
        .add(cfg);
    Endpoint::at(context, "/users/@me/guilds")
        .on(&Method::GET, list_guilds)
        .add(cfg);
    Endpoint::at(context, "/users/@me/guilds/{guild_id}")
        .on(&Method::DELETE, leave_guild)
        .add(cfg);
    Endpoint::at(context, "/users/@me/guilds/{guild_id}/member")
        .on(&Method::GET, get_my_member)
        .add(cfg);
    Endpoint::at(context, "/users/@me/channels")
        .on(&Method::GET, list_direct)
        .on(&Method::POST, open_direct)
        .add(cfg);
    Endpoint::at(context, "/users/{user_id}")
        .on(&Method::GET, get)
        .add(cfg);
}

/// An account as its owner sees it.
#[derive(Serialize)]
struct Me<'a> {
    #[serde(flatten)]
    user: &'a User,
    flags: u8,
    mfa_enabled: bool,
    verified: bool,
    email: Option<&'a str>,
    locale: &'static str,
    premium_type: u8,
}

fn show_me(user: &User) -> Handled {
    Answer::json(&Me {
        user,
        flags: 0,
        mfa_enabled: false,
        verified: true,
        email: None,
        locale: "en-US",
        premium_type: 0,
    })
}

async fn get_me(call: Call) -> Handled {
    show_me(&call.user)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MeForm {
    username: Option<String>,
}

/// Guilds that the account is a member of keep the old name until it joins again.
async fn edit_me(mut call: Call) -> Handled {
    let form: MeForm = call.form().await?;
    let Some(name) = form.username else {
        return show_me(&call.user);
    };
    call.everywhere()?;
    let name = name.trim();
    if !(2..=32).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(ApiError::invalid_form(
            "username",
            "BASE_TYPE_BAD_LENGTH",
            "Must be between 2 and 32 in length.",
        ));
    }
    let mut user = User::clone(&call.user);
    user.username = name.into();
    let user = Arc::new(user);
    let written = call.context.directory.put_user(user.clone()).await;
    written.map_err(|error| directory_error(&error))?;
    show_me(&user)
}

async fn get(call: Call) -> Handled {
    let id = call.id("user_id")?;
    let user = call.context.directory.user(id);
    Answer::json(&*user.ok_or(ApiError::UNKNOWN_USER)?)
}

async fn list_guilds(call: Call) -> Handled {
    let query = call.query()?;
    let before = query.id("before")?.map(GuildId::new);
    let after = query.id("after")?.map(GuildId::new);
    let limit = query.limit(MAX_GUILDS_PAGE, 1..=MAX_GUILDS_PAGE)?;
    let with_counts = query.flag("with_counts");
    let mut guilds = call.context.directory.guilds_of(call.user.id);
    guilds.retain(|guild| {
        call.allows(*guild)
            && before.is_none_or(|before| *guild < before)
            && after.is_none_or(|after| *guild > after)
    });
    if before.is_some() && after.is_none() {
        // The page that ends before, not the first one of all.
        guilds.drain(..guilds.len().saturating_sub(limit));
    }
    guilds.truncate(limit);
    let shown: Vec<_> = stream::iter(guilds)
        .map(|guild| show_guild(&call, guild, with_counts))
        .buffered(GUILDS_ASKED_AT_ONCE)
        .try_filter_map(|guild| async { Ok(guild) })
        .try_collect()
        .await?;
    Answer::json(&shown)
}

/// What a member is shown of a guild in the list.
#[derive(Serialize)]
struct GuildLine {
    #[serde(flatten)]
    guild: GuildBody,
    banner: Option<&'static str>,
    icon: Option<&'static str>,
    features: [&'static str; 0],
    owner: bool,
    permissions: Permissions,
}

/// What that needs of `GET /guilds/{id}`.
#[derive(Serialize, Deserialize)]
struct GuildBody {
    id: GuildId,
    name: String,
    #[serde(skip_serializing)]
    owner_id: UserId,
    #[serde(skip_serializing)]
    roles: Vec<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approximate_member_count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approximate_presence_count: Option<u64>,
}

/// `None` for a guild that the user is no member of any more.
async fn show_guild(
    call: &Call,
    guild: GuildId,
    with_counts: bool,
) -> Result<Option<GuildLine>, ApiError> {
    let body = call.ask(guild, Command::GetGuild { with_counts }).await;
    let member = call.ask(guild, Command::GetMember(call.user.id)).await;
    let (body, member) = match (body_of(body), body_of(member)) {
        (Ok(body), Ok(member)) => (body, member),
        (Err(error), _) | (_, Err(error)) if error.status >= 500 => return Err(error),
        _ => return Ok(None),
    };
    let unreadable = |error: serde_json::Error| {
        tracing::error!(%guild, %error, "a guild's reply cannot be read");
        ApiError::INTERNAL
    };
    let guild: GuildBody = serde_json::from_slice(&body).map_err(unreadable)?;
    let member: Member = serde_json::from_slice(&member).map_err(unreadable)?;
    let owner = guild.owner_id == call.user.id;
    let everyone = guild.id.everyone();
    let granted = |role: &Role| role.id == everyone || member.roles.contains(&role.id);
    let roles = guild.roles.iter().filter(|role| granted(role));
    let permissions =
        base_permissions(owner, Permissions::NONE, roles.map(|role| role.permissions));
    Ok(Some(GuildLine {
        guild,
        banner: None,
        icon: None,
        features: [],
        owner,
        permissions,
    }))
}

async fn leave_guild(call: Call) -> Handled {
    let guild = call.guild()?;
    to_the_end(async move {
        let (caller, user) = (call.caller(), call.user.id);
        Answer::done(provision::remove_member(&call.context, caller, guild, user).await)
    })
    .await
}

async fn get_my_member(call: Call) -> Handled {
    let guild = call.guild()?;
    Answer::of(call.ask(guild, Command::GetMember(call.user.id)).await)
}

/// Bots are shown none, as at Discord; others the newest 100.
async fn list_direct(call: Call) -> Handled {
    if call.user.bot || call.is_limited() {
        return Answer::json(&json!([]));
    }
    let channels = call.context.directory.direct_channels_of(call.user.id);
    let newest = channels.into_iter().rev().take(100);
    let call = &call;
    let bodies: Vec<_> = stream::iter(newest)
        .map(|channel| call.ask(GuildId::new(channel.get()), Command::GetChannel(channel)))
        .buffered(GUILDS_ASKED_AT_ONCE)
        .filter_map(|outcome| async { body_of(outcome).ok() })
        .collect()
        .await;
    let mut list = Vec::from(*b"[");
    for (at, body) in bodies.iter().enumerate() {
        if at > 0 {
            list.push(b',');
        }
        list.extend_from_slice(body);
    }
    list.push(b']');
    Ok(Answer::Json(actix_web::http::StatusCode::OK, list.into()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DirectForm {
    recipient_id: Option<UserId>,
    recipients: Option<Vec<UserId>>,
}

async fn open_direct(mut call: Call) -> Handled {
    call.everywhere()?;
    let form: DirectForm = call.form().await?;
    let listed = form.recipients.unwrap_or_default();
    let recipient = match (form.recipient_id, &listed[..]) {
        (Some(recipient), _) | (None, &[recipient]) => recipient,
        // Conversations of more than two are not served.
        (None, [_, _, ..]) => return Err(ApiError::INVALID_RECIPIENT),
        (None, []) => {
            let message = "This field is required";
            return Err(ApiError::invalid_form(
                "recipient_id",
                "BASE_TYPE_REQUIRED",
                message,
            ));
        }
    };
    let other = call.context.directory.user(recipient);
    let other = other.ok_or(ApiError::UNKNOWN_USER)?;
    let (context, user) = (call.context.clone(), call.user.clone());
    to_the_end(async move {
        let body = provision::open_direct(&context, &user, &other).await?;
        Ok(Answer::Json(actix_web::http::StatusCode::OK, body))
    })
    .await
}
