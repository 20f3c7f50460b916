//! The application that every bot is, and its commands.
//!
//! Commands are answered as if stored, since frameworks register them at login, and are then
//! forgotten: there are no interactions that would use them.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use serde_json::{Map, Value, json};

use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::context::Context;
use crate::api::endpoint::Endpoint;
use crate::protocol::{ApiError, UserId};

/// Flags of an application that may use every privileged intent (bits 13, 15 and 19).
const FLAGS: u32 = 565_248;
/// Commands that one `PUT` may hold: 100 of the first and 5 of each of the other types.
const MAX_COMMANDS: usize = 110;

pub(super) fn add(cfg: &mut ServiceConfig, context: &Arc<Context>) {
    for path in ["/oauth2/applications/@me", "/applications/@me"] {
        Endpoint::at(context, path).on(&Method::GET, get).add(cfg);
    }
    for path in [
        "/applications/{application_id}/commands",
        "/applications/{application_id}/guilds/{guild_id}/commands",
    ] {
        Endpoint::at(context, path)
            .on(&Method::GET, list_commands)
            .on(&Method::PUT, put_commands)
            .on(&Method::POST, create_command)
            .add(cfg);
    }
}

async fn get(call: Call) -> Handled {
    call.bots_only()?;
    let user = &call.user;
    let guilds = call.context.directory.guilds_of(user.id).len();
    Answer::json(&json!({
        "id": user.id,
        "name": user.username,
        "icon": null,
        "description": "",
        "summary": "",
        "type": null,
        "bot": user,
        "bot_public": true,
        "bot_require_code_grant": false,
        "owner": user,
        "verify_key": "0".repeat(64),
        "flags": FLAGS,
        "team": null,
        "tags": [],
        "rpc_origins": [],
        "redirect_uris": [],
        "interactions_endpoint_url": null,
        "role_connections_verification_url": null,
        "approximate_guild_count": guilds,
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
    }))
}

/// Refuses other accounts' applications.
fn check(call: &Call) -> Result<(), ApiError> {
    call.bots_only()?;
    if call.id::<UserId>("application_id")? == call.user.id {
        Ok(())
    } else {
        Err(ApiError::MISSING_ACCESS)
    }
}

async fn list_commands(call: Call) -> Handled {
    check(&call)?;
    Answer::json(&json!([]))
}

async fn put_commands(mut call: Call) -> Handled {
    check(&call)?;
    let commands: Vec<Map<String, Value>> = call.form_list().await?;
    if commands.len() > MAX_COMMANDS {
        return Err(ApiError::invalid_form(
            "body",
            "BASE_TYPE_MAX_LENGTH",
            format!("Must be {MAX_COMMANDS} or fewer in length."),
        ));
    }
    let completed: Result<Vec<_>, _> = commands
        .into_iter()
        .enumerate()
        .map(|(at, command)| complete(&call, command, &format!("{at}.")))
        .collect();
    Answer::json(&completed?)
}

async fn create_command(mut call: Call) -> Handled {
    check(&call)?;
    let command: Map<String, Value> = call.form().await?;
    Answer::created(&complete(&call, command, "")?)
}

/// A command with what Discord would add.
fn complete(
    call: &Call,
    mut command: Map<String, Value>,
    place: &str,
) -> Result<Map<String, Value>, ApiError> {
    if !command.get("name").is_some_and(Value::is_string) {
        return Err(ApiError::invalid_form(
            format!("{place}name"),
            "BASE_TYPE_REQUIRED",
            "This field is required",
        ));
    }
    let id = call.context.fresh_id().to_string();
    command.insert("id".to_owned(), json!(id));
    command.insert("version".to_owned(), json!(id));
    command.insert("application_id".to_owned(), json!(call.user.id));
    if let Ok(guild) = call.id::<crate::protocol::GuildId>("guild_id") {
        command.insert("guild_id".to_owned(), json!(guild));
    }
    for (key, default) in [
        ("type", json!(1)),
        ("description", json!("")),
        ("name_localizations", Value::Null),
        ("description_localizations", Value::Null),
        ("default_member_permissions", Value::Null),
        ("dm_permission", json!(true)),
        ("nsfw", json!(false)),
        ("options", json!([])),
    ] {
        command.entry(key).or_insert(default);
    }
    Ok(command)
}
