//! This node among others: on the list, and in touch with them.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::StartError;
use super::storage::Shared;
use crate::cluster::nats::membership::{Membership, MembershipSettings, OnView, new_incarnation};
use crate::cluster::nats::peers::Peers;
use crate::cluster::view::View;
use crate::config::{Config, Secret};
use crate::fanout::mail::HubLinks;
use crate::guild::router::Router;
use crate::placement::{NodeName, PlacementHandle};
use crate::protocol::{GuildId, UserId};

/// A node that is on the list.
pub(super) struct Joined {
    peers: Peers,
    membership: Membership,
}

impl Joined {
    /// Tells live sessions of all other nodes of a new membership.
    pub(super) fn peers(&self) -> Peers {
        self.peers.clone()
    }

    /// Takes the node off the list: its guilds go to others.
    pub(super) async fn leave(self) {
        self.membership.leave().await;
    }
}

/// What the list's changes mean for this node.
struct Applier {
    here: NodeName,
    placement: PlacementHandle,
    peers: Peers,
    router: Router,
}

impl OnView for Applier {
    fn changed(&self, view: &View, on_it: bool) {
        let placement = match view.placement() {
            Ok(placement) => placement,
            Err(error) => {
                tracing::info!(%error, on_it, "no ring");
                return;
            }
        };
        let published = self.placement.publish(placement);
        if let Err(error) = published {
            tracing::debug!(%error, "an old list");
            return;
        }
        self.peers.set(view);
        let placement = self.placement.snapshot();
        let goes = |guild: GuildId| *placement.owner(guild.get()) != self.here;
        let released = self.router.registry().release_where(goes);
        if released > 0 {
            tracing::info!(released, "guilds go to other nodes");
        }
    }

    fn beat(&self) {
        self.peers.beat();
    }
}

/// Puts the node on the list of its cluster. Blocks on the network.
pub(super) fn join(
    config: &Config,
    shared: &Shared,
    (router, placement): (&Router, &PlacementHandle),
    hubs: &HubLinks,
    secret: &Secret,
) -> Result<Joined, StartError> {
    let name = config.node.name.clone();
    let weight = config.placement.weights.get(&name);
    let settings = MembershipSettings {
        name: name.clone(),
        number: config.node.number,
        weight: weight.map_or(1.0, |weight| weight.get()),
        secret: fingerprint(secret),
        virtual_nodes: config.placement.virtual_nodes,
        heartbeat: Duration::from_millis(config.cluster.heartbeat_ms),
        dead_after: Duration::from_millis(config.cluster.dead_after_ms),
    };
    let incarnation = new_incarnation();
    let nats = shared.nats.clone();
    let peers = Peers::new(
        nats.clone(),
        shared.thread.handle().clone(),
        Arc::clone(&shared.lease),
        (name.clone(), incarnation),
        hubs.clone(),
    );
    router.connect(Arc::new(peers.clone()));
    let applier = Arc::new(Applier {
        here: name,
        placement: placement.clone(),
        peers: peers.clone(),
        router: router.clone(),
    });
    let (lease, heard, listener) = (Arc::clone(&shared.lease), peers.clone(), router.clone());
    let joining = async move {
        heard.listen(listener).await?;
        Membership::join(nats, settings, incarnation, lease, applier).await
    };
    let membership = shared
        .thread
        .wait_for(joining)
        .ok_or_else(|| StartError::Nats("joining the cluster panicked".to_owned()))?
        .map_err(|error| StartError::Nats(error.to_string()))?;
    Ok(Joined { peers, membership })
}

/// Tells one secret from another, and nothing of either.
fn fingerprint(secret: &Secret) -> String {
    let mut hash = Sha256::new();
    hash.update(b"guildhall cluster secret");
    hash.update(secret.reveal().as_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    let [first, ..] = hash.as_chunks::<8>().0 else {
        unreachable!("a hash has 32 bytes");
    };
    format!("{:016x}", u64::from_be_bytes(*first))
}

/// Tells live sessions of new memberships, on every node.
#[derive(Clone)]
pub(super) struct JoinNotices {
    pub(super) hubs: HubLinks,
    pub(super) peers: Option<Peers>,
}

impl JoinNotices {
    pub(super) fn tell(&self, user: UserId, guild: GuildId) {
        self.hubs.joined(user, guild);
        if let Some(peers) = &self.peers {
            peers.joined(user, guild);
        }
    }
}

impl crate::api::SessionNotices for JoinNotices {
    fn joined(&self, user: UserId, guild: GuildId) {
        self.tell(user, guild);
    }
}
