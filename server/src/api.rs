//! The REST subset that Discord's client libraries use, under `/api/v10`, `/api/v9` and `/api`.
//!
//! A request goes one way: [`endpoint`] finds the handler and does what all endpoints have in common
//! (who asks, how often), the handler parses ([`call`], [`forms`]), asks a guild or the directory,
//! and gives an [`answer`]. Every error becomes a response in that one place.

mod answer;
mod body;
mod call;
mod context;
mod cors;
mod embeds;
mod endpoint;
#[allow(clippy::option_option)] // absence leaves a value, null clears it
mod forms;
#[cfg(any(test, feature = "fuzz-targets"))]
mod fuzz;
mod multipart;
mod provision;
mod query;
mod rate;
mod routes;
#[cfg(test)]
mod tests;
mod trace;
use std::sync::Arc;

use actix_web::web;

pub use context::{Context, Rooms, SessionNotices, Settings};
#[cfg(any(test, feature = "fuzz-targets"))]
pub(crate) use fuzz::read_as_every_form;

/// Adds the API to an application. Everything else of the application answers for itself; unknown
/// paths below `/api` are answered here.
pub fn configure(cfg: &mut web::ServiceConfig, context: &Arc<Context>) {
    // The longer prefixes first: `/api` would take their requests.
    for prefix in ["/api/v10", "/api/v9", "/api"] {
        let scope = web::scope(prefix).configure(|cfg| routes::add(cfg, context));
        cfg.service(scope.default_service(endpoint::not_found(context)));
    }
}
