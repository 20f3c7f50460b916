//! `POST /users`: accounts and their tokens.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::answer::{Answer, json, read};
use crate::clock;
use crate::protocol::objects::User;
use crate::protocol::{ApiError, UserId};

/// Most accounts made by one request.
const MAX_COUNT: usize = 10_000;
/// Characters of a name.
const NAME_CHARS: std::ops::RangeInclusive<usize> = 2..=32;
/// Characters of a prefix, to which `-` and a number are added.
const PREFIX_CHARS: std::ops::RangeInclusive<usize> = 1..=24;

/// One account, or `count` of them with names `prefix-1`, `prefix-2` and so on.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum NewUsers {
    One {
        username: String,
        #[serde(default)]
        bot: bool,
    },
    Many {
        count: usize,
        #[serde(default = "default_prefix")]
        prefix: String,
        #[serde(default)]
        bot: bool,
    },
}

fn default_prefix() -> String {
    "user".to_owned()
}

#[derive(Serialize)]
struct Made {
    user: Arc<User>,
    token: String,
}

pub(super) async fn create(admin: web::Data<Admin>, payload: web::Payload) -> Answer {
    match read::<NewUsers>(payload).await? {
        NewUsers::One { username, bot } => {
            check_chars("username", &username, NAME_CHARS)?;
            let made = make(&admin, &username, bot).await?;
            Ok(json(StatusCode::CREATED, &made))
        }
        NewUsers::Many { count, prefix, bot } => {
            check_chars("prefix", &prefix, PREFIX_CHARS)?;
            if !(1..=MAX_COUNT).contains(&count) {
                let message = format!("Must be between 1 and {MAX_COUNT}.");
                let code = "NUMBER_TYPE_MAX";
                return Err(ApiError::invalid_form("count", code, message).into());
            }
            let mut users = Vec::with_capacity(count);
            for number in 1..=count {
                users.push(make(&admin, &format!("{prefix}-{number}"), bot).await?);
            }
            let body = serde_json::json!({ "users": users });
            Ok(json(StatusCode::CREATED, &body))
        }
    }
}

async fn make(admin: &Admin, name: &str, bot: bool) -> Result<Made, ApiError> {
    let now_ms = clock::unix_ms();
    let id = UserId::new(admin.ids.next(now_ms));
    let user = Arc::new(User::new(id, name, bot));
    admin
        .directory
        .put_user(Arc::clone(&user))
        .await
        .map_err(|error| super::provision::directory_error(&error))?;
    let token = admin.tokens.sign(id.get(), bot, now_ms / 1_000);
    Ok(Made { user, token })
}

/// Checks a text's length in characters.
pub(super) fn check_chars(
    field: &'static str,
    text: &str,
    range: std::ops::RangeInclusive<usize>,
) -> Result<(), ApiError> {
    if range.contains(&text.chars().count()) && text.trim() == text {
        return Ok(());
    }
    let message = format!(
        "Must be between {} and {} in length, without space at the ends.",
        range.start(),
        range.end()
    );
    Err(ApiError::invalid_form(
        field,
        "BASE_TYPE_BAD_LENGTH",
        message,
    ))
}
