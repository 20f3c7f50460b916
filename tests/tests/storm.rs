//! Everybody reconnects at once: half of them resume, half start anew, and who was not cut off notices little.
//!
//! The test is small. For figures: `cargo nextest run -p guildhall-tests --test storm --run-ignored only
//! --success-output=immediate`; `STORM_SESSIONS` says how many (10,000).

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use guildhall_tests::limits::raise_open_files;
use guildhall_tests::process::mib;
use guildhall_tests::raw::{FIN, opcode};
use guildhall_tests::rest::text;
use guildhall_tests::{Account, Admin, RawSocket, Server, World, eventually};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Guilds, messages and typing: what most bots ask for.
const INTENTS: u64 = 1 | 1 << 9 | 1 << 11;
/// Addresses that clients come from; each may open so many connections at once.
const ADDRESSES: usize = 200;
/// Between two messages to the bystander.
const BETWEEN: Duration = Duration::from_millis(5);

/// A client before and after the storm.
struct Client {
    token: String,
    from: Ipv4Addr,
    /// What it resumes; it starts anew where there is nothing.
    session: Option<String>,
}

impl Client {
    fn new(number: usize, account: &Account) -> Self {
        let address = number % ADDRESSES;
        Self {
            token: account.token.clone(),
            from: Ipv4Addr::new(127, 0, 1 + (address / 250) as u8, 1 + (address % 250) as u8),
            session: None,
        }
    }

    /// Connects and waits until it is active: it has its guild, or what it missed.
    async fn connect(&mut self, server: &Server) -> RawSocket {
        let socket = RawSocket::connect_from(server, self.from).await;
        let mut socket = socket.greeted().await;
        let (payload, end) = match &self.session {
            Some(session) => (
                json!({"op": 6, "d": {"token": self.token, "session_id": session, "seq": 2}}),
                "RESUMED",
            ),
            None => (
                json!({"op": 2, "d": {"token": self.token, "intents": INTENTS, "properties": {}}}),
                "GUILD_CREATE",
            ),
        };
        socket.text(&payload).await;
        let head = |event: &str| format!("{{\"t\":\"{event}\"").into_bytes();
        let (ready, end) = (head("READY"), head(end));
        loop {
            let frame = socket.read_frame().await;
            assert_eq!(frame.first, FIN | opcode::TEXT, "{frame:?}");
            if frame.payload.starts_with(&ready) {
                let payload: Value = serde_json::from_slice(&frame.payload).unwrap();
                self.session = Some(text(&payload["d"]["session_id"]).to_owned());
            } else if frame.payload.starts_with(&end) {
                return socket;
            }
            assert!(
                !frame
                    .payload
                    .starts_with(b"{\"t\":null,\"s\":null,\"op\":9"),
                "refused"
            );
        }
    }
}

/// Lets every client connect, at most so many at a time; answers them with their connections, and how long each
/// took from the beginning.
async fn connect_all(
    world: &Arc<World>,
    clients: Vec<Client>,
    at_once: usize,
) -> (Vec<(Client, RawSocket)>, Vec<Duration>) {
    let gate = Arc::new(Semaphore::new(at_once));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for mut client in clients {
        let (world, gate) = (Arc::clone(world), Arc::clone(&gate));
        tasks.spawn(async move {
            let _turn = gate.acquire().await.unwrap();
            let socket = client.connect(&world.server).await;
            (client, socket, began.elapsed())
        });
    }
    let (mut connected, mut took) = (Vec::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (client, socket, time) = done.unwrap();
        connected.push((client, socket));
        took.push(time);
    }
    took.sort_unstable();
    (connected, took)
}

/// Somebody in another guild, on a thread of its own: it is not to wait for the storm's clients.
fn bystander(world: &Arc<World>, stop: &Arc<AtomicBool>) -> JoinHandle<Vec<Duration>> {
    let (world, stop) = (Arc::clone(world), Arc::clone(stop));
    let (ready, is_ready) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(watch(world, stop, ready))
    });
    is_ready.recv().unwrap();
    thread
}

