//! Messages per second through the router of one process, kept as each durability promises.
//!
//! `cargo bench -p guildhall-server --bench publish`; `-- disk/1000` for one line alone. Every
//! publisher sends its next message when its last one is acknowledged. The time of the disk's own
//! `fdatasync` is printed beside.
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
use guildhall_server::counters::Counters;
use guildhall_server::guild::actor::GuildSettings;
use guildhall_server::guild::executors::Executors;
use guildhall_server::guild::router::Router;
use guildhall_server::journal::{Journal, MemoryJournal};
use guildhall_server::protocol::UserId;
use guildhall_server::protocol::objects::User;
use guildhall_server::store::{Store, StoreSettings};
use node::node;

const SECONDS: u64 = 3;
/// Fewest messages in flight, all guilds together.
const IN_FLIGHT: u64 = 64;

/// The server's own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let folder = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
    println!("fdatasync of 4 KiB appended: {}", sync_times(folder.path()));
    println!(
        "| durability | guilds | in flight | messages/s | ack p50 ms | ack p99 ms | records per commit |"
    );
    println!("|---|---|---|---|---|---|---|");
    for durability in ["memory", "os", "disk"] {
        for guilds in [1, 64, 1_000] {
            let line = format!("{durability}/{guilds}");
            if !wanted.is_empty() && !wanted.contains(&line) {
                continue;
            }
            let dir = folder.path().join(format!("{durability}-{guilds}"));
            std::fs::create_dir(&dir).unwrap();
            let system = actix::System::new();
            system.block_on(measure(durability, guilds, &dir));
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

async fn measure(durability: &str, guilds: u64, dir: &Path) {
    let counters = Arc::new(Counters::default());
    let settings = StoreSettings {
        dir: dir.to_owned(),
        sync: durability == "disk",
        min_free_bytes: 0,
        indexer: |_| None,
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
        Executors::start(1),
        timeout,
    );
    let owner = Arc::new(User::new(UserId::new(1), "owner", false));
    join_all((1..=guilds).map(|guild| make(&router, &owner, guild))).await;

    let in_flight = guilds.max(IN_FLIGHT);
    let stop = AtomicBool::new(false);
    let before = (counters.store_commits.get(), counters.store_records.get());
    let start = Instant::now();
    let publishers =
        join_all((0..in_flight).map(|n| publish(&router, &owner, n % guilds + 1, &stop)));
    let clock = async {
        tokio::time::sleep(Duration::from_secs(SECONDS)).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (took, ()) = futures_util::future::join(publishers, clock).await;
    let elapsed = start.elapsed().as_secs_f64();
    let mut took = took.concat();
    let rate = took.len() as f64 / elapsed;
    let (half, most) = quantiles(&mut took);
    let commits = counters.store_commits.get() - before.0;
    let records = counters.store_records.get() - before.1;
    let shared = if commits > 0 {
        format!("{:.1}", records as f64 / commits as f64)
    } else {
        "—".to_owned()
    };
    println!(
        "| {durability} | {guilds} | {in_flight} | {rate:.0} | {half:.2} | {most:.2} | {shared} |"
    );
    registry.executors().stop();
}

async fn publish(
    router: &Router,
    owner: &Arc<User>,
    guild: u64,
    stop: &AtomicBool,
) -> Vec<Duration> {
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        say(router, owner, guild).await;
        took.push(start.elapsed());
    }
    took
}
