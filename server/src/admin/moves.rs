//! `/guilds/{id}/promote`, `/demote`, `/move`: which thread runs a guild, by hand.

use actix_web::web;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::answer::{Answer, bad_request, ok};
use crate::counters::Label;
use crate::guild::command::{Caller, Command, Request};
use crate::guild::handoff::{MoveError, Target};
use crate::protocol::{ApiError, GuildId};

/// Where a guild is to go.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveForm {
    executor: usize,
}

#[derive(Serialize)]
struct MovedAnswer {
    id: GuildId,
    from: usize,
    to: usize,
    kind: &'static str,
    /// How long it handled nothing; none where it was read from its journal.
    pause_ms: Option<f64>,
}

/// Gives a guild a thread of its own.
pub(super) async fn promote(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let id = wake(&admin, &path).await?;
    go(&admin, id, Target::Dedicated).await
}

/// Takes a guild's own thread away.
pub(super) async fn demote(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let id = wake(&admin, &path).await?;
    if admin.view.guild(id).is_some_and(|guild| !guild.dedicated) {
        return Err(ApiError::from(MoveError::AlreadyThere).into());
    }
    go(&admin, id, Target::LeastLoaded).await
}

/// Moves a guild to the shared thread that the body names, or to the one with the least to do.
pub(super) async fn to(
    admin: web::Data<Admin>,
    path: web::Path<String>,
    body: web::Bytes,
) -> Answer {
    let target = if body.is_empty() {
        Target::LeastLoaded
    } else {
        let form: MoveForm = serde_json::from_slice(&body)
            .map_err(|error| bad_request(format!("expected {{\"executor\": N}}: {error}")))?;
        Target::Shared(form.executor)
    };
    let id = wake(&admin, &path).await?;
    go(&admin, id, target).await
}

/// A guild that runs: one that nobody used is started first.
async fn wake(admin: &Admin, id: &str) -> Result<GuildId, ApiError> {
    let id: GuildId = id.parse().map_err(|_| ApiError::UNKNOWN_GUILD)?;
    if admin.view.guild(id).is_some_and(|guild| guild.position > 0) {
        return Ok(id);
    }
    let request = Request {
        caller: Caller::Operator,
        command: Command::GetGuild { with_counts: true },
    };
    admin.guilds.ask(id, request).await.map(|_| id)
}

async fn go(admin: &Admin, id: GuildId, target: Target) -> Answer {
    let moved = admin.guilds.move_to(id, target).await;
    let moved = moved.map_err(ApiError::from)?;
    Ok(ok(&MovedAnswer {
        id,
        from: moved.from,
        to: moved.to,
        kind: moved.kind.value(),
        pause_ms: moved.pause.map(|pause| pause.as_secs_f64() * 1e3),
    }))
}
