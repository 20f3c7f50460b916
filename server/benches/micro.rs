//! What the steps of a message cost by themselves: the ring, permissions, the guild's core, the hub's loop, the
//! lane. And how often a delivered event asks for memory.
//!
//! `cargo bench -p guildhall-server --bench micro`.
#![allow(
    missing_docs,
    unsafe_code,
    clippy::unwrap_used,
    clippy::disallowed_methods
)]

#[path = "shared/requests.rs"]
mod requests;

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use guildhall_server::counters::Counters;
use guildhall_server::fanout::batch::Batch;
use guildhall_server::fanout::lane::{Encoding, Lane};
use guildhall_server::fanout::outbox::{Outbox, OutboxBounds};
use guildhall_server::fanout::{
    Audience, Dispatch, HubId, Item, Room, Visibility, VisibleChannel, envelope,
};
use guildhall_server::guild::command::{Caller, Command, NewMessage, Request};
use guildhall_server::guild::core::{GuildCore, Moment};
use guildhall_server::placement::{Member, NodeName, Ring, RingSettings};
use guildhall_server::protocol::objects::{Member as GuildMember, Presence, User};
use guildhall_server::protocol::permissions::{base_permissions, permissions_in};
use guildhall_server::protocol::{
    ChannelId, EventName, GuildId, Intents, MessageId, Permissions, RoleId, UserId,
};
use guildhall_server::session::id::SessionId;
use guildhall_server::session::sink::{Aftermath, Sink};
use guildhall_server::session::state::{Link, Session};
use guildhall_server::session::trail::{Trail, TrailDir};
use guildhall_server::supervision::mail::{MailBounds, MailGauge};
use guildhall_server::supervision::meter::{Meter, Metered, Roster, ThreadMeter};
use requests::create_guild;
use slab::Slab;
use smallvec::SmallVec;

/// Counts what asks for memory.
struct Counting;

static ASKED: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the contract.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const GUILD: GuildId = GuildId::new(10);
const CHANNEL: ChannelId = ChannelId::new(100);
const BOUNDS: OutboxBounds = OutboxBounds {
    pending_count: 16_384,
    pending_bytes: 4 << 20,
    total_count: 20_480,
    total_bytes: 5 << 20,
};
/// Sessions of the hub in the benchmarks of its loop.
const SESSIONS: usize = 10_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    ring(&mut criterion);
    permissions(&mut criterion);
    publish(&mut criterion);
    hub_loop(&mut criterion);
    lane(&mut criterion);
    meters(&mut criterion);
    criterion.final_summary();
    allocations();
}

fn node(n: usize) -> Member {
    Member::new(NodeName::new(&format!("node-{n}")).unwrap())
}

fn ring(criterion: &mut Criterion) {
    let ring = Ring::build((0..64).map(node), RingSettings::default()).unwrap();
    let mut guild = 0_u64;
    let mut next = || {
        guild = guild.wrapping_add(0x9e37_79b9_7f4a_7c15);
        guild
    };
    let mut group = criterion.benchmark_group("ring, 64 nodes of 150 points");
    group.bench_function("owner", |bench| {
        bench.iter(|| black_box(ring.owner(next())).as_str().len());
    });
    group.bench_function("three owners", |bench| {
        bench.iter(|| {
            ring.owners(next(), 3)
                .map(|owner| owner.as_str().len())
                .sum::<usize>()
        });
    });
    group.bench_function("a node joins", |bench| {
        bench.iter(|| ring.with_member(node(64)).unwrap());
    });
    group.finish();
}

fn permissions(criterion: &mut Criterion) {
    let table = table();
    let roles: Vec<RoleId> = (1..=5).map(RoleId::new).collect();
    criterion.bench_function(
        "permissions of a member with 5 roles in a channel",
        |bench| {
            bench.iter(|| {
                let granted = roles
                    .iter()
                    .filter_map(|role| table.roles.get(role).copied());
                let base = base_permissions(false, table.everyone, granted);
                let overwrites = &table.channels[0].overwrites;
                black_box(permissions_in(
                    base,
                    false,
                    GUILD,
                    UserId::new(7),
                    &roles,
                    overwrites,
                ))
            });
        },
    );
}

