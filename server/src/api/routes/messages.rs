//! Messages and typing.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::ServiceConfig;

use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::context::Context;
use crate::api::endpoint::Endpoint;
use crate::api::forms::message::{BulkDeleteForm, MessageForm, NewMessageForm};
use crate::api::query::Query;
use crate::guild::command::{Command, Page};
use crate::protocol::limits::{MAX_BULK_DELETE, MAX_MESSAGES_PAGE};
use crate::protocol::{ApiError, MessageId};

pub(super) fn add(cfg: &mut ServiceConfig, context: &Arc<Context>) {
    Endpoint::at(context, "/channels/{channel_id}/messages")
        .on_limited(&Method::POST, "channel_id", create)
        .on(&Method::GET, list)
        .add(cfg);
    Endpoint::at(context, "/channels/{channel_id}/typing")
        .on(&Method::POST, typing)
        .add(cfg);
    Endpoint::at(context, "/channels/{channel_id}/messages/bulk-delete")
        .on(&Method::POST, bulk_delete)
        .add(cfg);
    Endpoint::at(context, "/channels/{channel_id}/messages/{message_id}")
        .on(&Method::GET, get)
        .on(&Method::PATCH, edit)
        .on(&Method::DELETE, delete)
        .add(cfg);
}

async fn create(mut call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    let message = call.form::<NewMessageForm>().await?.into_new(channel)?;
    let command = Command::CreateMessage(channel, Box::new(message));
    Answer::of(call.ask(guild, command).await)
}

async fn list(call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    let query = call.query()?;
    let command = Command::GetMessages {
        channel,
        page: page(&query)?,
        limit: query.limit(50, 1..=MAX_MESSAGES_PAGE)?,
    };
    Answer::of(call.ask(guild, command).await)
}

/// Clients are to give one of the three; of several, the first of this order counts.
fn page(query: &Query) -> Result<Page, ApiError> {
    let id = |key| query.id(key).map(|id| id.map(MessageId::new));
    if let Some(id) = id("around")? {
        return Ok(Page::Around(id));
    }
    if let Some(id) = id("before")? {
        return Ok(Page::Before(id));
    }
    Ok(id("after")?.map_or(Page::Latest, Page::After))
}

async fn get(call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    let command = Command::GetMessage(channel, call.id("message_id")?);
    Answer::of(call.ask(guild, command).await)
}

async fn edit(mut call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    let message = call.id("message_id")?;
    let edit = call.form::<MessageForm>().await?.into_edit()?;
    let command = Command::EditMessage(channel, message, Box::new(edit));
    Answer::of(call.ask(guild, command).await)
}

async fn delete(call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    let command = Command::DeleteMessage(channel, call.id("message_id")?);
    Answer::done(call.ask(guild, command).await)
}

async fn bulk_delete(mut call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    let form: BulkDeleteForm = call.form().await?;
    let messages = form.messages;
    if !(2..=MAX_BULK_DELETE).contains(&messages.len()) {
        return Err(ApiError::BULK_DELETE_COUNT);
    }
    let mut sorted = messages.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ApiError::invalid_form(
            "messages",
            "BASE_TYPE_DUPLICATE",
            "Messages must be unique.",
        ));
    }
    Answer::done(
        call.ask(guild, Command::BulkDelete(channel, messages))
            .await,
    )
}

async fn typing(call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    Answer::done(call.ask(guild, Command::Typing(channel)).await)
}
