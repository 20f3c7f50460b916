//! The browser chat page.

/// Adds the page to an application.
pub fn configure(_cfg: &mut actix_web::web::ServiceConfig, _page: Option<serde_json::Value>) {}
