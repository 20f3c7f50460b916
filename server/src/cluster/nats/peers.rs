//! Guilds of other nodes: requests to them, the way of hubs and guilds to each other across nodes.
//!
//! A guild sees a hub of another node as a hub like any other. What it tells several hubs of one node is
//! one message on NATS. Messages between two processes are numbered: who misses one has its hubs join
//! the sender's guilds again, from the position that they have.

mod asking;
mod gate;
mod link;
mod questions;
mod receive;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{Nats, NatsError};
use crate::clock;
use crate::cluster::control::Control;
use crate::cluster::lease::Lease;
use crate::cluster::moves::NodeMoved;
use crate::cluster::view::View;
use crate::cluster::wire::Parcel;
use crate::counters::PeerOutcome;
use crate::fanout::HubId;
use crate::fanout::mail::{GuildNews, HubLinks};
use crate::guild::actor::GuildMail;
use crate::guild::command::Request;
use crate::guild::remote::{Asked, Remote};
use crate::guild::router::{Router, Unavailable};
use crate::placement::NodeName;
use crate::protocol::{GuildId, UserId};
use asking::requests;
use gate::Gate;
use link::{Link, RemoteHub, subject};

/// About how many bytes a piece of mail to a guild holds on to.
const MAIL_BYTES: usize = 512;
/// Processes remembered that are not on the list; beyond that all are forgotten.
const MOST_STRANGERS: usize = 4_096;

/// A process of another node.
#[derive(Clone)]
struct Peer {
    incarnation: u64,
    link: Arc<Link>,
    gate: Arc<Gate>,
    /// Its part of the numbers of hubs.
    slot: u32,
}

/// The other nodes. Cheap to clone.
#[derive(Clone)]
pub struct Peers {
    inner: Arc<Inner>,
}

struct Inner {
    nats: Nats,
    handle: Handle,
    lease: Arc<Lease>,
    here: NodeName,
    incarnation: u64,
    hubs: HubLinks,
    peers: ArcSwap<HashMap<NodeName, Peer>>,
    slots: AtomicU32,
    /// Processes that are not on the list any more, or never were: nothing of them is waited for.
    strangers: DashMap<u64, ()>,
    /// Guilds of other nodes that hubs of this one have joined, and at which process.
    joined: DashMap<GuildId, (NodeName, u64)>,
    router: std::sync::OnceLock<Router>,
    control: std::sync::OnceLock<Arc<dyn Control>>,
}

impl Peers {
    /// Nobody yet; `hubs` are those of this node, to which those of others are added.
    pub fn new(
        nats: Nats,
        handle: Handle,
        lease: Arc<Lease>,
        (here, incarnation): (NodeName, u64),
        hubs: HubLinks,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                nats,
                handle,
                lease,
                here,
                incarnation,
                hubs,
                peers: ArcSwap::default(),
                slots: AtomicU32::new(0),
                strangers: DashMap::new(),
                joined: DashMap::new(),
                router: std::sync::OnceLock::new(),
                control: std::sync::OnceLock::new(),
            }),
        }
    }

    /// Listens for what other nodes send to guilds that are reached through the router, and for their questions.
    pub async fn listen(&self, router: Router, control: Arc<dyn Control>) -> Result<(), NatsError> {
        let (nats, me) = (&self.inner.nats, self.inner.incarnation);
        let failed = |error| NatsError::new("nothing can be heard of other nodes", &error);
        let client = &nats.inner.client;
        let parcels = client.subscribe(subject(nats.name(), me)).await;
        let parcels = parcels.map_err(failed)?;
        let requests = client.subscribe(requests(nats.name(), me)).await;
        let requests = requests.map_err(failed)?;
        let questions = client.subscribe(questions::subject(nats.name(), me)).await;
        let questions = questions.map_err(failed)?;
        // Set once, before anything is heard.
        let _ = self.inner.router.set(router);
        let _ = self.inner.control.set(control);
        #[allow(clippy::disallowed_methods)] // three in all; they end with what they serve
        tokio::spawn(receive::parcels(self.weak(), parcels));
        #[allow(clippy::disallowed_methods)] // see above
        tokio::spawn(receive::requests(self.weak(), requests));
        #[allow(clippy::disallowed_methods)] // see above
        tokio::spawn(questions::answer(self.weak(), questions));
        Ok(())
    }

    fn weak(&self) -> Weak<Inner> {
        Arc::downgrade(&self.inner)
    }

    /// Which nodes there are now. Call it on the cluster's runtime, after the placement of this list is
    /// published.
    pub fn set(&self, view: &View) {
        let inner = &self.inner;
        let before = inner.peers.load_full();
        let mut next = HashMap::new();
        for (name, node) in &view.nodes {
            if *name == inner.here {
                continue;
            }
            let known = before.get(name);
            let peer = known.filter(|peer| peer.incarnation == node.incarnation);
            let peer = peer.cloned().unwrap_or_else(|| {
                let (nats, me) = (inner.nats.clone(), inner.incarnation);
                Peer {
                    incarnation: node.incarnation,
                    link: Link::open(nats, me, node.incarnation),
                    gate: Arc::default(),
                    slot: inner.slots.fetch_add(1, Ordering::Relaxed),
                }
            });
            next.insert(name.clone(), peer);
        }
        let is_gone = |name: &NodeName, peer: &Peer| {
            let now: Option<&Peer> = next.get(name);
            now.is_none_or(|now| now.incarnation != peer.incarnation)
        };
        let gone: Vec<Peer> = before
            .iter()
            .filter(|(name, peer)| is_gone(name, peer))
            .map(|(_, peer)| peer.clone())
            .collect();
        for peer in &gone {
            inner.note_stranger(peer.incarnation);
        }
        let names = next.keys().map(NodeName::as_str);
        let figures = inner.nats.figures();
        figures.show_peers(names);
        for (name, peer) in &next {
            // The process before it may not have answered.
            figures.show_breaker(name.as_str(), peer.gate.is_open());
        }
        inner.peers.store(Arc::new(next));
        for peer in gone {
            peer.link.close();
            let hubs = inner
                .hubs
                .remove_where(|hub| hub.remote_slot() == Some(peer.slot));
            if let Some(router) = inner.router.get() {
                router.registry().hubs_gone(&hubs);
            }
        }
        inner.look_after_guilds();
    }

    /// Tells the hubs of every other node that a user became a member.
    pub fn joined(&self, user: UserId, guild: GuildId) {
        for peer in self.inner.peers.load().values() {
            let news = GuildNews::Joined { guild, user };
            let hubs = Vec::new();
            // Never refused.
            let _ = peer.link.post(Parcel::News { hubs, news }, 64, true);
        }
    }

    /// Tells every other node that a guild of this one has gone.
    pub fn tell_moved(&self, moved: &NodeMoved) {
        for peer in self.inner.peers.load().values() {
            // Where too much waits nobody misses it.
            let _ = peer.link.post(Parcel::Moved(moved.clone()), 256, false);
        }
    }

    /// Sends what makes a gap at the end visible.
    pub fn beat(&self) {
        for peer in self.inner.peers.load().values() {
            // Where too much waits there is no need for it.
            let _ = peer.link.post(Parcel::Beat, 64, false);
        }
    }
}

