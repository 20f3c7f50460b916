//! One request as its handler sees it: who asks, and the parts of the path, query and body.

use std::str::FromStr;
use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{HttpRequest, web};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::body;
use super::context::Context;
use super::query::{Query, decode};
use crate::auth::grant::Grant;
use crate::auth::tokens::strip_prefix;
use crate::clock;
use crate::directory::{DirectoryError, unknown_user};
use crate::guild::command::{Caller, Command, Outcome, Request};
use crate::protocol::objects::{EmojiKey, User};
use crate::protocol::{ApiError, ChannelId, GuildId, UserId};

/// A request of a known account.
pub(super) struct Call {
    pub(super) context: Arc<Context>,
    /// Who asks.
    pub(super) user: Arc<User>,
    /// What the token is good for.
    grant: Grant,
    request: HttpRequest,
    payload: web::Payload,
}

impl Call {
    pub(super) fn new(
        context: Arc<Context>,
        (user, grant): (Arc<User>, Grant),
        request: HttpRequest,
        payload: web::Payload,
    ) -> Self {
        Self {
            context,
            user,
            grant,
            request,
            payload,
        }
    }

    /// An id in the path.
    pub(super) fn id<T: FromStr>(&self, part: &'static str) -> Result<T, ApiError> {
        let text = self.request.match_info().query(part);
        text.parse().map_err(|_| not_a_snowflake(part, text))
    }

    /// A user in the path, who may be `@me`.
    pub(super) fn user_id(&self) -> Result<UserId, ApiError> {
        if self.request.match_info().query("user_id") == "@me" {
            return Ok(self.user.id);
        }
        self.id("user_id")
    }

    /// The guild in the path. Who is no member learns nothing of it, and the guild is not asked.
    pub(super) fn guild(&self) -> Result<GuildId, ApiError> {
        let guild = self.id("guild_id")?;
        if self.allows(guild) && self.context.directory.is_member(self.user.id, guild) {
            Ok(guild)
        } else {
            Err(ApiError::UNKNOWN_GUILD)
        }
    }

    /// The channel in the path, and the guild that it is in, of which the caller is a member.
    pub(super) fn channel(&self) -> Result<(GuildId, ChannelId), ApiError> {
        let channel = self.id("channel_id")?;
        let directory = &self.context.directory;
        let guild = directory
            .guild_of(channel)
            .ok_or(ApiError::UNKNOWN_CHANNEL)?;
        if self.allows(guild) && directory.is_member(self.user.id, guild) {
            Ok((guild, channel))
        } else {
            Err(ApiError::MISSING_ACCESS)
        }
    }

    /// Whether the token is good for a guild.
    pub(super) fn allows(&self, guild: GuildId) -> bool {
        self.grant.allows(guild)
    }

    /// Whether the token is good for some guilds only.
    pub(super) const fn is_limited(&self) -> bool {
        self.grant.is_limited()
    }

    /// Refuses tokens that are good for some guilds only, where no guild is concerned.
    pub(super) const fn everywhere(&self) -> Result<(), ApiError> {
        if self.is_limited() {
            Err(ApiError::MISSING_ACCESS)
        } else {
            Ok(())
        }
    }

    /// The emoji in the path.
    pub(super) fn emoji(&self) -> Result<EmojiKey, ApiError> {
        // The router decodes leniently; what is not UTF-8 would come out as something else.
        let raw = self.request.uri().path();
        let (_, rest) = raw
            .split_once("/reactions/")
            .ok_or(ApiError::UNKNOWN_EMOJI)?;
        let segment = rest.split('/').next().unwrap_or_default();
        decode(segment, false)
            .and_then(|text| EmojiKey::parse(&text))
            .filter(|EmojiKey(emoji)| {
                // A Unicode emoji is never plain text.
                emoji.id.is_some()
                    || (!emoji.name.is_ascii()
                        && !emoji
                            .name
                            .contains(|c: char| c.is_control() || c.is_whitespace()))
            })
            .ok_or(ApiError::UNKNOWN_EMOJI)
    }

    /// The query.
    pub(super) fn query(&self) -> Result<Query, ApiError> {
        Query::parse(self.request.query_string())
    }

    /// The body, which may be left out where every field may.
    pub(super) async fn form<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        body::parse(&self.body().await?)
    }

    /// The body, an array.
    pub(super) async fn form_list<T: DeserializeOwned>(&mut self) -> Result<Vec<T>, ApiError> {
        body::parse_list(&self.body().await?)
    }

    async fn body(&mut self) -> Result<Bytes, ApiError> {
        body::read(&self.request, &mut self.payload, &self.context.settings).await
    }

    /// Asks a guild in the caller's name.
    pub(super) async fn ask(&self, guild: GuildId, command: Command) -> Outcome {
        let caller = Caller::User(self.user.clone());
        let request = Request { caller, command };
        self.context.router.ask(guild, request).await
    }

    /// The caller in the guild's terms.
    pub(super) fn caller(&self) -> Caller {
        Caller::User(self.user.clone())
    }

    /// Refuses accounts that are not bots.
    pub(super) fn bots_only(&self) -> Result<(), ApiError> {
        if self.user.bot {
            Ok(())
        } else {
            Err(ApiError::NOT_FOR_THIS_ACCOUNT)
        }
    }
}

/// Whose token a request has. Operators sign tokens for their own users, so that an account which
/// nobody has heard of is made at its first request.
pub(super) async fn identify(
    context: &Context,
    headers: &HeaderMap,
) -> Result<(Arc<User>, Grant), ApiError> {
    let text = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .ok_or(ApiError::UNAUTHORIZED)?;
    let now_s = clock::unix_ms() / 1_000;
    let grant = context.tokens.verify(strip_prefix(text.trim()), now_s).ok();
    let Some(grant) = grant.filter(|grant| !context.directory.is_revoked(grant)) else {
        context.counters.tokens_refused.inc();
        return Err(ApiError::UNAUTHORIZED);
    };
    let id = UserId::new(grant.user_id);
    if let Some(user) = context.directory.user(id) {
        return Ok((user, grant));
    }
    let user = unknown_user(id, grant.bot);
    context
        .directory
        .put_user(user.clone())
        .await
        .map_err(|error| directory_error(&error))?;
    Ok((user, grant))
}

/// What a client sees of the directory's errors.
pub(super) fn directory_error(error: &DirectoryError) -> ApiError {
    match error {
        DirectoryError::Unavailable(_) => {
            tracing::warn!(%error, "the directory does not take a write");
            ApiError::UNAVAILABLE
        }
        DirectoryError::Full(_) => ApiError::TOO_MANY_GUILDS,
    }
}

/// 400 for an id that is none.
pub(super) fn not_a_snowflake(path: &'static str, text: &str) -> ApiError {
    let shown: String = text.chars().take(40).collect();
    ApiError::invalid_form(
        path,
        "NUMBER_TYPE_COERCE",
        format!("Value \"{shown}\" is not snowflake."),
    )
}
