//! Messages per second through the router of one process, kept as each durability promises.
//!
//! `cargo bench -p guildhall-server --bench publish`; `-- disk/1000/256/2` for one line alone, with durability, guilds,
//! messages in flight and executors; a number besides is how many seconds are counted. Every publisher sends its next message when its last one is acknowledged, to the guilds in turn.
//! The time of the disk's own `fdatasync` is printed beside.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "shared/chat.rs"]
mod chat;
#[path = "shared/node.rs"]
mod node;
#[path = "shared/requests.rs"]
mod requests;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chat::{make, say};
use futures_util::future::join_all;
use guildhall_server::config::store::DEFAULT_UNSORTED_MAX_BYTES;
use guildhall_server::counters::Counters;
use guildhall_server::guild::actor::GuildSettings;
use guildhall_server::guild::core::record;
use guildhall_server::guild::executors::Executors;
use guildhall_server::guild::router::Router;
use guildhall_server::journal::{Journal, MemoryJournal};
use guildhall_server::protocol::UserId;
use guildhall_server::protocol::objects::User;
use guildhall_server::store::{Store, StoreSettings};
use node::node;

/// Before what is counted, in which guilds come to hold what they do when they are in use.
const WARM_UP: Duration = Duration::from_secs(2);
/// How many seconds are counted by default.
const COUNTED: u64 = 4;
/// Guilds, messages in flight in all of them together, and executors that the guilds are on: one is what a machine with two cores has by default.
const LOADS: [(u64, u64, usize); 6] = [
    (1, 64, 1),
    (64, 64, 1),
    (1_000, 256, 1),
    (1_000, 1_000, 1),
    (1_000, 256, 2),
    (1_000, 1_000, 2),
];

/// The server's own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let (mut wanted, mut counted) = (Vec::new(), COUNTED);
    for arg in std::env::args().skip(1).filter(|it| !it.starts_with('-')) {
        match arg.parse() {
            Ok(seconds) => counted = seconds,
            Err(_) => wanted.push(arg),
        }
    }
    let folder = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
    println!("fdatasync of 4 KiB appended: {}", sync_times(folder.path()));
    println!(
        "| durability | guilds | in flight | executors | messages/s | ack p50 ms | ack p99 ms | records per commit |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for durability in ["memory", "os", "disk"] {
        for load @ (guilds, in_flight, executors) in LOADS {
            let line = format!("{durability}/{guilds}/{in_flight}/{executors}");
            if !wanted.is_empty() && !wanted.contains(&line) {
                continue;
            }
            let dir = folder
                .path()
                .join(format!("{durability}-{guilds}-{in_flight}-{executors}"));
            std::fs::create_dir(&dir).unwrap();
            let system = actix::System::new();
            system.block_on(measure(durability, load, counted, &dir));
        }
    }
}

fn sync_times(dir: &Path) -> String {
    let mut file = File::create(dir.join("probe")).unwrap();
    let mut took: Vec<Duration> = (0..500)
        .map(|_| {
            file.write_all(&[7; 4_096]).unwrap();
            let start = Instant::now();
            file.sync_data().unwrap();
            start.elapsed()
        })
        .collect();
    let (half, most) = quantiles(&mut took);
    format!("p50 {half:.3} ms, p99 {most:.3} ms")
}

fn quantiles(took: &mut [Duration]) -> (f64, f64) {
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    (at(0.5), at(0.99))
}

async fn measure(
    durability: &str,
    (guilds, in_flight, executors): (u64, u64, usize),
    seconds: u64,
    dir: &Path,
) {
    let counters = Arc::new(Counters::default());
    let settings = StoreSettings {
        dir: dir.to_owned(),
        sync: durability == "disk",
        min_free_bytes: 0,
        unsorted_max_bytes: DEFAULT_UNSORTED_MAX_BYTES,
        indexer: record::about,
    };
    let store = (durability != "memory").then(|| Store::open(settings, counters.clone()).unwrap());
    let journal: Arc<dyn Journal> = match &store {
        Some(store) => Arc::new(store.journal()),
        None => Arc::new(MemoryJournal::new()),
    };
    let timeout = Duration::from_secs(20);
    let (router, registry) = node(
        journal,
        &counters,
        GuildSettings::default(),
        Executors::start(executors),
        timeout,
    );
    let owner = Arc::new(User::new(UserId::new(1), "owner", false));
    join_all((1..=guilds).map(|guild| make(&router, &owner, guild))).await;

    let counts = AtomicBool::new(false);
    let stop = AtomicBool::new(false);
    let publishers = (0..in_flight).map(|first| {
        let turns = (first..).step_by(in_flight as usize);
        let guilds = turns.map(|turn| turn % guilds + 1);
        publish(&router, &owner, guilds, seconds, &counts, &stop)
    });
    let so_far = || (counters.store_commits.get(), counters.store_records.get());
    let clock = async {
        tokio::time::sleep(WARM_UP).await;
        let (before, start) = (so_far(), Instant::now());
        counts.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        stop.store(true, Ordering::Relaxed);
        (before, so_far(), start.elapsed().as_secs_f64())
    };
    let (took, (before, after, elapsed)) =
        futures_util::future::join(join_all(publishers), clock).await;
    let mut took = took.concat();
    let rate = took.len() as f64 / elapsed;
    let (half, most) = quantiles(&mut took);
    let commits = after.0 - before.0;
    let records = after.1 - before.1;
    let shared = if commits > 0 {
        format!("{:.1}", records as f64 / commits as f64)
    } else {
        "—".to_owned()
    };
    println!(
        "| {durability} | {guilds} | {in_flight} | {executors} | {rate:.0} | {half:.2} | {most:.2} | {shared} |"
    );
    registry.executors().stop();
}

async fn publish(
    router: &Router,
    owner: &Arc<User>,
    guilds: impl Iterator<Item = u64>,
    seconds: u64,
    counts: &AtomicBool,
    stop: &AtomicBool,
) -> Vec<Duration> {
    // Room for all: to grow, each of them, would be measured too.
    let mut took = Vec::with_capacity(2_048 * seconds as usize);
    for guild in guilds {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let counted = counts.load(Ordering::Relaxed);
        let start = Instant::now();
        say(router, owner, guild).await;
        if counted {
            took.push(start.elapsed());
        }
    }
    took
}
