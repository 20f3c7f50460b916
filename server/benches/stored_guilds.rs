//! What guilds cost that are only stored, and what those cost that are in memory and idle.
//!
//!     cargo bench -p guildhall-server --bench stored_guilds -- make DIR 1000000
//!     cargo bench -p guildhall-server --bench stored_guilds -- measure DIR 1000000
//!
//! `make` writes a store with that many guilds, each with its owner and one channel, through the
//! contracts of journal and directory. `measure` opens it in a process of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "shared/node.rs"]
mod node;
#[path = "shared/requests.rs"]
mod requests;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use guildhall_server::config::store::DEFAULT_UNSORTED_MAX_BYTES;
use guildhall_server::directory::Directory;
use guildhall_server::guild::actor::GuildSettings;
use guildhall_server::guild::command::{Caller, Command, Request};
use guildhall_server::guild::core::record;
use guildhall_server::guild::executors::Executors;
use guildhall_server::guild::registry::Registry;
use guildhall_server::guild::router::Router;
use guildhall_server::journal::{Journal, MemoryJournal, NewRecord};
use guildhall_server::protocol::objects::User;
use guildhall_server::protocol::{ChannelId, GuildId, UserId};
use guildhall_server::store::{Store, StoreSettings};
use node::node;
use requests::create_guild;

/// Ids have as many digits as those of these years.
const GUILDS: u64 = 1_500_000_000_000_000_000;
const CHANNELS: u64 = 1_600_000_000_000_000_000;
const USERS: u64 = 1_700_000_000_000_000_000;
/// Guilds of one owner.
const EACH: u64 = 100;
/// Guilds that are written at a time.
const CHUNK: u64 = 4_096;

/// The server's own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|arg| arg != "--bench").collect();
    let [_, what, dir, count] = &arguments[..] else {
        println!("nothing to do: give `make DIR COUNT` or `measure DIR COUNT`");
        return;
    };
    let count: u64 = count.parse().unwrap();
    let dir = Path::new(dir);
    std::fs::create_dir_all(dir).unwrap();
    let system = actix::System::new();
    match what.as_str() {
        "make" => system.block_on(make(dir, count)),
        "measure" => system.block_on(measure(dir, count)),
        other => panic!("{other} is neither make nor measure"),
    }
}

fn open(dir: &Path, sync: bool) -> Store {
    let settings = StoreSettings {
        dir: dir.to_owned(),
        sync,
        min_free_bytes: 0,
        unsorted_max_bytes: DEFAULT_UNSORTED_MAX_BYTES,
        indexer: record::about,
    };
    Store::open(settings, Arc::default()).unwrap()
}

fn owner(guild: u64) -> Arc<User> {
    let number = guild / EACH;
    Arc::new(User::new(
        UserId::new(USERS + number),
        format!("owner-{number}"),
        false,
    ))
}

fn guilds_on(journal: Arc<dyn Journal>, settings: GuildSettings) -> (Router, Registry) {
    let timeout = Duration::from_secs(60);
    node(
        journal,
        &Arc::default(),
        settings,
        Executors::start(2),
        timeout,
    )
}

/// The records of a guild as the server writes them; others differ in their ids alone.
async fn template() -> Vec<String> {
    let journal = MemoryJournal::new();
    let (router, _) = guilds_on(Arc::new(journal.clone()), GuildSettings::default());
    let request = create_guild("stored", owner(0), ChannelId::new(CHANNELS));
    router.ask(GuildId::new(GUILDS), request).await.unwrap();
    let entries = journal.read(GuildId::new(GUILDS), 0, 9).await.unwrap();
    let text = |record: &Bytes| String::from_utf8(record.to_vec()).unwrap();
    entries.iter().map(|entry| text(&entry.record)).collect()
}

