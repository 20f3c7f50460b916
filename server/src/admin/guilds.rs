//! `/guilds`, `/guilds/{id}`, `/executors`: what runs here and how busy it is.

use std::cmp::Ordering;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::{Answer, bad_request, json, ok};
use super::load::{MAX_WINDOW, measure};
use super::view::{ExecutorInfo, GuildInfo};
use super::{Admin, orders};
use crate::cluster::control::GuildOrder;
use crate::guild::command::{Caller, Command, Reply, Request};
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
struct GuildsAnswer {
    running: usize,
    /// Over what loads were measured; none where they are the smoothed ones.
    window_ms: Option<u64>,
    guilds: Vec<GuildInfo>,
}

fn window(asked_ms: Option<u64>) -> Option<Duration> {
    asked_ms.map(|ms| Duration::from_millis(ms).min(MAX_WINDOW))
}

fn shown(window: Option<Duration>) -> Option<u64> {
    window.map(|window| window.as_millis() as u64)
}

pub(super) async fn list(admin: web::Data<Admin>, query: web::Query<ListQuery>) -> Answer {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(bad_request(format!("expected limit= of 1 to {MAX_LIMIT}")));
    }
    let window = window(query.window_ms);
    let mut measured = measure(&*admin.view, window).await;
    let running = measured.len();
    measured.sort_unstable_by(|a, b| order(query.sort, a, b));
    measured.truncate(limit);
    Ok(ok(&GuildsAnswer {
        running,
        window_ms: shown(window),
        guilds: measured,
    }))
}

/// Equals are ordered by id, so that a list does not dance.
fn order(sort: Sort, a: &GuildInfo, b: &GuildInfo) -> Ordering {
    match sort {
        Sort::Load => b.load.total_cmp(&a.load),
        Sort::Sessions => b.sessions.cmp(&a.sessions),
        Sort::Requests => b.requests.cmp(&a.requests),
        Sort::Waiting => b.waiting_requests.cmp(&a.waiting_requests),
        Sort::Id => Ordering::Equal,
    }
    .then(a.id.cmp(&b.id))
}

#[derive(Serialize)]
struct GuildAnswer<'a> {
    id: GuildId,
    node: String,
    /// Its figures, from the node that has it; none where that does not say.
    running: Option<Value>,
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
    let running = orders::anywhere(&admin, id, GuildOrder::Show).await;
    let running = running.ok().filter(|running| !running.is_null());
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
    load_anew(&admin, &path, GuildOrder::Restart).await
}

/// As [`restart`], for a guild that does not serve any more.
pub(super) async fn revive(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    load_anew(&admin, &path, GuildOrder::Revive).await
}

async fn load_anew(admin: &Admin, id: &str, order: GuildOrder) -> Answer {
    let id: GuildId = id.parse().map_err(|_| ApiError::UNKNOWN_GUILD)?;
    let ordered = orders::anywhere(admin, id, order).await?;
    Ok(json(StatusCode::ACCEPTED, &ordered))
}

#[derive(Serialize)]
struct ExecutorsAnswer<'a> {
    window_ms: Option<u64>,
    executors: Vec<ExecutorAnswer<'a>>,
}

/// A thread with what its guilds have to do.
#[derive(Serialize)]
pub(super) struct ExecutorAnswer<'a> {
    #[serde(flatten)]
    executor: &'a ExecutorInfo,
    /// Requests that wait for its guilds.
    waiting_requests: usize,
    /// Its busiest guild, if any was busy.
    busiest_guild: Option<GuildId>,
}

/// Sets threads and guilds side by side.
pub(super) fn join<'a>(
    executors: &'a [ExecutorInfo],
    guilds: &[GuildInfo],
) -> Vec<ExecutorAnswer<'a>> {
    let answer = |executor: &'a ExecutorInfo| {
        let own = || guilds.iter().filter(|it| it.executor == executor.id);
        ExecutorAnswer {
            executor,
            waiting_requests: own().map(|it| it.waiting_requests).sum(),
            busiest_guild: own()
                .filter(|it| it.load > 0.0)
                .max_by(|a, b| a.load.total_cmp(&b.load))
                .map(|it| it.id),
        }
    };
    executors.iter().map(answer).collect()
}

/// Leaves the busiest guilds, the busiest first.
pub(super) fn keep_busiest(guilds: &mut Vec<GuildInfo>, limit: usize) {
    let by_load = |a: &GuildInfo, b: &GuildInfo| order(Sort::Load, a, b);
    if guilds.len() > limit {
        guilds.select_nth_unstable_by(limit, by_load);
        guilds.truncate(limit);
    }
    guilds.sort_unstable_by(by_load);
}

pub(super) async fn executors(admin: web::Data<Admin>, query: web::Query<WindowQuery>) -> Answer {
    let window = window(query.window_ms);
    let measured = measure(&*admin.view, window).await;
    let mut infos = admin.view.executors();
    if window.is_some() {
        for executor in &mut infos {
            let own = measured.iter().filter(|it| it.executor == executor.id);
            executor.load = own.map(|it| it.load).sum::<f64>().min(1.0);
        }
    }
    Ok(ok(&ExecutorsAnswer {
        window_ms: shown(window),
        executors: join(&infos, &measured),
    }))
}
