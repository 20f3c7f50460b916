//! Moving guilds to other nodes while they are in use.
//!
//! One primitive serves the operator, a node that comes and one that leaves: the next owner reads the guild ahead
//! (*prepare*), the present one comes to rest while mail waits (*release*), the list of nodes says where the guild is now
//! (*flip*), what waited goes there, and the next owner reads the last records and claims the log (*claim*). Until the flip
//! whatever goes wrong leaves the guild where it is.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant as Moment, sleep, timeout_at};

use super::control::{Question, Unanswered};
use super::nats::membership::List;
use super::nats::peers::Peers;
use super::view::{Going, Node, View};
use crate::clock;
use crate::counters::{Counters, LatencyCounts, MoveKind, MoveOutcome};
use crate::guild::actor::GuildMail;
use crate::guild::command::{Caller, Command, Request};
use crate::guild::departure::{Departure, Forward};
use crate::guild::handoff::MoveError;
use crate::guild::registry::RunningGuild;
use crate::guild::router::Router;
use crate::guild::stats::GuildStats;
use crate::placement::{NodeName, Placement};
use crate::protocol::{ApiError, GuildId};

/// For how long the node is looked for that has a guild, and how often.
const FINDS: Duration = Duration::from_secs(2);
const FIND_AGAIN: Duration = Duration::from_millis(10);
/// The status that says that another node has it.
const MISDIRECTED: u16 = 421;
/// Guilds that are moved together because a node comes or leaves: one change of the list for all.
const TOGETHER: usize = 8;
/// How often such a move is tried; then the guild changes its node at the end, read from its journal.
const ATTEMPTS: u32 = 3;
/// Moves that a node remembers.
const REMEMBERED: usize = 256;

/// A guild that has gone from one node to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeMoved {
    /// The guild.
    pub guild: GuildId,
    /// The node that it left.
    pub from: NodeName,
    /// The node that it is on.
    pub to: NodeName,
    /// Why: `by hand`, or `nodes` where one came or leaves.
    pub reason: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// From the last that it handled there until it answered here, in microseconds; none where it did not run.
    pub pause_us: Option<u64>,
}

/// Moves the guilds of this node. Cheap to clone.
#[derive(Clone)]
pub struct NodeMoves {
    inner: Arc<Inner>,
}

struct Inner {
    here: (NodeName, u64),
    router: Router,
    peers: Peers,
    list: List,
    handle: Handle,
    counters: Arc<Counters>,
    view: watch::Sender<Arc<View>>,
    /// The last moves of all nodes, the newest first.
    done: Mutex<VecDeque<NodeMoved>>,
}

/// What became of a guild that was to be moved.
type Outcome = Result<NodeMoved, Unanswered>;

