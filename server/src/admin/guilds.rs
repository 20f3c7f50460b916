//! `/guilds`, `/guilds/{id}`, `/executors`: what runs here and how busy it is.

use std::cmp::Ordering;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web;
use serde::{Deserialize, Serialize};
use serde_json::json as object;
use serde_json::value::RawValue;

use super::Admin;
use super::answer::{Answer, bad_request, json, ok};
use super::load::{DEFAULT_WINDOW, MAX_WINDOW, Measured, measure};
use super::view::{ExecutorInfo, GuildInfo};
use crate::guild::command::{Caller, Command, Reply, Request};
use crate::guild::stats::Health;
use crate::protocol::{ApiError, GuildId};

/// Guilds listed where no limit is asked for.
const DEFAULT_LIMIT: usize = 50;
/// Most guilds listed.
const MAX_LIMIT: usize = 1_000;

/// What a list of guilds is ordered by, the largest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sort {
    /// Share of a thread used.
    #[default]
    Load,
    /// Attached sessions.
    Sessions,
    /// Requests handled since the start.
    Requests,
    /// Requests that wait.
    Waiting,
    /// The id, the oldest guild first.
    Id,
}

#[derive(Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    sort: Sort,
    limit: Option<usize>,
    window_ms: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct WindowQuery {
    window_ms: Option<u64>,
}

#[derive(Serialize)]
struct MeasuredAnswer<'a> {
    #[serde(flatten)]
    guild: &'a GuildInfo,
    /// Share of a thread used in the window, 0 to 1.
    load: f64,
}

#[derive(Serialize)]
struct GuildsAnswer<'a> {
    running: usize,
    window_ms: u64,
    guilds: Vec<MeasuredAnswer<'a>>,
}

fn window(asked_ms: Option<u64>) -> Duration {
    asked_ms
        .map_or(DEFAULT_WINDOW, Duration::from_millis)
        .min(MAX_WINDOW)
}

pub(super) async fn list(admin: web::Data<Admin>, query: web::Query<ListQuery>) -> Answer {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(bad_request(format!("expected limit= of 1 to {MAX_LIMIT}")));
    }
    let window = window(query.window_ms);
    let mut measured = measure(&*admin.view, window).await;
    measured.sort_unstable_by(|a, b| order(query.sort, a, b));
    Ok(ok(&GuildsAnswer {
        running: measured.len(),
        window_ms: window.as_millis() as u64,
        guilds: measured
            .iter()
            .take(limit)
            .map(|measured| MeasuredAnswer {
                guild: &measured.guild,
                load: measured.load,
            })
            .collect(),
    }))
}

/// Equals are ordered by id, so that a list does not dance.
fn order(sort: Sort, a: &Measured, b: &Measured) -> Ordering {
    match sort {
        Sort::Load => b.load.total_cmp(&a.load),
        Sort::Sessions => b.guild.sessions.cmp(&a.guild.sessions),
        Sort::Requests => b.guild.requests.cmp(&a.guild.requests),
        Sort::Waiting => b.guild.waiting_requests.cmp(&a.guild.waiting_requests),
        Sort::Id => Ordering::Equal,
    }
    .then(a.guild.id.cmp(&b.guild.id))
}

#[derive(Serialize)]
struct GuildAnswer<'a> {
    id: GuildId,
    node: String,
    running: Option<GuildInfo>,
    /// As the REST API shows it, with member counts; none where it does not answer.
    guild: Option<&'a RawValue>,
}

/// Wakes the guild if it does not run: its own state is in its journal alone.
pub(super) async fn show(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let id: GuildId = path.parse().map_err(|_| ApiError::UNKNOWN_GUILD)?;
    let request = Request {
        caller: Caller::Operator,
        command: Command::GetGuild { with_counts: true },
    };
    let asked = admin.guilds.ask(id, request).await;
    let running = admin.view.guild(id);
    let body = match asked {
        Ok(Reply::Json(body)) => Some(body),
        Ok(_) => return Err(ApiError::INTERNAL.into()),
        // What is to be seen of it is what the operator looks for.
        Err(error) if error.status == ApiError::UNAVAILABLE.status && running.is_some() => None,
        Err(error) => return Err(error.into()),
    };
    let guild = body
        .as_deref()
        .map(serde_json::from_slice)
        .transpose()
        .map_err(|_| ApiError::INTERNAL)?;
    let placement = admin.view.placement().snapshot();
    Ok(ok(&GuildAnswer {
        id,
        node: placement.owner(id.get()).to_string(),
        running,
        guild,
    }))
}

/// Has a running guild load its state from the journal anew.
pub(super) async fn restart(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let id = running(&admin, &path)?.id;
    restart_guild(&admin, id)
}

/// As [`restart`], for a guild that does not serve any more.
pub(super) async fn revive(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let guild = running(&admin, &path)?;
    if guild.state == Health::Serving.name() {
        return Err(bad_request(
            "the guild serves; POST …/restart loads it anew".to_owned(),
        ));
    }
    restart_guild(&admin, guild.id)
}

fn running(admin: &Admin, id: &str) -> Result<GuildInfo, ApiError> {
    let id: GuildId = id.parse().map_err(|_| ApiError::UNKNOWN_GUILD)?;
    admin.view.guild(id).ok_or(ApiError::UNKNOWN_GUILD)
}

fn restart_guild(admin: &Admin, id: GuildId) -> Answer {
    if !admin.guilds.restart(id) {
        return Err(ApiError::UNAVAILABLE.into());
    }
    Ok(json(StatusCode::ACCEPTED, &object!({ "id": id })))
}

#[derive(Serialize)]
struct ExecutorsAnswer<'a> {
    window_ms: u64,
    executors: Vec<ExecutorAnswer<'a>>,
}

#[derive(Serialize)]
struct ExecutorAnswer<'a> {
    #[serde(flatten)]
    executor: &'a ExecutorInfo,
    /// Share of the thread that its guilds used in the window, 0 to 1.
    load: f64,
    /// Requests that wait for its guilds.
    waiting_requests: usize,
    /// Its busiest guild, if any was busy.
    busiest_guild: Option<GuildId>,
}

pub(super) async fn executors(admin: web::Data<Admin>, query: web::Query<WindowQuery>) -> Answer {
    let window = window(query.window_ms);
    let measured = measure(&*admin.view, window).await;
    let infos = admin.view.executors();
    let executors = infos
        .iter()
        .map(|executor| {
            let own = || measured.iter().filter(|m| m.guild.executor == executor.id);
            ExecutorAnswer {
                executor,
                load: own().map(|m| m.load).sum::<f64>().min(1.0),
                waiting_requests: own().map(|m| m.guild.waiting_requests).sum(),
                busiest_guild: own()
                    .filter(|m| m.load > 0.0)
                    .max_by(|a, b| a.load.total_cmp(&b.load))
                    .map(|m| m.guild.id),
            }
        })
        .collect();
    Ok(ok(&ExecutorsAnswer {
        window_ms: window.as_millis() as u64,
        executors,
    }))
}
