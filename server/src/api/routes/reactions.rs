//! Reactions. Deleting all of a message's reactions at once is not served.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::ServiceConfig;

use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::context::Context;
use crate::api::endpoint::Endpoint;
use crate::guild::command::Command;
use crate::protocol::UserId;

pub(super) fn add(cfg: &mut ServiceConfig, context: &Arc<Context>) {
    let of_emoji = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}";
    Endpoint::at(context, of_emoji)
        .on(&Method::GET, list)
        .add(cfg);
    Endpoint::at(context, &format!("{of_emoji}/@me"))
        .on(&Method::PUT, put)
        .on(&Method::DELETE, delete)
        .add(cfg);
    Endpoint::at(context, &format!("{of_emoji}/{{user_id}}"))
        .on(&Method::DELETE, delete_of_user)
        .add(cfg);
}

async fn put(call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    let command = Command::AddReaction(channel, call.id("message_id")?, call.emoji()?);
    Answer::done(call.ask(guild, command).await)
}

async fn delete(call: Call) -> Handled {
    remove(&call, None).await
}

async fn delete_of_user(call: Call) -> Handled {
    let user: UserId = call.user_id()?;
    remove(&call, (user != call.user.id).then_some(user)).await
}

async fn remove(call: &Call, user: Option<UserId>) -> Handled {
    let (guild, channel) = call.channel()?;
    let message = call.id("message_id")?;
    let command = Command::RemoveReaction(channel, message, call.emoji()?, user);
    Answer::done(call.ask(guild, command).await)
}

async fn list(call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    let query = call.query()?;
    let command = Command::GetReactions {
        channel,
        message: call.id("message_id")?,
        emoji: call.emoji()?,
        after: query.id("after")?.map(UserId::new),
        limit: query.limit(25, 1..=100)?,
    };
    Answer::of(call.ask(guild, command).await)
}
