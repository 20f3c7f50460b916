//! Guilds of other nodes: requests to them, the way of hubs and guilds to each other across nodes.
//!
//! A guild sees a hub of another node as a hub like any other. What it tells several hubs of one node is
//! one message on NATS. Messages between two processes are numbered: who misses one has its hubs join
//! the sender's guilds again, from the position that they have.

mod link;
mod questions;
mod receive;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_nats::{Request as Asking, RequestErrorKind};
use bytes::{BufMut, Bytes, BytesMut};
use dashmap::DashMap;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{Nats, NatsError};
use crate::cluster::control::Control;
use crate::cluster::lease::Lease;
use crate::cluster::moves::NodeMoved;
use crate::cluster::view::View;
use crate::cluster::wire::Parcel;
use crate::fanout::HubId;
use crate::fanout::mail::{GuildNews, HubLinks};
use crate::guild::actor::GuildMail;
use crate::guild::command::{Outcome, Reply, Request};
use crate::guild::remote::{Asked, Remote};
use crate::guild::router::{Router, Unavailable};
use crate::placement::NodeName;
use crate::protocol::{ApiError, GuildId, UserId};
use link::{Link, RemoteHub, subject};

/// About how many bytes a piece of mail to a guild holds on to.
const MAIL_BYTES: usize = 512;
/// The shortest time that a request to another node is given.
const SHORTEST: Duration = Duration::from_millis(1);

/// Processes remembered that are not on the list; beyond that all are forgotten.
const MOST_STRANGERS: usize = 4_096;

/// How a reply begins: the guild is not this node's, JSON as it is, or an outcome as JSON.
const NOT_THERE: u8 = 0;
const PLAIN: u8 = 1;
const OUTCOME: u8 = 2;

/// A process of another node.
#[derive(Clone)]
struct Peer {
    incarnation: u64,
    link: Arc<Link>,
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
        let unavailable = || Asked::Answered(Err(ApiError::UNAVAILABLE));
        let peer = self.inner.peers.load().get(node).cloned();
        let text = serde_json::to_vec(request);
        let reads = request.command.only_reads();
        let nats = self.inner.nats.clone();
        Box::pin(async move {
            let (Some(peer), Ok(text)) = (peer, text) else {
                return Asked::NotThere;
            };
            if !nats.is_connected() {
                return unavailable();
            }
            let mut payload = BytesMut::with_capacity(8 + text.len());
            payload.put_u64(guild.get());
            payload.put_slice(&text);
            let left = end.saturating_duration_since(Instant::now()).max(SHORTEST);
            let asking = Asking::new().payload(payload.freeze()).timeout(Some(left));
            let to = requests(nats.name(), peer.incarnation);
            let asked = nats.inner.client.send_request(to, asking);
            let answered = tokio::select! {
                answered = asked => answered,
                // Who reads can ask again at once; what else became of a write is not known.
                () = peer.link.gone() => {
                    return if reads { Asked::NotThere } else { unavailable() };
                }
            };
            match answered {
                Ok(reply) => asked_of(&reply.payload).unwrap_or_else(unavailable),
                Err(error) if matches!(error.kind(), RequestErrorKind::NoResponders) => {
                    Asked::NotThere
                }
                // It may have been carried out.
                Err(_) => unavailable(),
            }
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

/// Where a process is asked.
fn requests(name: &str, process: u64) -> String {
    format!("{name}.ask.{process:016x}")
}

/// A reply as bytes.
fn reply_of(asked: &Asked) -> Bytes {
    let mut out = BytesMut::new();
    match asked {
        Asked::NotThere => out.put_u8(NOT_THERE),
        Asked::Answered(Ok(Reply::Json(body))) => {
            out.put_u8(PLAIN);
            out.put_slice(body);
        }
        Asked::Answered(outcome) => {
            out.put_u8(OUTCOME);
            let text = serde_json::to_vec(outcome).expect("outcomes are plain data");
            out.put_slice(&text);
        }
    }
    out.freeze()
}

fn asked_of(reply: &Bytes) -> Option<Asked> {
    let rest = reply.slice(1.min(reply.len())..);
    match *reply.first()? {
        NOT_THERE => Some(Asked::NotThere),
        PLAIN => Some(Asked::Answered(Ok(Reply::Json(rest)))),
        OUTCOME => {
            let outcome: Outcome = serde_json::from_slice(&rest).ok()?;
            Some(Asked::Answered(outcome))
        }
        _ => None,
    }
}
