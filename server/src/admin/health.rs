//! `/healthz`, `/readyz`, `/metrics`: for orchestrators and Prometheus.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::json as object;

use super::answer::{Answer, json, ok};
use super::view::NodeState;
use super::{Admin, guard};
use crate::protocol::ApiError;

/// What Prometheus asks for and `prometheus-client` writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The process runs and this thread answers.
pub(super) async fn healthz() -> HttpResponse {
    ok(&object!({ "status": "ok" }))
}

/// The node takes traffic: 200; else 503, with the reasons where threads are stuck.
pub(super) async fn readyz(admin: web::Data<Admin>) -> HttpResponse {
    let state = admin.view.node().state;
    let complaints = admin.view.complaints();
    match state {
        NodeState::Ready if complaints.is_empty() => {
            json(StatusCode::OK, &object!({ "status": state }))
        }
        NodeState::Ready => json(
            StatusCode::SERVICE_UNAVAILABLE,
            &object!({ "status": "stuck", "reasons": complaints }),
        ),
        NodeState::Starting | NodeState::Draining => json(
            StatusCode::SERVICE_UNAVAILABLE,
            &object!({ "status": state }),
        ),
    }
}

/// All figures; without the token only where that is set.
pub(super) async fn metrics(
    admin: web::Data<Admin>,
    registry: web::Data<Registry>,
    request: HttpRequest,
) -> Answer {
    if !admin.open_metrics && !guard::may(&admin, &request) {
        return Err(ApiError::UNAUTHORIZED.into());
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| ApiError::INTERNAL)?;
    Ok(HttpResponse::Ok().content_type(OPEN_METRICS).body(text))
}
