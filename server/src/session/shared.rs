//! What all workers of a node share.

use std::sync::Arc;

use super::links::WorkerLinks;
use super::settings::GatewaySettings;
use crate::auth::rate_limit::UpgradeGate;
use crate::auth::tokens::TokenSigner;
use crate::counters::Counters;
use crate::directory::Directory;
use crate::guild::router::Router;

/// Handles that every worker needs. Cheap to clone.
#[derive(Clone)]
pub struct SessionShared {
    /// To the guilds.
    pub router: Router,
    /// Accounts and memberships.
    pub directory: Arc<dyn Directory>,
    /// Checks tokens.
    pub tokens: Arc<TokenSigner>,
    /// To the other workers.
    pub links: WorkerLinks,
    /// What is allowed.
    pub settings: Arc<GatewaySettings>,
    /// Paces upgrades.
    pub gate: Arc<UpgradeGate>,
    /// The node's figures.
    pub counters: Arc<Counters>,
}
