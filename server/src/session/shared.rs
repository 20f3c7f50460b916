//! What all workers of a node share.

use std::sync::Arc;

use super::elsewhere::Elsewhere;
use super::links::WorkerLinks;
use super::settings::GatewaySettings;
use super::trail::TrailDir;
use crate::auth::rate_limit::{ConnectionLimit, IdentifyLimit, UpgradeGate};
use crate::auth::verifier::Verifier;
use crate::counters::Counters;
use crate::directory::Directory;
use crate::guild::actor::GuildMail;
use crate::guild::router::Router;
use crate::protocol::GuildId;

/// Handles that every worker needs. Cheap to clone.
#[derive(Clone)]
pub struct SessionShared {
    /// To the guilds.
    pub router: Router,
    /// Accounts and memberships.
    pub directory: Arc<dyn Directory>,
    /// Checks tokens.
    pub tokens: Verifier,
    /// To the other workers.
    pub links: WorkerLinks,
    /// What is allowed.
    pub settings: Arc<GatewaySettings>,
    /// Paces upgrades.
    pub gate: Arc<UpgradeGate>,
    /// Counts the connections of each address.
    pub places: ConnectionLimit,
    /// Counts the sessions that users start.
    pub starts: Arc<IdentifyLimit>,
    /// Where it is noted who was handed what; `None` where nothing survives the process anyway.
    pub trails: Option<Arc<TrailDir>>,
    /// Sessions of other nodes; `None` where there is only this one.
    pub elsewhere: Option<Elsewhere>,
    /// The node's figures.
    pub counters: Arc<Counters>,
}

impl SessionShared {
    /// Posts mail to a guild. A refusal is counted; what has to arrive is posted again by the tick.
    pub(super) fn post(&self, guild: GuildId, mail: GuildMail) {
        if self.router.post(guild, mail).is_err() {
            self.counters.mail_refused.inc();
        }
    }
}