/// Sends messages to a session of another guild until told to stop; answers how long each took to arrive.
async fn watch(world: Arc<World>, stop: Arc<AtomicBool>, ready: Sender<()>) -> Vec<Duration> {
    // A client of its own: the world's has its connections on another runtime.
    let operator = Admin::of(&world.server);
    let owner = operator
        .users(&world.server, 1, "bystander")
        .await
        .remove(0);
    let guild = operator.guild(&[&owner], &["elsewhere"]).await;
    let mut session = world.login(&owner).await;
    let mut took = Vec::new();
    ready.send(()).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let sent = Instant::now();
        owner.rest.say(&guild.channels[0], "still there?").await;
        session.expect_event("MESSAGE_CREATE").await;
        took.push(sent.elapsed());
        tokio::time::sleep(BETWEEN).await;
    }
    took.sort_unstable();
    took
}

fn part(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

async fn storm(count: usize) -> (Duration, Duration) {
    assert!(
        raise_open_files() > count + 1_000,
        "more open files are needed"
    );
    let world = Arc::new(World::new(count - 1).await);
    let accounts = std::iter::once(&world.owner).chain(&world.members);
    let clients: Vec<Client> = accounts
        .enumerate()
        .map(|(number, account)| Client::new(number, account))
        .collect();
    let (connected, _) = connect_all(&world, clients, 100).await;
    let before = world.server.process().memory();
    let mut clients: Vec<Client> = connected.into_iter().map(|(client, _)| client).collect();
    // Their sockets are closed by now.
    eventually("the end of all connections", || async {
        let metrics = world.admin.metrics().await;
        let detached = metrics.sum("guildhall_sessions", &["state=\"detached\""]);
        (detached >= count as f64).then_some(())
    })
    .await;
    for client in clients.iter_mut().skip(1).step_by(2) {
        client.session = None;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let bystander = bystander(&world, &stop);
    let cpu = world.server.process().cpu();
    let (connected, took) = connect_all(&world, clients, usize::MAX >> 4).await;
    let cpu = world.server.process().cpu().saturating_sub(cpu);
    stop.store(true, Ordering::Relaxed);
    let noticed = bystander.join().unwrap();
    let (all, p99) = (*took.last().unwrap(), part(&noticed, 0.99));
    println!(
        "{count} sessions, half of them resumed: active p50 {:?}, all {all:?}; server {:?} of CPU; \
         bystander {} messages, p50 {:?}, p99 {p99:?}, max {:?}; server {:.0} MiB before, {:.0} after",
        part(&took, 0.5),
        cpu,
        noticed.len(),
        part(&noticed, 0.5),
        part(&noticed, 1.0),
        mib(before),
        mib(world.server.process().memory()),
    );
    let metrics = world.admin.metrics().await;
    let resumed = metrics.sum("guildhall_resumes_total", &["outcome=\"whole\""]);
    assert_eq!(resumed as usize, count.div_ceil(2));
    assert_eq!(connected.len(), count);
    (all, p99)
}

/// Nobody is refused, everybody is whole, and it does not take long even on a busy machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_thousand_sessions_that_reconnect_at_once_are_all_served() {
    let (all, p99) = storm(1_000).await;
    assert!(all < Duration::from_secs(20), "{all:?}");
    assert!(p99 < Duration::from_secs(5), "{p99:?}");
}

/// The figures: on a quiet machine of two cores all are to be active within 5 s, the bystander's p99 below 250 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "takes thousands of files and wants a quiet machine"]
async fn ten_thousand_sessions_reconnect_at_once() {
    let count = std::env::var("STORM_SESSIONS").map_or(10_000, |count| count.parse().unwrap());
    let (all, p99) = storm(count).await;
    assert!(all < Duration::from_secs(5), "{all:?}");
    assert!(p99 < Duration::from_millis(250), "{p99:?}");
}
