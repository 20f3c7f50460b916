//! `/sessions`, `/sessions/{id}`: those that are furthest behind, and one.

use actix_web::web;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::answer::{Answer, bad_request, ok};
use super::view::SessionInfo;
use crate::protocol::ApiError;

/// There is no Discord error for this: clients never see sessions of others.
const UNKNOWN_SESSION: ApiError = ApiError::new(404, 0, "Unknown Session");

/// Sessions listed where no limit is asked for.
const DEFAULT_LIMIT: usize = 50;
/// Most sessions listed.
const MAX_LIMIT: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct ListQuery {
    limit: Option<usize>,
}

#[derive(Serialize)]
struct SessionsAnswer {
    /// How many there are, those from before a restart included.
    all: usize,
    /// Those with the most bytes waiting to be written, then with the most kept.
    sessions: Vec<SessionInfo>,
}

pub(super) async fn list(admin: web::Data<Admin>, query: web::Query<ListQuery>) -> Answer {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(bad_request(format!("expected limit= of 1 to {MAX_LIMIT}")));
    }
    Ok(ok(&SessionsAnswer {
        all: admin.view.node().sessions,
        sessions: admin.view.furthest_behind(limit).await,
    }))
}

pub(super) async fn show(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    match admin.view.session(&path).await {
        Some(session) => Ok(ok(&session)),
        None => Err(UNKNOWN_SESSION.into()),
    }
}
