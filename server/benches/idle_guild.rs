//! Where the bytes of an idle guild in memory go: live allocations per guild, by size.
//!
//!     cargo bench -p guildhall-server --bench idle_guild
//!
//! Guilds with an owner and one channel are loaded from their journals, asked for once, and left alone
//! until they have given back what that took. What the allocator adds to each is not in it, nor what a journal takes.
#![allow(
    missing_docs,
    unsafe_code,
    clippy::cast_possible_wrap,
    clippy::unwrap_used,
    clippy::disallowed_methods
)]

#[path = "shared/node.rs"]
mod node;
#[path = "shared/requests.rs"]
mod requests;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use futures_util::future::join_all;
use guildhall_server::guild::actor::GuildSettings;
use guildhall_server::guild::command::{Caller, Command, Request};
use guildhall_server::guild::executors::Executors;
use guildhall_server::guild::router::Router;
use guildhall_server::journal::{
    Entry, Journal, JournalFuture, MemoryJournal, NewRecord, Snapshot, Span, Stretch,
};
use guildhall_server::protocol::objects::User;
use guildhall_server::protocol::{ChannelId, GuildId, MessageId, Position, UserId};
use node::node;
use requests::create_guild;

const GUILDS: u64 = 2_000;
const FIRST: u64 = 1_500_000_000_000_000_000;
const FIRST_CHANNEL: u64 = 1_600_000_000_000_000_000;
/// Sizes that are counted one by one; what is larger is only summed up.
const SIZES: usize = 8_192;
const HOUSEKEEPING: Duration = Duration::from_millis(200);

/// The system's allocator, with a count of live allocations of each size.
struct Counting;

static LIVE: [AtomicI64; SIZES] = [const { AtomicI64::new(0) }; SIZES];
static LARGE_BYTES: AtomicI64 = AtomicI64::new(0);

fn count(size: usize, by: i64) {
    match LIVE.get(size) {
        Some(live) => live.fetch_add(by, Relaxed),
        None => LARGE_BYTES.fetch_add(by * size as i64, Relaxed),
    };
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(size, 1);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    actix::System::new().block_on(measure());
}

async fn measure() {
    let journal = Arc::new(MemoryJournal::new());
    let owner = Arc::new(User::new(
        UserId::new(1_700_000_000_000_000_000),
        "owner".to_owned(),
        false,
    ));
    let guilds_on = |journal, passivate_after| {
        let settings = GuildSettings {
            passivate_after,
            housekeeping: HOUSEKEEPING,
            ..GuildSettings::default()
        };
        let timeout = Duration::from_secs(60);
        node(
            journal,
            &Arc::default(),
            settings,
            Executors::start(2),
            timeout,
        )
    };

    let (router, registry) = guilds_on(Arc::clone(&journal) as _, Duration::ZERO);
    for n in 0..GUILDS {
        let request = create_guild(
            "idle",
            Arc::clone(&owner),
            ChannelId::new(FIRST_CHANNEL + n),
        );
        router.ask(GuildId::new(FIRST + n), request).await.unwrap();
    }
    while registry.count() > 0 {
        tokio::time::sleep(HOUSEKEEPING).await;
    }

    let (router, registry) = guilds_on(Arc::new(Unwritten(journal)), Duration::from_secs(3_600));
    // The first one brings what all share.
    ask(&router, &owner, 0..1).await;
    let before: Vec<i64> = LIVE.iter().map(|live| live.load(Relaxed)).collect();
    let large_before = LARGE_BYTES.load(Relaxed);
    ask(&router, &owner, 1..GUILDS).await;
    tokio::time::sleep(HOUSEKEEPING * 8).await;
    assert_eq!(registry.count() as u64, GUILDS);

    // First: what follows takes memory itself.
    let large = LARGE_BYTES.load(Relaxed) - large_before;
    let per_guild = |count: i64| count as f64 / (GUILDS - 1) as f64;
    let counts = before.iter().zip(&LIVE).enumerate();
    let mut rows: Vec<(f64, usize, f64)> = counts
        .map(|(size, (before, live))| {
            let count = per_guild(live.load(Relaxed) - before);
            (count * size as f64, size, count)
        })
        .collect();
    let large = per_guild(large);
    let total: f64 = rows.iter().map(|(bytes, ..)| bytes).sum();
    let number: f64 = rows.iter().map(|(.., count)| count).sum();
    println!("{:.0} bytes in {number:.1} allocations", total + large);
    rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    for (bytes, size, count) in rows.iter().take_while(|(bytes, ..)| *bytes >= 16.0) {
        println!("{bytes:6.0} = {count:4.2} of {size}");
    }
    println!("{large:6.0} in tables of all guilds");
}

/// A journal that keeps nothing of what is written from now on.
struct Unwritten(Arc<MemoryJournal>);

impl Journal for Unwritten {
    fn append(
        &self,
        _: GuildId,
        expected: Position,
        records: Vec<NewRecord>,
    ) -> JournalFuture<Position> {
        let last = expected + records.len() as Position;
        Box::pin(std::future::ready(Ok(last)))
    }

    fn read(&self, guild: GuildId, after: Position, limit: usize) -> JournalFuture<Vec<Entry>> {
        self.0.read(guild, after, limit)
    }

    fn about(&self, guild: GuildId, span: Span) -> JournalFuture<Stretch> {
        self.0.about(guild, span)
    }

    fn trim(&self, guild: GuildId, through: Position, messages: MessageId) -> JournalFuture<bool> {
        self.0.trim(guild, through, messages)
    }

    fn last_position(&self, guild: GuildId) -> JournalFuture<Position> {
        self.0.last_position(guild)
    }

    fn remove(&self, guild: GuildId) -> JournalFuture<()> {
        self.0.remove(guild)
    }

    fn guilds(&self, after: Option<GuildId>, limit: usize) -> JournalFuture<Vec<GuildId>> {
        self.0.guilds(after, limit)
    }

    fn snapshot(&self, guild: GuildId) -> JournalFuture<Option<Snapshot>> {
        self.0.snapshot(guild)
    }

    fn put_snapshot(&self, _: GuildId, _: Snapshot) -> JournalFuture<()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

async fn ask(router: &Router, owner: &Arc<User>, guilds: std::ops::Range<u64>) {
    let guilds: Vec<u64> = guilds.collect();
    for part in guilds.chunks(64) {
        let asked = part.iter().map(|n| {
            let request = Request {
                caller: Caller::User(Arc::clone(owner)),
                command: Command::GetChannels,
            };
            router.ask(GuildId::new(FIRST + n), request)
        });
        join_all(asked).await.into_iter().for_each(|it| {
            it.unwrap();
        });
    }
}