async fn make(dir: &Path, count: u64) {
    let template = template().await;
    let store = open(dir, false);
    let (journal, directory) = (store.journal(), store.directory());
    let started = Instant::now();
    for first in (0..count).step_by(CHUNK as usize) {
        let guilds = first..(first + CHUNK).min(count);
        let users = guilds.clone().filter(|n| n % EACH == 0);
        let users = users.map(|n| directory.put_user(owner(n)));
        join_all(users).await.into_iter().for_each(Result::unwrap);
        let appends = guilds.clone().map(|n| {
            let records = template.iter().map(|text| {
                let text = text
                    .replace(&GUILDS.to_string(), &(GUILDS + n).to_string())
                    .replace(&CHANNELS.to_string(), &(CHANNELS + n).to_string())
                    .replace(&USERS.to_string(), &(USERS + n / EACH).to_string())
                    .replace("owner-0", &owner(n).username);
                NewRecord::from(Bytes::from(text))
            });
            journal.append(GuildId::new(GUILDS + n), 0, records.collect())
        });
        for appended in join_all(appends).await {
            appended.unwrap();
        }
        let changes = guilds.flat_map(|n| {
            let guild = GuildId::new(GUILDS + n);
            [
                directory.add_channels(guild, vec![ChannelId::new(CHANNELS + n)]),
                directory.add_members(guild, vec![owner(n).id]),
            ]
        });
        join_all(changes).await.into_iter().for_each(Result::unwrap);
    }
    store.close();
    println!(
        "{count} guilds written in {:.1} s",
        started.elapsed().as_secs_f64()
    );
}

fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

async fn ask(router: &Router, n: u64) -> Duration {
    let request = Request {
        caller: Caller::User(owner(n)),
        command: Command::GetChannels,
    };
    let start = Instant::now();
    router.ask(GuildId::new(GUILDS + n), request).await.unwrap();
    start.elapsed()
}

/// Wakes guilds, some at a time.
async fn wake(router: &Router, guilds: impl Iterator<Item = u64>) {
    let guilds: Vec<u64> = guilds.collect();
    for part in guilds.chunks(256) {
        join_all(part.iter().map(|n| ask(router, *n))).await;
    }
}

async fn measure(dir: &Path, count: u64) {
    let empty = resident_kib();
    let start = Instant::now();
    let store = open(dir, true);
    println!("open: {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
    let journal: Arc<dyn Journal> = Arc::new(store.journal());
    let sizes = store.directory().sizes();
    println!("{sizes:?}");
    let passing = GuildSettings {
        passivate_after: Duration::ZERO,
        housekeeping: Duration::from_millis(50),
        ..GuildSettings::default()
    };
    let (router, registry) = guilds_on(Arc::clone(&journal), passing);
    let first = ask(&router, count / 2).await;
    println!(
        "first request: {:.1} ms after it was asked",
        first.as_secs_f64() * 1e3
    );
    println!(
        "from start to first answer: {:.0} ms",
        start.elapsed().as_secs_f64() * 1e3
    );
    println!(
        "resident memory then: {} KiB more than an empty process",
        resident_kib() - empty
    );

    let mut took = Vec::new();
    for n in (0..count).step_by((count / 1_000).max(1) as usize) {
        took.push(ask(&router, n).await);
    }
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "waking one of {count}: p50 {:.2} ms, p99 {:.2} ms",
        at(0.5),
        at(0.99)
    );

    // Guilds that pass through memory: what they leave there. The first rounds fill the caches.
    let each = count / 10;
    let mut before = resident_kib();
    for round in 0..5 {
        wake(&router, (round * each..(round + 1) * each).step_by(2)).await;
        while registry.count() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let now = resident_kib();
        let per_guild = (now - before) as f64 * 1_024.0 / (each / 2) as f64;
        println!(
            "round {round}: {} guilds woken and gone, {per_guild:.0} bytes each",
            each / 2
        );
        before = now;
    }

    let staying = GuildSettings {
        passivate_after: Duration::from_secs(3_600),
        housekeeping: Duration::from_secs(3_600),
        ..GuildSettings::default()
    };
    let (router, registry) = guilds_on(journal, staying);
    let before = resident_kib();
    for round in 1..=3 {
        let many = (count / 20).min(20_000);
        let from = count / 2 + round * many;
        wake(&router, from..from + many).await;
        let held = registry.count();
        let per_guild = (resident_kib() - before) as f64 * 1_024.0 / held as f64;
        println!("{held} guilds in memory and idle: {per_guild:.0} bytes each");
    }
    // Guilds end with the process; the store syncs what it has.
    store.close();
    std::process::exit(0);
}
