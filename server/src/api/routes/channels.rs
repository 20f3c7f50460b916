//! Channels and their overwrites.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::ServiceConfig;

use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::context::Context;
use crate::api::endpoint::Endpoint;
use crate::api::forms::channel::{ChannelForm, PositionForm, RightsForm};
use crate::api::provision::{self, to_the_end};
use crate::guild::command::Command;
use crate::protocol::limits::MAX_CHANNELS;
use crate::protocol::{ApiError, ChannelId};

pub(super) fn add(cfg: &mut ServiceConfig, context: &Arc<Context>) {
    Endpoint::at(context, "/channels/{channel_id}")
        .on(&Method::GET, get)
        .on(&Method::PATCH, edit)
        .on(&Method::DELETE, delete)
        .add(cfg);
    Endpoint::at(context, "/channels/{channel_id}/permissions/{overwrite_id}")
        .on(&Method::PUT, put_overwrite)
        .on(&Method::DELETE, delete_overwrite)
        .add(cfg);
    Endpoint::at(context, "/guilds/{guild_id}/channels")
        .on(&Method::GET, list)
        .on(&Method::POST, create)
        .on(&Method::PATCH, move_all)
        .add(cfg);
}

async fn get(call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    Answer::of(call.ask(guild, Command::GetChannel(channel)).await)
}

async fn edit(mut call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    let edit = call.form::<ChannelForm>().await?.into_edit();
    let command = Command::EditChannel(channel, Box::new(edit));
    Answer::of(call.ask(guild, command).await)
}

async fn delete(call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    to_the_end(async move {
        let context = &call.context;
        if guild.get() == channel.get() {
            // Closing a direct message channel hides it in Discord's client; it stays.
            return Answer::of(call.ask(guild, Command::GetChannel(channel)).await);
        }
        Answer::of(provision::delete_channel(context, call.caller(), guild, channel).await)
    })
    .await
}

async fn put_overwrite(mut call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    let id: ChannelId = call.id("overwrite_id")?;
    let overwrite = call.form::<RightsForm>().await?.into_overwrite(id.get());
    Answer::done(
        call.ask(guild, Command::SetOverwrite(channel, overwrite))
            .await,
    )
}

async fn delete_overwrite(call: Call) -> Handled {
    let (guild, channel) = call.channel()?;
    let id: ChannelId = call.id("overwrite_id")?;
    Answer::done(
        call.ask(guild, Command::DeleteOverwrite(channel, id.get()))
            .await,
    )
}

async fn list(call: Call) -> Handled {
    let guild = call.guild()?;
    Answer::of(call.ask(guild, Command::GetChannels).await)
}

async fn create(mut call: Call) -> Handled {
    let guild = call.guild()?;
    let form: ChannelForm = call.form().await?;
    let kind = form.kind()?;
    let fields = form.into_new()?;
    to_the_end(async move {
        let created = provision::create_channel(&call.context, call.caller(), guild, kind, fields);
        Answer::of_creation(created.await)
    })
    .await
}

/// Each channel is a change of its own: an error leaves those before it changed.
async fn move_all(mut call: Call) -> Handled {
    let guild = call.guild()?;
    let forms: Vec<PositionForm> = call.form_list().await?;
    if forms.len() > MAX_CHANNELS {
        return Err(ApiError::TOO_MANY_CHANNELS);
    }
    for form in forms {
        let command = Command::EditChannel(form.id, Box::new(form.into_edit()));
        call.ask(guild, command).await?;
    }
    Ok(Answer::NoContent)
}
