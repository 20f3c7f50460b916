//! The guilds of a node without sockets.

use std::sync::Arc;
use std::time::Duration;

use guildhall_server::counters::Counters;
use guildhall_server::fanout::mail::HubLinks;
use guildhall_server::guild::actor::{GuildSettings, GuildTools};
use guildhall_server::guild::executors::Executors;
use guildhall_server::guild::registry::Registry;
use guildhall_server::guild::router::Router;
use guildhall_server::journal::Journal;
use guildhall_server::placement::{
    Member, NodeName, Overrides, Placement, PlacementHandle, Ring, RingSettings,
};
use guildhall_server::protocol::ids::SnowflakeSource;
use guildhall_server::supervision::mail::MailBounds;

/// Guilds on this journal and these executors; requests are given up after `timeout`.
pub(crate) fn node(
    journal: Arc<dyn Journal>,
    counters: &Arc<Counters>,
    settings: GuildSettings,
    executors: Executors,
    timeout: Duration,
) -> (Router, Registry) {
    let tools = GuildTools {
        journal,
        ids: Arc::new(SnowflakeSource::new(1)),
        hubs: HubLinks::default(),
        node: "here".into(),
        counters: Arc::clone(counters),
        settings: Arc::new(settings),
        preloads: guildhall_server::guild::actor::Preloads::default(),
    };
    let bounds = MailBounds {
        count: 4_096,
        bytes: 8 << 20,
    };
    let registry = Registry::new(executors, tools, bounds);
    let here = NodeName::new("here").unwrap();
    let ring = Ring::build([Member::new(here.clone())], RingSettings::default()).unwrap();
    let placement = PlacementHandle::new(Placement::new(ring, Overrides::new()));
    let router = Router::new(placement, here, registry.clone(), timeout);
    (router, registry)
}
