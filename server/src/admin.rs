//! stub
use actix_web::web;
use std::sync::Arc;
pub trait View: Send + Sync {}
pub struct Admin {
    pub view: Arc<dyn View>,
    pub router: crate::guild::router::Router,
    pub directory: Arc<dyn crate::directory::Directory>,
    pub ids: Arc<crate::protocol::ids::SnowflakeSource>,
    pub tokens: crate::auth::tokens::TokenSigner,
    pub joined: Arc<dyn Fn(crate::protocol::UserId, crate::protocol::GuildId) + Send + Sync>,
    pub counters: Arc<crate::counters::Counters>,
    pub token: crate::config::Secret,
    pub open_metrics: bool,
}
pub fn configure(_cfg: &mut web::ServiceConfig, _admin: &Arc<Admin>) {}
