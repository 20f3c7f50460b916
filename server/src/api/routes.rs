//! Every endpoint, by what it is about.

mod applications;
mod channels;
mod gateway;
mod guilds;
mod members;
mod messages;
mod reactions;
mod roles;
mod users;

use std::sync::Arc;

use actix_web::web::ServiceConfig;

use super::context::Context;

/// Adds every endpoint. Paths are tried in this order: the busiest come first, fixed parts before
/// variable ones.
pub(super) fn add(cfg: &mut ServiceConfig, context: &Arc<Context>) {
    messages::add(cfg, context);
    reactions::add(cfg, context);
    channels::add(cfg, context);
    guilds::add(cfg, context);
    members::add(cfg, context);
    roles::add(cfg, context);
    users::add(cfg, context);
    gateway::add(cfg, context);
    applications::add(cfg, context);
}
