//! This node among others: on the list, and in touch with them.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::StartError;
use super::answers::Answers;
use super::storage::Shared;
use super::views::NodeView;
use crate::clock;
use crate::cluster::moves::{NodeMoves, forward};
use crate::cluster::nats::NatsSessions;
use crate::cluster::nats::membership::{
    List, Membership, MembershipSettings, OnView, new_incarnation,
};
use crate::cluster::nats::peers::Peers;
use crate::cluster::view::View;
use crate::config::{Config, PublicUrl, Secret};
use crate::counters::Counters;
use crate::fanout::mail::HubLinks;
use crate::guild::router::Router;
use crate::placement::{NodeName, PlacementHandle};
use crate::protocol::{GuildId, UserId};
use crate::session::elsewhere::{Elsewhere, ElsewhereSettings};
use crate::session::links::WorkerLinks;
use crate::supervision::drain::Drain;

/// How much longer than until a silent node is off the list a Resume waits for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// A node that is on the list.
pub(super) struct Joined {
    peers: Peers,
    membership: Membership,
    moves: NodeMoves,
    drain: Duration,
    elsewhere: Elsewhere,
    reconnects_per_second: u32,
}

impl Joined {
    /// The sessions of the cluster.
    pub(super) fn elsewhere(&self) -> Elsewhere {
        self.elsewhere.clone()
    }

    /// Tells live sessions of all other nodes of a new membership.
    pub(super) fn peers(&self) -> Peers {
        self.peers.clone()
    }

    /// What the admin API does with other nodes.
    pub(super) fn admin(&self) -> Arc<dyn crate::admin::Cluster> {
        Arc::new(self.moves.clone())
    }
}

/// Hands the guilds and the sessions of a node that is on the list over to others, and takes it off.
pub(super) async fn leave(joined: Option<Joined>, drain: &Drain, links: &WorkerLinks) {
    let Some(joined) = joined else {
        return;
    };
    // Who comes from now on is sent on.
    links.set_draining();
    let sessions = links.sessions();
    let paced = Duration::from_secs_f64(sessions as f64 / f64::from(joined.reconnects_per_second));
    let over = paced.min(joined.drain * 3 / 4);
    tracing::info!(sessions, ?over, "guilds and sessions go to other nodes");
    drain.hands_over(joined.moves.guilds_to_hand_over());
    let guilds = joined.moves.drain(clock::now() + joined.drain);
    let sessions = joined.elsewhere.let_all_go(over);
    let ((), sessions) = tokio::join!(guilds, sessions);
    tracing::info!(sessions, "sessions are kept for other nodes");
    joined.membership.leave().await;
}

/// What the list's changes mean for this node.
struct Applier {
    here: NodeName,
    placement: PlacementHandle,
    peers: Peers,
    router: Router,
    moves: NodeMoves,
    links: WorkerLinks,
    /// Whether clients reach the nodes by an address of the settings, which does not end with a node.
    is_one_address: bool,
}

impl OnView for Applier {
    fn changed(&self, view: &View, on_it: bool) {
        if !on_it {
            self.links.set_away();
        }
        if !self.is_one_address {
            self.links.set_resume_url(view.gateway_beside(&self.here));
        }
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
        let is_here = |guild: GuildId| *placement.owner(guild.get()) == self.here;
        let registry = self.router.registry();
        let forward = |guild| forward(&self.router, guild);
        let released = registry.release_where(|guild| !is_here(guild), forward);
        if released > 0 {
            tracing::info!(released, "guilds go to other nodes");
        }
        registry.start_preloaded(is_here);
        self.moves.heard(view);
    }

    fn beat(&self) {
        self.peers.beat();
    }
}

/// Puts the node on the list of its cluster. Blocks on the network.
pub(super) fn join(
    (config, public): (&Config, &PublicUrl),
    shared: &Shared,
    (router, placement): (&Router, &PlacementHandle),
    (links, counters): (&WorkerLinks, &Arc<Counters>),
    (node, drain): (&Arc<NodeView>, &Drain),
    secret: &Secret,
) -> Result<Joined, StartError> {
    let name = config.node.name.clone();
    let weight = config.placement.weights.get(&name);
    let settings = MembershipSettings {
        name: name.clone(),
        number: config.node.number,
        weight: weight.map_or(1.0, |weight| weight.get()),
        zone: config.node.zone.clone(),
        gateway: public.gateway(),
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
        links.guild_side.clone(),
    );
    router.connect(Arc::new(peers.clone()));
    let (list, orders) = List::new();
    let moves = NodeMoves::new(
        (name.clone(), incarnation),
        router.clone(),
        peers.clone(),
        list,
        shared.thread.handle().clone(),
        Arc::clone(counters),
    );
    let applier = Arc::new(Applier {
        here: name,
        placement: placement.clone(),
        peers: peers.clone(),
        router: router.clone(),
        moves: moves.clone(),
        links: links.clone(),
        is_one_address: config.listen.public_url.is_some(),
    });
    let (lease, heard, listener) = (Arc::clone(&shared.lease), peers.clone(), router.clone());
    let dead_after = Duration::from_millis(config.cluster.dead_after_ms);
    let elsewhere = Elsewhere::new(
        ElsewhereSettings {
            process: incarnation,
            resume_window: Duration::from_secs(config.gateway.resume_window_s),
            patience: dead_after + PATIENCE,
            note_every: Duration::from_millis(config.cluster.session_note_ms),
        },
        (
            Arc::new(NatsSessions::new(nats.clone())),
            Arc::new(peers.clone()),
        ),
        links.clone(),
        shared.thread.handle().clone(),
        Arc::clone(counters),
    );
    let control = Arc::new(Answers {
        moves: moves.clone(),
        view: Arc::clone(node),
        router: router.clone(),
        drain: drain.clone(),
        counters: Arc::clone(counters),
        sessions: Arc::new(elsewhere.clone()),
    });
    let joining = async move {
        heard.listen(listener, control).await?;
        Membership::join(nats, settings, incarnation, lease, (applier, orders)).await
    };
    let membership = shared
        .thread
        .wait_for(joining)
        .ok_or_else(|| StartError::Nats("joining the cluster panicked".to_owned()))?
        .map_err(|error| StartError::Nats(error.to_string()))?;
    // It ends with the thread.
    shared.thread.handle().spawn(moves.clone().run());
    let drain = Duration::from_millis(config.cluster.drain_timeout_ms);
    Ok(Joined {
        peers,
        membership,
        moves,
        drain,
        elsewhere,
        reconnects_per_second: config.cluster.reconnects_per_second,
    })
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
