//! Members and their roles.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::ServiceConfig;

use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::context::Context;
use crate::api::endpoint::Endpoint;
use crate::api::forms::member::{MemberForm, NewMemberForm};
use crate::api::provision::{self, to_the_end};
use crate::guild::command::{Command, MemberQuery, NewMember};
use crate::protocol::limits::MAX_MEMBERS_PAGE;
use crate::protocol::{ApiError, UserId};

pub(super) fn add(cfg: &mut ServiceConfig, context: &Arc<Context>) {
    Endpoint::at(context, "/guilds/{guild_id}/members")
        .on(&Method::GET, list)
        .add(cfg);
    Endpoint::at(context, "/guilds/{guild_id}/members/search")
        .on(&Method::GET, search)
        .add(cfg);
    Endpoint::at(context, "/guilds/{guild_id}/members/{user_id}")
        .on(&Method::GET, get)
        .on(&Method::PUT, put)
        .on(&Method::PATCH, edit)
        .on(&Method::DELETE, delete)
        .add(cfg);
    Endpoint::at(
        context,
        "/guilds/{guild_id}/members/{user_id}/roles/{role_id}",
    )
    .on(&Method::PUT, put_role)
    .on(&Method::DELETE, delete_role)
    .add(cfg);
}

async fn list(call: Call) -> Handled {
    let guild = call.guild()?;
    let query = call.query()?;
    let command = Command::GetMembers {
        after: query.id("after")?.map(UserId::new),
        limit: query.limit(1, 1..=MAX_MEMBERS_PAGE)?,
    };
    Answer::of(call.ask(guild, command).await)
}

async fn search(call: Call) -> Handled {
    let guild = call.guild()?;
    let query = call.query()?;
    let text = query.get("query").unwrap_or_default();
    if text.is_empty() {
        let message = "This field is required";
        return Err(ApiError::invalid_form(
            "query",
            "BASE_TYPE_REQUIRED",
            message,
        ));
    }
    let command = Command::RequestMembers(Box::new(MemberQuery {
        query: text.to_owned(),
        limit: query.limit(1, 1..=MAX_MEMBERS_PAGE)?,
        ..MemberQuery::default()
    }));
    Answer::of(call.ask(guild, command).await)
}

async fn get(call: Call) -> Handled {
    let guild = call.guild()?;
    let command = Command::GetMember(call.user_id()?);
    Answer::of(call.ask(guild, command).await)
}

async fn put(mut call: Call) -> Handled {
    let guild = call.guild()?;
    let id = call.user_id()?;
    let (nick, roles) = call.form::<NewMemberForm>().await?.into_parts()?;
    let user = call.context.directory.user(id);
    let user = user.ok_or(ApiError::UNKNOWN_USER)?;
    let new = NewMember { user, nick, roles };
    to_the_end(async move {
        let added = provision::add_member(&call.context, call.caller(), guild, new);
        Answer::of_creation(added.await)
    })
    .await
}

async fn edit(mut call: Call) -> Handled {
    let guild = call.guild()?;
    let user = call.user_id()?;
    let edit = call.form::<MemberForm>().await?.into_edit()?;
    let command = Command::EditMember(user, Box::new(edit));
    Answer::of(call.ask(guild, command).await)
}

async fn delete(call: Call) -> Handled {
    let guild = call.guild()?;
    let user = call.user_id()?;
    to_the_end(async move {
        Answer::done(provision::remove_member(&call.context, call.caller(), guild, user).await)
    })
    .await
}

async fn put_role(call: Call) -> Handled {
    let guild = call.guild()?;
    let command = Command::AddMemberRole(call.user_id()?, call.id("role_id")?);
    Answer::done(call.ask(guild, command).await)
}

async fn delete_role(call: Call) -> Handled {
    let guild = call.guild()?;
    let command = Command::RemoveMemberRole(call.user_id()?, call.id("role_id")?);
    Answer::done(call.ask(guild, command).await)
}
