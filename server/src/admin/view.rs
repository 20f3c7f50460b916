//! What the admin API sees of the node: plain data through narrow traits, implemented on the real
//! registry and hubs by whoever builds the node.

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde_json::Value;

use crate::cluster::control::{Question, Unanswered};
use crate::cluster::moves::{NodeMoved, NodeMoves};
use crate::counters::{Label, MoveKind, SessionState};
use crate::guild::actor::GuildMail;
use crate::guild::command::{Outcome, Request};
use crate::guild::handoff::{MoveError, Moved, Reason, Target};
use crate::guild::router::Router;
use crate::placement::{NodeName, PlacementHandle};
use crate::protocol::{GuildId, UserId};
use crate::supervision::drain::Step;

/// What asynchronous calls return.
pub type ViewFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Reads the node. Calls that do not return a future answer from memory without waiting for any
/// actor, and may be a moment behind.
pub trait View: Send + Sync + 'static {
    /// Which node this is.
    fn node(&self) -> NodeInfo;
    /// Who owns which guild.
    fn placement(&self) -> &PlacementHandle;
    /// Why the node should get no more traffic although it is up: a line for each thread that is stuck.
    fn complaints(&self) -> Vec<String>;
    /// The threads that run guilds, by rising id.
    fn executors(&self) -> Vec<ExecutorInfo>;
    /// The guilds that run here, in no order.
    fn guilds(&self) -> Vec<GuildInfo>;
    /// A guild that runs here.
    fn guild(&self, id: GuildId) -> Option<GuildInfo>;
    /// A session of this node by its id on the wire; `None` also for what is no session id. The
    /// session's thread is asked.
    fn session(&self, id: &str) -> ViewFuture<Option<SessionInfo>>;
    /// The sessions of this node with the most bytes waiting to be written, then with the most kept; at most
    /// `limit`. Every worker thread is asked.
    fn furthest_behind(&self, limit: usize) -> ViewFuture<Vec<SessionInfo>>;
}

/// Asks guilds: what the admin API needs of the [`Router`].
pub trait AskGuild: Send + Sync + 'static {
    /// See [`Router::ask`].
    fn ask(&self, guild: GuildId, request: Request) -> ViewFuture<Outcome>;
    /// Has a guild load its state from the journal anew, out of quarantine where it is there; false
    /// where it lives on another node.
    fn restart(&self, guild: GuildId) -> bool;
    /// Moves a running guild to another thread, by hand; see
    /// [`Registry::move_guild`](crate::guild::registry::Registry::move_guild).
    fn move_to(&self, guild: GuildId, target: Target) -> ViewFuture<Result<Moved, MoveError>>;
}

impl AskGuild for Router {
    fn ask(&self, guild: GuildId, request: Request) -> ViewFuture<Outcome> {
        let router = self.clone();
        Box::pin(async move { Self::ask(&router, guild, request).await })
    }

    fn restart(&self, guild: GuildId) -> bool {
        self.post(guild, GuildMail::Restart).is_ok()
    }

    fn move_to(&self, guild: GuildId, target: Target) -> ViewFuture<Result<Moved, MoveError>> {
        let registry = self.registry().clone();
        Box::pin(async move { registry.move_guild(guild, target, Reason::ByHand).await })
    }
}

/// What the admin API does with other nodes.
pub trait Cluster: Send + Sync + 'static {
    /// Moves a guild of any node to a node, where it stays, or back to where the ring has it; see
    /// [`NodeMoves::move_guild`].
    fn move_to_node(
        &self,
        guild: GuildId,
        node: Option<NodeName>,
    ) -> ViewFuture<Result<NodeMoved, Unanswered>>;
    /// The last moves of all nodes, the newest first.
    fn moves(&self) -> Vec<NodeMoved>;
    /// The names of the other nodes.
    fn others(&self) -> Vec<NodeName>;
    /// Asks another node; see [`NodeMoves::ask`].
    fn ask(&self, node: NodeName, question: Question) -> ViewFuture<Result<Value, Unanswered>>;
}

impl Cluster for NodeMoves {
    fn move_to_node(
        &self,
        guild: GuildId,
        node: Option<NodeName>,
    ) -> ViewFuture<Result<NodeMoved, Unanswered>> {
        let moves = self.clone();
        Box::pin(async move { moves.move_guild(guild, node).await })
    }

    fn moves(&self) -> Vec<NodeMoved> {
        self.last()
    }

    fn others(&self) -> Vec<NodeName> {
        Self::others(self)
    }

    fn ask(&self, node: NodeName, question: Question) -> ViewFuture<Result<Value, Unanswered>> {
        let moves = self.clone();
        Box::pin(async move { Self::ask(&moves, &node, question).await })
    }
}

/// Whether the node takes traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Not yet.
    Starting,
    /// It does.
    Ready,
    /// No longer: it stops.
    Draining,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeInfo {
    /// Its name on the ring.
    pub name: NodeName,
    /// Its number in the ids that it gives.
    pub number: u16,
    /// Whether it takes traffic.
    pub state: NodeState,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// Base URL that clients are told.
    pub public_url: String,
    /// HTTP worker threads, each with a hub.
    pub workers: usize,
    /// Threads that run guilds.
    pub executors: usize,
    /// Sessions, with and without a connection.
    pub sessions: usize,
    /// Gateway connections.
    pub connections: usize,
    /// Running guilds.
    pub guilds: usize,
    /// How far it is on its way to its end; none where nobody wants that.
    pub drain: Option<DrainInfo>,
}