impl Inner {
    /// The process that owns a guild now, where it is not this one.
    fn owner(&self, guild: GuildId) -> Option<(NodeName, u64)> {
        let node = self.router.get()?.owner(guild);
        let peer = self.peers.load().get(&node)?.incarnation;
        Some((node, peer))
    }

    /// Has hubs join guilds again whose owner is another one now.
    fn look_after_guilds(&self) {
        let mut lost = Vec::new();
        self.joined.retain(|guild, at| {
            let stays = self.owner(*guild).as_ref() == Some(at);
            if !stays {
                lost.push(*guild);
            }
            stays
        });
        for guild in lost {
            self.hubs.tell_local(|| GuildNews::Lost { guild });
        }
    }

    /// Has hubs join the guilds of a process again, of which something was not heard.
    fn lost_from(&self, incarnation: u64) {
        let of = |guild: &dashmap::mapref::multiple::RefMulti<'_, GuildId, (NodeName, u64)>| {
            guild.value().1 == incarnation
        };
        let guilds: Vec<GuildId> = self.joined.iter().filter(of).map(|it| *it.key()).collect();
        for guild in guilds {
            self.hubs.tell_local(|| GuildNews::Lost { guild });
        }
    }

    fn note_stranger(&self, incarnation: u64) {
        if self.strangers.len() >= MOST_STRANGERS {
            self.strangers.clear();
        }
        self.strangers.insert(incarnation, ());
    }

    fn peer_of(&self, incarnation: u64) -> Option<Peer> {
        let peers = self.peers.load();
        let found = peers.values().find(|peer| peer.incarnation == incarnation);
        found.cloned()
    }

    /// What a guild here calls a hub of another node, made known where it is new.
    fn hub_of(&self, peer: &Peer, hub: HubId) -> HubId {
        let name = HubId::remote(peer.slot, hub.0);
        if self.hubs.get(name).is_none() {
            let link = Arc::clone(&peer.link);
            self.hubs
                .insert(name, Arc::new(RemoteHub { link, hub: hub.0 }));
        }
        name
    }
}

impl Remote for Peers {
    fn may_serve(&self) -> bool {
        self.inner.lease.is_held()
    }

    fn ask(
        &self,
        node: &NodeName,
        guild: GuildId,
        request: &Request,
        end: Instant,
    ) -> Pin<Box<dyn Future<Output = Asked> + Send>> {
        let peer = self.inner.peers.load().get(node).cloned();
        let text = serde_json::to_vec(request);
        let reads = request.command.only_reads();
        let (this, node) = (self.clone(), node.clone());
        Box::pin(async move {
            let (Some(peer), Ok(text)) = (peer, text) else {
                return Asked::NotThere;
            };
            let began = clock::now();
            let (asked, outcome) = this.send((&node, &peer), guild, (&text, reads), end).await;
            let figures = this.inner.nats.figures();
            figures.requests.of(outcome).inc();
            if outcome == PeerOutcome::Answered {
                figures.request_seconds.observe(began.elapsed());
            }
            asked
        })
    }

    fn post(&self, node: &NodeName, guild: GuildId, mail: GuildMail) -> Result<(), Unavailable> {
        let peers = self.inner.peers.load();
        let peer = peers.get(node).ok_or(Unavailable)?;
        let joins = matches!(
            mail,
            GuildMail::Attach(_) | GuildMail::Reattach(..) | GuildMail::Rejoin { .. }
        );
        let (bytes, control) = match &mail {
            GuildMail::Rejoin { sessions, .. } => (MAIL_BYTES * (1 + sessions.len()), true),
            GuildMail::Detach { .. } => (MAIL_BYTES, true),
            _ => (MAIL_BYTES, false),
        };
        let generation = self.inner.router.get().map_or(0, Router::generation);
        let parcel = Parcel::Mail {
            guild,
            generation,
            mail,
        };
        let posted = peer.link.post(parcel, bytes, control);
        if joins {
            let at = (node.clone(), peer.incarnation);
            self.inner.joined.insert(guild, at);
        }
        posted.map_err(|_| Unavailable)
    }
}
