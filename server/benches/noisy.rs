//! What a guild that is flooded costs the others: how long messages of 100 quiet guilds take until they
//! are acknowledged, on one thread for all of them, alone, beside the flooded guild, and beside it once
//! it has been given a thread of its own by itself.
//!
//! `cargo bench -p guildhall-server --bench noisy`. Through the router of one process, with the
//! journal in memory: sockets would need more of a small machine than the guilds do. The flood comes from
//! a thread of its own and keeps as many requests waiting as the guild's mailbox takes.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "shared/chat.rs"]
mod chat;
#[path = "shared/node.rs"]
mod node;
#[path = "shared/requests.rs"]
mod requests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chat::{make, say};
use futures_util::future::join_all;
use guildhall_server::counters::Counters;
use guildhall_server::guild::actor::GuildSettings;
use guildhall_server::guild::balancer;
use guildhall_server::guild::executors::{ExecutorKind, Executors};
use guildhall_server::guild::registry::Registry;
use guildhall_server::guild::router::Router;
use guildhall_server::journal::{
    Entry, Journal, JournalFuture, MemoryJournal, NewRecord, Snapshot, Span, Stretch,
};
use guildhall_server::placement::executors::BalanceSettings;
use guildhall_server::protocol::objects::User;
use guildhall_server::protocol::{GuildId, MessageId, Position, UserId};
use node::node;

const QUIET: u64 = 100;
const FLOODED: u64 = QUIET + 1;
/// Between two messages of a quiet guild.
const EVERY: Duration = Duration::from_millis(100);
/// Requests of the flood at a time; the mailbox takes as many.
const AT_A_TIME: usize = 4_000;
const SECONDS: u64 = 15;
/// The longest that a promotion may take.
const PROMOTED: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq)]
enum Scene {
    Quiet,
    Flooded,
    Promoted,
}

/// The server's own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    println!(
        "| scene | messages of quiet guilds | ack p50 ms | p99 ms | longest ms | flood, messages/s | its share of its thread |"
    );
    println!("|---|---|---|---|---|---|---|");
    let p99: Vec<f64> = [Scene::Quiet, Scene::Flooded, Scene::Promoted]
        .into_iter()
        .map(|scene| actix::System::new().block_on(measure(scene)))
        .collect();
    println!(
        "p99 of the quiet run: {:.1} times as long beside the flood, {:.1} times with promotion",
        p99[1] / p99[0],
        p99[2] / p99[0]
    );
}