/// How far a node is on its way to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrainInfo {
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// `guilds` (it hands them over), `clients` (they reconnect elsewhere) or `closing`.
    pub step: Step,
    /// Guilds that it had to hand over; 0 where there is no other node.
    pub guilds: usize,
    /// Those that it still has.
    pub guilds_left: usize,
}

/// A thread that runs guilds. Shares are of its time, 0 to 1, smoothed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExecutorInfo {
    /// Its number.
    pub id: usize,
    /// Whether it is one guild's own.
    pub dedicated: bool,
    /// Whose, if it is.
    pub dedicated_to: Option<GuildId>,
    /// Guilds that run on it.
    pub guilds: usize,
    /// `serving` or `stuck`.
    pub state: &'static str,
    /// When it was found to be stuck, in milliseconds since the Unix epoch.
    pub stuck_since_ms: Option<u64>,
    /// The guild in which it is stuck, where it is one.
    pub stuck_in: Option<GuildId>,
    /// What the guilds that it has now take.
    pub load: f64,
    /// What guilds had of it, those that have left included.
    pub busy: f64,
    /// How long a guild waits for the thread to come round to it, in milliseconds, smoothed.
    pub loop_delay_ms: f64,
}

/// A running guild.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GuildInfo {
    /// The guild.
    pub id: GuildId,
    /// The thread that runs it.
    pub executor: usize,
    /// Whether that is its own.
    pub dedicated: bool,
    /// When it came there, in milliseconds since the Unix epoch.
    pub placed_ms: u64,
    /// Why: `started`, `stuck` (its former thread was), `by hand`, `load`, `quiet` or `balance`.
    pub placed_because: &'static str,
    /// Whether it is being moved.
    pub moving: bool,
    /// Its last moves since it was started, the newest first.
    pub moves: Vec<MoveInfo>,
    /// When its actor was started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// `loading`, `serving`, `failed` (its journal cannot be read) or `quarantined`.
    pub state: &'static str,
    /// Restarts after a panic.
    pub restarts: u64,
    /// From the last panic until it served again, in milliseconds; none where it never panicked.
    pub last_restart_ms: Option<f64>,
    /// Position of the last acknowledged record.
    pub position: u64,
    /// Attached sessions.
    pub sessions: u64,
    /// Subscribed hubs.
    pub hubs: u64,
    /// Requests that wait.
    pub waiting_requests: usize,
    /// Bytes of requests that wait.
    pub waiting_bytes: usize,
    /// Requests handled since the start.
    pub requests: u64,
    /// Items handed to hubs since the start.
    pub items: u64,
    /// Appends acknowledged since the start.
    pub appends: u64,
    /// Items times attached sessions since the start: the most deliveries that can have come of them.
    pub offered: u64,
    /// Nanoseconds of its thread used since the start.
    pub busy_ns: u64,
    /// Share of its thread's time, 0 to 1; smoothed, unless it was measured over a window on demand.
    pub load: f64,
    /// How long what is posted to it waits for its turn, in milliseconds, smoothed.
    pub queue_delay_ms: f64,
    /// Items per second, smoothed.
    pub events_per_second: f64,
    /// Offered deliveries per second, smoothed.
    pub offered_per_second: f64,
}

/// A move of a guild from one thread to another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MoveInfo {
    /// The thread that it left.
    pub from: usize,
    /// The thread that it went to.
    pub to: usize,
    /// `shared`, `promotion` or `demotion`.
    #[serde(serialize_with = "label")]
    pub kind: MoveKind,
    /// As [`GuildInfo::placed_because`].
    pub reason: &'static str,
    /// When it was done, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How long it handled nothing; none where it was read from its journal.
    pub pause_ms: Option<f64>,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionInfo {
    /// Its id on the wire.
    pub id: String,
    /// Whose it is.
    pub user_id: UserId,
    /// Whether that is a bot.
    pub bot: bool,
    /// What it is doing.
    #[serde(serialize_with = "label")]
    pub state: SessionState,
    /// How long it has had no connection, in milliseconds; none where it has one.
    pub detached_ms: Option<u64>,
    /// The hub that it lives on.
    pub hub: u32,
    /// Shard id and number of shards.
    pub shard: (u32, u32),
    /// What it asked for.
    pub intents: u64,
    /// How many guilds it is attached to.
    pub guilds: usize,
    /// Sequence number of its last event.
    pub seq: u64,
    /// Events that wait to be written.
    pub pending_events: usize,
    /// Bytes of events that wait to be written.
    pub pending_bytes: usize,
    /// Events kept for a Resume.
    pub kept_events: usize,
    /// Bytes of events kept for a Resume.
    pub kept_bytes: usize,
    /// Ephemeral events that wait without a number, because the session is behind.
    pub late_events: usize,
    /// TYPING_STARTs that it was not sent: newer ones took their place, or there was no room.
    pub dropped_typing: u32,
    /// The same for PRESENCE_UPDATEs.
    pub dropped_presences: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn label<L: Label, S: serde::Serializer>(label: &L, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(label.value())
}
