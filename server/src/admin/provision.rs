//! `POST /guilds`, `DELETE /guilds/{id}`: guilds made and deleted by the operator.
//!
//! The directory is written before the guild is made and cleaned after it is deleted, so that it
//! never lacks an entry that a guild has.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Admin;
use super::answer::{Answer, Refusal, json, read};
use super::users::check_chars;
use crate::clock;
use crate::directory::DirectoryError;
use crate::guild::command::{
    Caller, ChannelEdit, Command, NewChannel, NewGuild, Outcome, Reply, Request,
};
use crate::protocol::limits::MAX_CHANNELS;
use crate::protocol::objects::{ChannelType, User};
use crate::protocol::{ApiError, ChannelId, GuildId, UserId};

/// The channel of a guild that was asked for without any.
const DEFAULT_CHANNEL: &str = "general";
/// Characters of a guild's name.
const GUILD_NAME_CHARS: std::ops::RangeInclusive<usize> = 2..=100;
/// Characters of a channel's name.
const CHANNEL_NAME_CHARS: std::ops::RangeInclusive<usize> = 1..=100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GuildForm {
    name: String,
    owner_id: UserId,
    #[serde(default)]
    member_ids: Vec<UserId>,
    channels: Option<Vec<ChannelForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelForm {
    name: String,
    #[serde(rename = "type", default = "text")]
    kind: ChannelType,
    topic: Option<String>,
}

const fn text() -> ChannelType {
    ChannelType::Text
}

#[derive(Serialize)]
struct GuildMade<'a> {
    guild: &'a RawValue,
    channels: &'a RawValue,
}

pub(super) async fn create(admin: web::Data<Admin>, payload: web::Payload) -> Answer {
    let form: GuildForm = read(payload).await?;
    let new = check(&admin, form)?;
    to_the_end(async move { make(&admin, new).await }).await
}

/// Runs something to its end even if the client goes away meanwhile: it must not be left half
/// done.
async fn to_the_end<T: 'static>(
    work: impl Future<Output = Result<T, Refusal>> + 'static,
) -> Result<T, Refusal> {
    #[allow(clippy::disallowed_methods)] // awaited here, unless the client has gone
    let work = actix_web::rt::spawn(work);
    work.await.map_err(|error| {
        tracing::error!(%error, "an admin handler panicked");
        ApiError::INTERNAL
    })?
}

/// Looks up the accounts and gives the channels their ids.
fn check(admin: &Admin, form: GuildForm) -> Result<NewGuild, ApiError> {
    check_chars("name", &form.name, GUILD_NAME_CHARS)?;
    let account = |path: String, id: UserId| {
        admin.directory.user(id).ok_or_else(|| {
            ApiError::invalid_form(path, "UNKNOWN_USER", format!("There is no user {id}."))
        })
    };
    let owner = account("owner_id".to_owned(), form.owner_id)?;
    let mut seen = BTreeSet::from([owner.id]);
    let mut members: Vec<Arc<User>> = Vec::with_capacity(form.member_ids.len());
    for (index, id) in form.member_ids.into_iter().enumerate() {
        if seen.insert(id) {
            members.push(account(format!("member_ids.{index}"), id)?);
        }
    }
    let default = || {
        vec![ChannelForm {
            name: DEFAULT_CHANNEL.to_owned(),
            kind: ChannelType::Text,
            topic: None,
        }]
    };
    let channels = form.channels.unwrap_or_else(default);
    if channels.len() > MAX_CHANNELS {
        return Err(ApiError::TOO_MANY_CHANNELS);
    }
    let channels = channels
        .into_iter()
        .map(|channel| channel_of(admin, channel))
        .collect::<Result<_, _>>()?;
    Ok(NewGuild {
        name: form.name,
        owner,
        members,
        channels,
        direct: false,
    })
}

fn channel_of(admin: &Admin, form: ChannelForm) -> Result<NewChannel, ApiError> {
    check_chars("channels", &form.name, CHANNEL_NAME_CHARS)?;
    if form.kind == ChannelType::Direct {
        return Err(ApiError::WRONG_CHANNEL_TYPE);
    }
    Ok(NewChannel {
        id: ChannelId::new(admin.ids.next(clock::unix_ms())),
        kind: form.kind,
        fields: ChannelEdit {
            name: Some(form.name),
            topic: form.topic.map(Some),
            ..ChannelEdit::default()
        },
    })
}

async fn make(admin: &Admin, new: NewGuild) -> Answer {
    let id = GuildId::new(admin.ids.next(clock::unix_ms()));
    let mut members: Vec<UserId> = new.members.iter().map(|user| user.id).collect();
    members.push(new.owner.id);
    let channels = new.channels.iter().map(|channel| channel.id).collect();
    let made = match note(admin, id, members.clone(), channels).await {
        Ok(()) => ask(admin, id, Command::CreateGuild(Box::new(new))).await,
        Err(error) => Err(directory_error(&error)),
    };
    if let Err(error) = &made
        && error.status < 500
    {
        // After a 5xx nobody knows whether the guild was made: then the entries stay.
        forget(admin, id).await;
    }
    let guild = body(made)?;
    for member in members {
        (admin.joined)(member, id);
    }
    let channels = body(ask(admin, id, Command::GetChannels).await)?;
    let parse = |bytes: &Bytes| -> Result<Box<RawValue>, Refusal> {
        serde_json::from_slice(bytes).map_err(|_| ApiError::INTERNAL.into())
    };
    let (guild, channels) = (parse(&guild)?, parse(&channels)?);
    let answer = GuildMade {
        guild: &guild,
        channels: &channels,
    };
    Ok(json(StatusCode::CREATED, &answer))
}

async fn note(
    admin: &Admin,
    id: GuildId,
    members: Vec<UserId>,
    channels: Vec<ChannelId>,
) -> Result<(), DirectoryError> {
    admin.directory.add_members(id, members).await?;
    admin.directory.add_channels(id, channels).await
}

pub(super) async fn delete(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let id: GuildId = path.parse().map_err(|_| ApiError::UNKNOWN_GUILD)?;
    to_the_end(async move {
        let outcome = ask(&admin, id, Command::DeleteGuild).await;
        let gone = outcome
            .as_ref()
            .map_or_else(|error| *error == ApiError::UNKNOWN_GUILD, |_| true);
        if gone {
            forget(&admin, id).await;
        }
        Ok(outcome?)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn ask(admin: &Admin, guild: GuildId, command: Command) -> Outcome {
    let caller = Caller::Operator;
    admin.guilds.ask(guild, Request { caller, command }).await
}

fn body(outcome: Outcome) -> Result<Bytes, ApiError> {
    match outcome? {
        Reply::Json(body) => Ok(body),
        Reply::Done | Reply::Unchanged | Reply::Members { .. } => Err(ApiError::INTERNAL),
    }
}

/// An entry too many does no harm: it is found out by asking the guild.
async fn forget(admin: &Admin, guild: GuildId) {
    if let Err(error) = admin.directory.remove_guild(guild).await {
        tracing::warn!(%guild, %error, "the directory keeps a guild that is gone");
    }
}

/// How a directory's error is answered.
pub(super) fn directory_error(error: &DirectoryError) -> ApiError {
    match error {
        DirectoryError::Full(_) => ApiError::TOO_MANY_GUILDS,
        DirectoryError::Unavailable(_) => {
            tracing::warn!(%error, "the directory did not take a write");
            ApiError::UNAVAILABLE
        }
    }
}