async fn measure(scene: Scene) -> f64 {
    let executors = Executors::start_with(1, 1);
    let counters = Arc::new(Counters::default());
    let journal = Arc::new(Apart::default());
    let settings = GuildSettings::default();
    let timeout = Duration::from_secs(20);
    let (router, registry) = node(journal, &counters, settings, executors, timeout);
    let owner = Arc::new(User::new(UserId::new(1), "owner", false));
    join_all((1..=FLOODED).map(|guild| make(&router, &owner, guild))).await;
    let settings = (scene == Scene::Promoted).then(BalanceSettings::default);
    let balancer = actix_rt::spawn(balancer::run(registry.clone(), settings));

    let flood = (scene != Scene::Quiet).then(|| Flood::start(&router, &owner));
    if scene == Scene::Promoted {
        let end = Instant::now() + PROMOTED;
        while !is_promoted(&registry) {
            assert!(Instant::now() < end, "the flooded guild was not promoted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let before = flood.as_ref().map_or(0, Flood::sent);
    let began = Instant::now();
    let talk = (1..=QUIET).map(|guild| talk(&router, &owner, guild, began));
    let mut took = join_all(talk).await.concat();
    let elapsed = began.elapsed().as_secs_f64();
    let sent = flood.as_ref().map_or(0, Flood::sent) - before;
    let flooded = registry.find(GuildId::new(FLOODED)).unwrap();
    let share = flooded.stats.load.get().share;
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "| {} | {} | {:.3} | {:.3} | {:.3} | {:.0} | {:.0} % |",
        match scene {
            Scene::Quiet => "alone",
            Scene::Flooded => "beside the flood",
            Scene::Promoted => "flood promoted",
        },
        took.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        sent as f64 / elapsed,
        share * 100.0
    );
    drop(flood);
    balancer.abort();
    registry.executors().stop();
    at(0.99)
}

fn is_promoted(registry: &Registry) -> bool {
    let flooded = registry.find(GuildId::new(FLOODED)).unwrap();
    flooded.kind != ExecutorKind::Shared && !flooded.moving
}

/// The flooded guild's log apart from the others: they would share the locks of a journal in memory,
/// which is not what is measured here.
#[derive(Default)]
struct Apart {
    quiet: MemoryJournal,
    flooded: MemoryJournal,
}

impl Apart {
    fn of(&self, guild: GuildId) -> &MemoryJournal {
        if guild.get() == FLOODED {
            &self.flooded
        } else {
            &self.quiet
        }
    }
}

impl Journal for Apart {
    fn append(
        &self,
        guild: GuildId,
        expected: Position,
        records: Vec<NewRecord>,
    ) -> JournalFuture<Position> {
        self.of(guild).append(guild, expected, records)
    }

    fn read(&self, guild: GuildId, after: Position, limit: usize) -> JournalFuture<Vec<Entry>> {
        self.of(guild).read(guild, after, limit)
    }

    fn about(&self, guild: GuildId, span: Span) -> JournalFuture<Stretch> {
        self.of(guild).about(guild, span)
    }

    fn trim(&self, guild: GuildId, through: Position, messages: MessageId) -> JournalFuture<bool> {
        self.of(guild).trim(guild, through, messages)
    }

    fn last_position(&self, guild: GuildId) -> JournalFuture<Position> {
        self.of(guild).last_position(guild)
    }

    fn remove(&self, guild: GuildId) -> JournalFuture<()> {
        self.of(guild).remove(guild)
    }

    fn guilds(&self, after: Option<GuildId>, limit: usize) -> JournalFuture<Vec<GuildId>> {
        self.quiet.guilds(after, limit)
    }

    fn snapshot(&self, guild: GuildId) -> JournalFuture<Option<Snapshot>> {
        self.of(guild).snapshot(guild)
    }

    fn put_snapshot(&self, guild: GuildId, snapshot: Snapshot) -> JournalFuture<()> {
        self.of(guild).put_snapshot(guild, snapshot)
    }
}

/// Messages to one guild from a thread of its own, until it is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Flood {
    fn start(router: &Router, owner: &Arc<User>) -> Self {
        let (stop, sent) = (Arc::default(), Arc::default());
        let (stop_of, sent_of) = (Arc::clone(&stop), Arc::clone(&sent));
        let (router, owner) = (router.clone(), Arc::clone(owner));
        let work = move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let posters = (0..AT_A_TIME).map(|_| async {
                while !AtomicBool::load(&stop_of, Ordering::Relaxed) {
                    say(&router, &owner, FLOODED).await;
                    AtomicU64::fetch_add(&sent_of, 1, Ordering::Relaxed);
                }
            });
            runtime.enable_time();
            let runtime = runtime.build().unwrap();
            runtime.block_on(join_all(posters));
        };
        Self {
            stop,
            sent,
            thread: Some(std::thread::spawn(work)),
        }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A quiet guild's messages, each due at its time whatever the last one took; how long each took from
/// then on.
async fn talk(router: &Router, owner: &Arc<User>, guild: u64, began: Instant) -> Vec<Duration> {
    let mut took = Vec::new();
    let offset = EVERY * guild as u32 / QUIET as u32;
    for turn in 0..SECONDS * 1_000 / EVERY.as_millis() as u64 {
        let due = began + offset + EVERY * turn as u32;
        tokio::time::sleep_until(due.into()).await;
        // The timer's own millisecond is not the guild's.
        let asked = Instant::now();
        say(router, owner, guild).await;
        took.push(asked.elapsed());
    }
    took
}