impl NodeMoves {
    /// Moves of the process `here`; nothing is moved before the list of nodes is [known](Self::heard).
    pub fn new(
        here: (NodeName, u64),
        router: Router,
        peers: Peers,
        list: List,
        handle: Handle,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                here,
                router,
                peers,
                list,
                handle,
                counters,
                view: watch::Sender::new(Arc::default()),
                done: Mutex::default(),
            }),
        }
    }

    /// There is a newer list; the placement of it is published.
    pub fn heard(&self, view: &View) {
        self.inner.view.send_replace(Arc::new(view.clone()));
    }

    /// Hands over what goes elsewhere because nodes come and leave, for as long as the process runs. Call it on the
    /// cluster's runtime.
    pub async fn run(self) {
        let mut views = self.inner.view.subscribe();
        while views.changed().await.is_ok() {
            let waits = views.borrow_and_update().waits_for(&self.inner.here.0);
            if waits {
                self.settle().await;
            }
        }
    }

    /// Asks another node.
    ///
    /// Errors: the node is not there, does not answer in time, or says why it has no answer.
    pub async fn ask(&self, node: &NodeName, question: Question) -> Result<Value, Unanswered> {
        self.inner.peers.question(node, &question).await
    }

    /// The other nodes.
    pub fn others(&self) -> Vec<NodeName> {
        self.inner.peers.names()
    }

    /// Reads a guild ahead that is about to come.
    pub async fn prepare_here(&self, guild: GuildId) -> Result<Value, Unanswered> {
        let read = self.inner.router.registry().preload(guild).await;
        read.map_err(|error| Unanswered::new(503, error.to_string()))?;
        Ok(Value::Null)
    }

    /// Moves a guild of this node because another node was asked to.
    pub async fn move_from_here(
        &self,
        guild: GuildId,
        to: Option<NodeName>,
    ) -> Result<Value, Unanswered> {
        if self.inner.router.owner(guild) != self.inner.here.0 {
            return Err(Unanswered::new(MISDIRECTED, "the guild is on its way"));
        }
        let moved = self.move_mine(guild, to).await?;
        Ok(serde_json::to_value(moved).expect("moves are plain data"))
    }

    /// Moves a guild of any node to a node, where it stays; back to where the ring has it without one.
    ///
    /// Errors: no such node, the guild is there already, or it could not be moved: then it is where it was.
    pub async fn move_guild(&self, guild: GuildId, to: Option<NodeName>) -> Outcome {
        let end = Moment::now() + FINDS;
        loop {
            let moved = self.ask_owner(guild, to.clone()).await;
            match moved {
                // It went there, or from there, a moment ago.
                Err(error) if error.status == MISDIRECTED && Moment::now() < end => {
                    sleep(FIND_AGAIN).await;
                }
                Err(error) if error.status == MISDIRECTED => {
                    return Err(Unanswered::new(503, error.message));
                }
                moved => return moved,
            }
        }
    }

    async fn ask_owner(&self, guild: GuildId, to: Option<NodeName>) -> Outcome {
        let owner = self.inner.router.owner(guild);
        if owner == self.inner.here.0 {
            // It goes on where who asked for it goes away.
            let moves = self.clone();
            let moving = self
                .inner
                .handle
                .spawn(async move { moves.move_mine(guild, to).await });
            return moving
                .await
                .unwrap_or_else(|_| Err(Unanswered::new(500, "the move panicked")));
        }
        let question = Question::Move(guild, to);
        let answer = self.inner.peers.question(&owner, &question).await?;
        serde_json::from_value(answer)
            .map_err(|_| Unanswered::new(500, "the answer of the other node cannot be read"))
    }

    async fn move_mine(&self, guild: GuildId, to: Option<NodeName>) -> Outcome {
        let view = self.view();
        let (to, going) = match to {
            Some(node) => (node, Going::Pinned),
            None if !view.pins.contains_key(&guild) => {
                return Err(Unanswered::new(409, "the guild is not pinned"));
            }
            None => (owner_without_pin(&view, guild)?, Going::Unpinned),
        };
        let Some(node) = view.nodes.get(&to) else {
            return Err(Unanswered::new(404, format!("there is no node {to}")));
        };
        if node.leaving {
            return Err(Unanswered::new(409, format!("node {to} is about to leave")));
        }
        if to == self.inner.here.0 {
            return self.stays_pinned(guild, to, going).await;
        }
        let outcomes = self.move_all(&[(guild, to)], going, "by hand").await;
        let lost = || Unanswered::new(500, "the move was lost");
        outcomes.into_iter().next().unwrap_or_else(|| Err(lost()))
    }

    /// The guild is where it is to be; only that it shall be is new.
    async fn stays_pinned(&self, guild: GuildId, here: NodeName, going: Going) -> Outcome {
        let me = self.inner.here.clone();
        let is_pinned = self.view().pins.get(&guild) == Some(&here);
        if is_pinned == (going == Going::Pinned) {
            return Err(Unanswered::new(409, "the guild is there already"));
        }
        let guilds = [(guild, here.clone())];
        let changed = self
            .inner
            .list
            .change(move |view| view.moved((&me.0, me.1), &guilds, going));
        changed.await.map_err(unavailable)?;
        Ok(NodeMoved {
            guild,
            from: here.clone(),
            to: here,
            reason: "by hand".to_owned(),
            at_ms: clock::unix_ms(),
            pause_us: None,
        })
    }

    /// Moves guilds of this node together.
    async fn move_all(
        &self,
        guilds: &[(GuildId, NodeName)],
        going: Going,
        reason: &'static str,
    ) -> Vec<Outcome> {
        let prepared = join_all(guilds.iter().map(|(guild, to)| self.prepare(*guild, to))).await;
        let released = guilds.iter().zip(prepared);
        let released = released.map(|((guild, _), prepared)| self.release(*guild, prepared));
        let released = join_all(released).await;
        let ready = guilds.iter().zip(&released);
        let ready: Vec<(GuildId, NodeName)> = ready
            .filter(|(_, released)| released.is_ok())
            .map(|(guild, _)| guild.clone())
            .collect();
        let flipped = if ready.is_empty() {
            Ok(())
        } else {
            self.flip(ready, going).await
        };
        let ends = guilds.iter().zip(released).map(|((guild, to), released)| {
            let flipped = flipped.clone();
            async move {
                let departure = released?;
                flipped?;
                self.confirm(*guild, to, departure, reason).await
            }
        });
        let outcomes = join_all(ends).await;
        for outcome in &outcomes {
            self.note(outcome, reason);
        }
        outcomes
    }

    async fn prepare(&self, guild: GuildId, to: &NodeName) -> Result<(), Unanswered> {
        let question = Question::Prepare(guild);
        let answer = self.inner.peers.question(to, &question).await;
        answer.map(drop)
    }

    /// Has a guild come to rest; one that does not run has nothing to do for that.
    async fn release(
        &self,
        guild: GuildId,
        prepared: Result<(), Unanswered>,
    ) -> Result<Option<Departure>, Unanswered> {
        prepared?;
        let forward = forward(&self.inner.router, guild);
        match self.inner.router.registry().depart(guild, forward).await {
            Ok(departure) => Ok(Some(departure)),
            Err(MoveError::NotRunning(_)) => Ok(None),
            Err(error) => Err(Unanswered::new(error.status(), error.to_string())),
        }
    }

    async fn flip(&self, guilds: Vec<(GuildId, NodeName)>, going: Going) -> Result<(), Unanswered> {
        let me = self.inner.here.clone();
        let changed = self
            .inner
            .list
            .change(move |view| view.moved((&me.0, me.1), &guilds, going));
        changed.await.map_err(unavailable)
    }

    /// Waits until the guild answers where it is now.
    async fn confirm(
        &self,
        guild: GuildId,
        to: &NodeName,
        departure: Option<Departure>,
        reason: &str,
    ) -> Outcome {
        if self.inner.router.owner(guild) != *to {
            // Another node was taken off the list meanwhile, or the list of pins is full.
            return Err(Unanswered::new(409, "the list of nodes does not take it"));
        }
        let pause_us = match departure {
            None => None,
            Some(departure) => {
                let request = Request {
                    caller: Caller::Operator,
                    command: Command::GetGuild { with_counts: false },
                };
                match self.inner.router.ask(guild, request).await {
                    Err(error) if error.status == ApiError::UNAVAILABLE.status => None,
                    _ => Some(departure.at_rest().elapsed().as_micros() as u64),
                }
            }
        };
        Ok(NodeMoved {
            guild,
            from: self.inner.here.0.clone(),
            to: to.clone(),
            reason: reason.to_owned(),
            at_ms: clock::unix_ms(),
            pause_us,
        })
    }

    fn note(&self, outcome: &Outcome, reason: &str) {
        let inner = &self.inner;
        let kind = MoveKind::Node;
        let count = |outcome| inner.counters.guild_moves.of(kind, outcome).inc();
        match outcome {
            Ok(moved) => {
                let NodeMoved { guild, to, .. } = moved;
                tracing::info!(%guild, %to, reason, pause_us = moved.pause_us, "guild moved to another node");
                if let Some(pause) = moved.pause_us {
                    let pause = Duration::from_micros(pause);
                    inner.counters.node_move_pause_seconds.observe(pause);
                }
                count(MoveOutcome::Done);
                inner.peers.tell_moved(moved);
                self.remember(moved.clone());
            }
            Err(error) => {
                tracing::warn!(%error, reason, "guild was not moved to another node");
                count(MoveOutcome::Aborted);
            }
        }
    }

    /// Notes a move of another node.
    pub fn remember(&self, moved: NodeMoved) {
        let mut done = self.done();
        done.push_front(moved);
        done.truncate(REMEMBERED);
    }

    /// The last moves of all nodes that this one has heard of, the newest first.
    pub fn last(&self) -> Vec<NodeMoved> {
        self.done().iter().cloned().collect()
    }

    fn done(&self) -> MutexGuard<'_, VecDeque<NodeMoved>> {
        let done = &self.inner.done;
        done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long guilds of this node paused when they went.
    pub fn pauses(&self) -> LatencyCounts {
        self.inner.counters.node_move_pause_seconds.counts()
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.inner.view.borrow())
    }

    /// Hands guilds over until none is left that goes elsewhere, and says so.
    async fn settle(&self) {
        let here = &self.inner.here.0;
        let mut failed: HashMap<GuildId, u32> = HashMap::new();
        loop {
            let view = self.view();
            if !view.waits_for(here) {
                return;
            }
            let began = clock::now();
            let going = self.going(&view, &failed);
            if going.is_empty() {
                let name = here.clone();
                if let Err(error) = self
                    .inner
                    .list
                    .change(move |view| view.settled(&name))
                    .await
                {
                    tracing::warn!(%error, "the list of nodes cannot be changed");
                    sleep(Duration::from_millis(200)).await;
                }
                continue;
            }
            let outcomes = self.move_all(&going, Going::Flow, "nodes").await;
            for ((guild, _), outcome) in going.iter().zip(&outcomes) {
                if outcome.is_err() {
                    *failed.entry(*guild).or_default() += 1;
                }
            }
            let leaves = view.nodes.get(here).is_some_and(|node| node.leaving);
            if !leaves || outcomes.iter().all(Result::is_err) {
                // Half of the time is the guilds' that stay. Who leaves has a deadline.
                sleep(began.elapsed().max(Duration::from_millis(1))).await;
            }
        }
    }

    /// The next guilds that go elsewhere: those whose move spares most sessions a pause first.
    fn going(&self, view: &View, failed: &HashMap<GuildId, u32>) -> Vec<(GuildId, NodeName)> {
        let (Ok(now), Ok(goal)) = (view.placement(), view.goal()) else {
            return Vec::new();
        };
        let here = &self.inner.here.0;
        let goes = |placement: &Placement, guild: GuildId| *placement.owner(guild.get()) == *here;
        let given_up = |guild: &GuildId| failed.get(guild).is_some_and(|n| *n >= ATTEMPTS);
        let mut going: Vec<RunningGuild> = self.inner.router.registry().running();
        going.retain(|it| goes(&now, it.id) && !goes(&goal, it.id) && !given_up(&it.id));
        going.sort_by_key(|it| Reverse(GuildStats::get(&it.stats.sessions)));
        let going = going.iter().take(TOGETHER);
        going
            .map(|it| (it.id, goal.owner(it.id.get()).clone()))
            .collect()
    }

    /// Guilds that run here and will be handed over when this node leaves; none where no other stays.
    pub fn guilds_to_hand_over(&self) -> usize {
        let here = &self.inner.here.0;
        let view = self.view();
        let stays = |(name, node): (&NodeName, &Node)| name != here && !node.leaving;
        if view.nodes.iter().any(stays) {
            self.inner.router.registry().count()
        } else {
            0
        }
    }

    /// Has this node leave: hands its guilds over until `end`. What is left then others read from the journal.
    pub async fn drain(&self, end: Instant) {
        let me = self.inner.here.clone();
        let mut views = self.inner.view.subscribe();
        let changed = self
            .inner
            .list
            .change(move |view| view.leaving(&me.0, me.1));
        if let Err(error) = changed.await {
            tracing::warn!(%error, "guilds are not handed over");
            return;
        }
        let done = views.wait_for(|view| !view.waits_for(&self.inner.here.0));
        if timeout_at(Moment::from_std(end), done).await.is_err() {
            let left = self.inner.router.registry().count();
            tracing::warn!(left, "not all guilds were handed over in time");
        }
    }
}

/// The way of mail that waited at a guild which has gone.
pub fn forward(router: &Router, guild: GuildId) -> Forward {
    let router = router.clone();
    Arc::new(move |mail: GuildMail| {
        // What cannot be sent is asked again by the hub.
        let _ = router.post(guild, mail);
    })
}

fn owner_without_pin(view: &View, guild: GuildId) -> Result<NodeName, Unanswered> {
    let mut free = view.clone();
    free.pins.remove(&guild);
    let goal = free.goal();
    let goal = goal.map_err(|error| Unanswered::new(503, error.to_string()))?;
    Ok(goal.owner(guild.get()).clone())
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn unavailable(error: super::nats::NatsError) -> Unanswered {
    Unanswered::new(503, error.to_string())
}
