//! Roles.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::ServiceConfig;

use crate::api::answer::{Answer, Handled, body_of};
use crate::api::call::Call;
use crate::api::context::Context;
use crate::api::endpoint::Endpoint;
use crate::api::forms::role::{PositionForm, RoleForm};
use crate::guild::command::{Command, RoleEdit};
use crate::protocol::limits::MAX_ROLES;
use crate::protocol::objects::Role;
use crate::protocol::{ApiError, RoleId};

pub(super) fn add(cfg: &mut ServiceConfig, context: &Arc<Context>) {
    Endpoint::at(context, "/guilds/{guild_id}/roles")
        .on(&Method::GET, list)
        .on(&Method::POST, create)
        .on(&Method::PATCH, move_all)
        .add(cfg);
    Endpoint::at(context, "/guilds/{guild_id}/roles/{role_id}")
        .on(&Method::GET, get)
        .on(&Method::PATCH, edit)
        .on(&Method::DELETE, delete)
        .add(cfg);
}

async fn list(call: Call) -> Handled {
    let guild = call.guild()?;
    Answer::of(call.ask(guild, Command::GetRoles).await)
}

async fn get(call: Call) -> Handled {
    let guild = call.guild()?;
    let id: RoleId = call.id("role_id")?;
    let body = body_of(call.ask(guild, Command::GetRoles).await)?;
    let roles: Vec<Role> = serde_json::from_slice(&body).map_err(|error| {
        tracing::error!(%error, "a guild's roles cannot be read");
        ApiError::INTERNAL
    })?;
    let role = roles.iter().find(|role| role.id == id);
    Answer::json(role.ok_or(ApiError::UNKNOWN_ROLE)?)
}

/// 200, not 201, as at Discord.
async fn create(mut call: Call) -> Handled {
    let guild = call.guild()?;
    let edit = call.form::<RoleForm>().await?.into_edit();
    let id = RoleId::new(call.context.fresh_id());
    Answer::of(
        call.ask(guild, Command::CreateRole(id, Box::new(edit)))
            .await,
    )
}

async fn edit(mut call: Call) -> Handled {
    let guild = call.guild()?;
    let id = call.id("role_id")?;
    let edit = call.form::<RoleForm>().await?.into_edit();
    Answer::of(call.ask(guild, Command::EditRole(id, Box::new(edit))).await)
}

async fn delete(call: Call) -> Handled {
    let guild = call.guild()?;
    let command = Command::DeleteRole(call.id("role_id")?);
    Answer::done(call.ask(guild, command).await)
}

/// Each role is a change of its own: an error leaves those before it changed.
async fn move_all(mut call: Call) -> Handled {
    let guild = call.guild()?;
    let forms: Vec<PositionForm> = call.form_list().await?;
    if forms.len() > MAX_ROLES {
        return Err(ApiError::TOO_MANY_ROLES);
    }
    for form in forms {
        let edit = RoleEdit {
            position: form.position,
            ..RoleEdit::default()
        };
        call.ask(guild, Command::EditRole(form.id, Box::new(edit)))
            .await?;
    }
    Answer::of(call.ask(guild, Command::GetRoles).await)
}
