//! `/sessions/{id}`: one session.

use actix_web::web;

use super::Admin;
use super::answer::{Answer, ok};
use crate::protocol::ApiError;

/// There is no Discord error for this: clients never see sessions of others.
const UNKNOWN_SESSION: ApiError = ApiError::new(404, 0, "Unknown Session");

pub(super) async fn show(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    match admin.view.session(&path).await {
        Some(session) => Ok(ok(&session)),
        None => Err(UNKNOWN_SESSION.into()),
    }
}