fn table() -> Arc<Visibility> {
    Arc::new(Visibility {
        guild: GUILD,
        owner: UserId::new(1),
        everyone: Permissions::VIEW_CHANNEL | Permissions::SEND_MESSAGES,
        roles: (1..=5)
            .map(|n| (RoleId::new(n), Permissions::VIEW_CHANNEL))
            .collect(),
        channels: vec![VisibleChannel {
            id: CHANNEL,
            overwrites: Vec::new(),
            body: Bytes::from_static(br#"{"id":"100"}"#),
        }],
        direct: false,
    })
}

fn owner() -> Arc<User> {
    Arc::new(User::new(UserId::new(1), "owner", false))
}

/// A guild with one channel, everything acknowledged.
fn guild() -> GuildCore {
    let mut core = GuildCore::new(GUILD);
    let request = create_guild("bench", owner(), CHANNEL);
    core.handle(&moment(1), 0, request);
    acknowledge(&mut core);
    core
}

const fn moment(n: u64) -> Moment {
    Moment {
        now_ms: 1_750_000_000_000 + n,
        fresh_id: MessageId::new((n + 1) << 22),
    }
}

fn acknowledge(core: &mut GuildCore) -> Vec<Item> {
    let mut items = Vec::new();
    while let Some(batch) = core.next_batch() {
        core.appended(batch.expected + batch.records.len() as u64);
        for output in core.outputs() {
            if let guildhall_server::guild::core::Output::Item(item) = output {
                items.push(item);
            }
        }
    }
    items
}

fn message() -> Request {
    Request {
        caller: Caller::User(owner()),
        command: Command::CreateMessage(
            CHANNEL,
            Box::new(NewMessage {
                content: "a message of a common length, as people send them to each other"
                    .to_owned(),
                ..NewMessage::default()
            }),
        ),
    }
}

fn publish(criterion: &mut Criterion) {
    let mut core = guild();
    let mut n = 1;
    criterion.bench_function("a guild's core takes a message and lets it out", |bench| {
        bench.iter_batched(
            message,
            |request| {
                n += 1;
                core.handle(&moment(n), n, request);
                acknowledge(&mut core)
            },
            BatchSize::SmallInput,
        );
    });
}

fn dispatch(n: u64) -> Item {
    Item::Dispatch(Dispatch {
        position: Some(n),
        event: EventName::MessageCreate,
        body: Bytes::from(vec![b'x'; 600]),
        intent: EventName::MessageCreate.guild_intent(),
        channel: Some(CHANNEL),
        audience: Audience::Everyone,
        subject: None,
    })
}

/// A worker's sessions, all in one room.
struct Hub {
    room: Room,
    sessions: Slab<Session>,
    after: Aftermath,
    trail: Trail,
    position: u64,
}

impl Hub {
    fn new(count: usize, dir: Option<Arc<TrailDir>>) -> Self {
        let mut room = Room::new(GUILD, table(), 0);
        let mut sessions = Slab::new();
        let mut trail = Trail::new(dir, HubId(0), 1 << 29, Arc::new(Counters::default()));
        let joined = "2026-01-01T00:00:00.000000+00:00";
        for n in 0..count {
            let user = Arc::new(User::new(UserId::new(n as u64 + 1), "someone", false));
            let member = serde_json::json!({"user": *user, "roles": ["1"], "joined_at": joined});
            let member: Arc<GuildMember> = Arc::new(serde_json::from_value(member).unwrap());
            let key = sessions.insert(Session {
                id: SessionId::random(),
                generation: 0,
                user,
                intents: Intents::from_bits(u64::MAX),
                scope: None,
                shard: (0, 1),
                large_threshold: 50,
                presence: Presence::default(),
                outbox: Outbox::default(),
                link: Link::Detached(0),
                guilds: SmallVec::new(),
                resuming: None,
                trail: n as u32,
                dirty: false,
                waits: false,
            });
            room.join(key, Intents::from_bits(u64::MAX), member, 0);
        }
        trail.commit();
        Self {
            room,
            sessions,
            after: Aftermath::default(),
            trail,
            position: 0,
        }
    }

    fn hand_out(&mut self) {
        self.position += 1;
        let mut sink = Sink {
            guild: GUILD,
            sessions: &mut self.sessions,
            bounds: &BOUNDS,
            after: &mut self.after,
            trail: &mut self.trail,
        };
        self.room.apply(&[dispatch(self.position)], &mut sink);
        self.trail.commit();
    }

    /// Encodes what each session is owed, as for its socket, and lets the client acknowledge it.
    fn write_out(&mut self, lane: &mut Lane, batch: &mut Batch) -> usize {
        let mut bytes = 0;
        let mut dirty = std::mem::take(&mut self.after.dirty);
        for key in dirty.drain(..) {
            let session = &mut self.sessions[key];
            session.dirty = false;
            let written = lane.flush(Some(&mut session.outbox), batch, |frame| {
                bytes += frame.len();
                Ok(frame.len())
            });
            written.unwrap();
            let seq = session.outbox.last_seq();
            session.outbox.acknowledge(seq);
        }
        self.after.dirty = dirty;
        bytes
    }
}

fn hub_loop(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let (dir, _) = TrailDir::open(folder.path()).unwrap().unwrap();
    let mut group = criterion.benchmark_group("an event to 10,000 sessions of a hub");
    group.throughput(Throughput::Elements(SESSIONS as u64));
    for (name, dir) in [("no trail", None), ("trail", Some(dir))] {
        let mut hub = Hub::new(SESSIONS, dir);
        let (mut lane, mut batch) = (Lane::new(Encoding::Json), Batch::default());
        group.bench_function(format!("into their outboxes, {name}"), |bench| {
            bench.iter_custom(|rounds| {
                let mut took = std::time::Duration::ZERO;
                for _ in 0..rounds {
                    let start = std::time::Instant::now();
                    hub.hand_out();
                    took += start.elapsed();
                    hub.write_out(&mut lane, &mut batch);
                }
                took
            });
        });
    }
    group.finish();
}

fn lane(criterion: &mut Criterion) {
    let (mut lane, mut batch) = (Lane::new(Encoding::Json), Batch::default());
    let mut group = criterion.benchmark_group("lane, events of 600 bytes");
    for (sessions, events) in [(1, 1), (1, 8), (1_000, 8), (1_000, 20)] {
        let mut hub = Hub::new(sessions, None);
        group.throughput(Throughput::Elements(sessions as u64 * events));
        let name =
            format!("{events} a write to each of {sessions} sessions, without the system call");
        group.bench_function(name, |bench| {
            bench.iter_custom(|rounds| {
                let mut took = std::time::Duration::ZERO;
                for _ in 0..rounds {
                    for _ in 0..events {
                        hub.hand_out();
                    }
                    let start = std::time::Instant::now();
                    hub.write_out(&mut lane, &mut batch);
                    took += start.elapsed();
                }
                took
            });
        });
    }
    group.bench_function("the end of an envelope", |bench| {
        let mut out = Vec::with_capacity(64);
        bench.iter(|| {
            out.clear();
            envelope::write_suffix(&mut out, black_box(1_234_567));
            out.len()
        });
    });
    group.finish();
}

/// What it costs to know how busy a guild is: per turn of its actor, and per message.
fn meters(criterion: &mut Criterion) {
    let roster = Arc::new(Roster::default());
    roster.read();
    let thread = ThreadMeter::new(Arc::clone(&roster));
    let actor: Arc<dyn Metered> = Arc::new(Meter::default());
    let mut group = criterion.benchmark_group("load");
    group.bench_function("a turn is measured", |bench| {
        bench.iter(|| {
            let began = std::time::Instant::now();
            thread.worked(black_box(7), &actor, began.elapsed());
        });
    });
    let gauge = Arc::new(MailGauge::new(MailBounds {
        count: 10,
        bytes: 1_000,
    }));
    let now = std::time::Instant::now();
    group.bench_function("a message's wait is measured", |bench| {
        bench.iter(|| {
            let posted = std::time::Instant::now();
            actor
                .meter()
                .waited(black_box(posted).saturating_duration_since(now));
        });
    });
    group.bench_function("room for a message is taken and given back", |bench| {
        bench.iter(|| gauge.take(black_box(100)));
    });
    group.finish();
}

/// How often memory is asked for between a guild's items and the bytes of a write.
fn allocations() {
    let mut hub = Hub::new(SESSIONS, None);
    let (mut lane, mut batch) = (Lane::new(Encoding::Json), Batch::default());
    // The queues have their room after the first turns.
    for _ in 0..10 {
        hub.hand_out();
        hub.write_out(&mut lane, &mut batch);
    }
    let before = ASKED.load(Ordering::Relaxed);
    for _ in 0..10 {
        hub.hand_out();
        hub.write_out(&mut lane, &mut batch);
    }
    let asked = ASKED.load(Ordering::Relaxed) - before;
    println!(
        "{asked} allocations for {} delivered events ({:.4} each)",
        10 * SESSIONS,
        asked as f64 / (10 * SESSIONS) as f64
    );
}
