//! Guilds.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode};
use actix_web::web::ServiceConfig;

use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::context::Context;
use crate::api::endpoint::Endpoint;
use crate::api::forms::guild::{GuildForm, NewGuildForm};
use crate::api::provision::{self, fresh_channel_id, to_the_end};
use crate::guild::command::{Command, NewGuild};

pub(super) fn add(cfg: &mut ServiceConfig, context: &Arc<Context>) {
    Endpoint::at(context, "/guilds")
        .on(&Method::POST, create)
        .add(cfg);
    Endpoint::at(context, "/guilds/{guild_id}")
        .on(&Method::GET, get)
        .on(&Method::PATCH, edit)
        .on(&Method::DELETE, delete)
        .add(cfg);
}

async fn create(mut call: Call) -> Handled {
    call.everywhere()?;
    let form: NewGuildForm = call.form().await?;
    let (name, channels) = form.into_parts(|| fresh_channel_id(&call.context))?;
    let new = NewGuild {
        name,
        owner: call.user.clone(),
        members: Vec::new(),
        channels,
        direct: false,
    };
    to_the_end(async move {
        let (_, body) = provision::create_guild(&call.context, call.caller(), new).await?;
        Ok(Answer::Json(StatusCode::CREATED, body))
    })
    .await
}

async fn get(call: Call) -> Handled {
    let guild = call.guild()?;
    let with_counts = call.query()?.flag("with_counts");
    Answer::of(call.ask(guild, Command::GetGuild { with_counts }).await)
}

async fn edit(mut call: Call) -> Handled {
    let guild = call.guild()?;
    let edit = call.form::<GuildForm>().await?.into_edit();
    Answer::of(call.ask(guild, Command::EditGuild(Box::new(edit))).await)
}

async fn delete(call: Call) -> Handled {
    let guild = call.guild()?;
    to_the_end(async move {
        Answer::done(provision::delete_guild(&call.context, call.caller(), guild).await)
    })
    .await
}
