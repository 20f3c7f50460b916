//! One HTTP worker thread's connections, sessions and rooms.
//!
//! Everything here runs on one thread and never waits: socket tasks and the hub actor call in, and
//! what needs another thread is posted.

mod checkpoint;
mod end;
mod gathering;
mod grants;
mod identify;
mod inbound;
mod leaving;
mod members;
mod news;
pub mod noting;
pub mod pacing;
mod rejoin;
mod resume;
mod tick;
mod trail;
mod transit;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use slab::Slab;
use smallvec::SmallVec;

use gathering::Gathered;
use leaving::Goodbye;
use noting::Notes;
use pacing::{Came, Held};

use super::connection::Connection;
use super::core::ConnectionCore;
use super::elsewhere::Waits;
use super::frames::FrameReader;
use super::greetings;
use super::id::SessionId;
use super::refusal::Refusal;
use super::shared::SessionShared;
use super::sink::Aftermath;
use super::state::{Link, Session};
use super::stream::Stream;
use super::trail::Trail;
use super::wheel::Wheel;
use crate::clock;
use crate::counters::{Close, EphemeralKind, HubCounters, Label};
use crate::fanout::batch::Batch;
use crate::fanout::lane::{Encoding, Flushed, Lane};
use crate::fanout::outbox::Reader;
use crate::fanout::pace::Pace;
use crate::fanout::sample::Sample;
use crate::fanout::{Frame, HubId, Room};
use crate::protocol::{CloseCode, GuildId, UserId};

/// A worker, shared by the socket tasks and the hub actor of its thread.
pub type WorkerCell = Rc<RefCell<Worker>>;

/// What the wheel holds.
#[derive(Debug, Clone, Copy)]
enum Deadline {
    Connection { key: usize, generation: u32 },
    Session { key: usize, generation: u32 },
}

/// A thread's part of the gateway.
pub struct Worker {
    this: Weak<RefCell<Worker>>,
    hub: HubId,
    shared: SessionShared,
    started: Instant,
    connections: Slab<Connection>,
    sessions: Slab<Session>,
    rooms: HashMap<GuildId, Room>,
    by_id: HashMap<SessionId, usize>,
    by_user: HashMap<UserId, SmallVec<[usize; 1]>>,
    wheel: Wheel<Deadline>,
    /// Sessions that wait for an answer of a guild.
    waiting: Vec<(usize, u32)>,
    /// Guilds that are to take this hub back, and when they were asked.
    rejoining: HashMap<GuildId, u64>,
    after: Aftermath,
    /// Which of them the log tells of.
    sample: Sample,
    /// Writes that wait for company.
    held: Held,
    /// Items that wait until then.
    gathered: Gathered,
    /// Where it is noted who was handed what.
    trail: Trail,
    batch: Batch,
    next_generation: u32,
    counters: HubCounters,
    /// Sessions by state as they were counted last.
    census: [i64; 3],
    /// How far the list of revoked tokens was looked at.
    revocations_seen: u64,
    /// What is noted of its sessions for other nodes.
    notes: Notes,
    /// Connections that came while the node goes down.
    turned_away: Vec<(usize, u32)>,
    /// Connections for which sessions are looked for on other nodes.
    searches: HashMap<usize, Waits>,
    /// What guilds are to hear of sessions that have gone to other nodes, and when.
    goodbyes: VecDeque<Goodbye>,
    /// The sessions were handed over for the next start: none is taken any more.
    handed_over: bool,
}

impl Worker {
    /// A worker that is known as this hub.
    pub fn new(hub: HubId, shared: SessionShared) -> WorkerCell {
        let pace = Pace::new(shared.settings.pace.clone());
        let log_every = shared.settings.log_deliveries_every;
        let trail = Trail::new(
            shared.trails.clone(),
            hub,
            shared.settings.trail_max_bytes,
            Arc::clone(&shared.counters),
        );
        Rc::new_cyclic(|this| {
            RefCell::new(Self {
                this: this.clone(),
                hub,
                shared,
                started: clock::now(),
                connections: Slab::new(),
                sessions: Slab::new(),
                rooms: HashMap::new(),
                by_id: HashMap::new(),
                by_user: HashMap::new(),
                wheel: Wheel::new(0),
                waiting: Vec::new(),
                rejoining: HashMap::new(),
                after: Aftermath::default(),
                sample: Sample::new(log_every),
                held: Held::new(pace),
                gathered: Gathered::default(),
                trail,
                batch: Batch::default(),
                next_generation: 0,
                counters: HubCounters::default(),
                census: [0; 3],
                revocations_seen: 0,
                notes: Notes::default(),
                turned_away: Vec::new(),
                searches: HashMap::new(),
                goodbyes: VecDeque::new(),
                handed_over: false,
            })
        })
    }

    /// Milliseconds of this worker's own clock.
    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn generation(&mut self) -> u32 {
        self.next_generation = self.next_generation.wrapping_add(1);
        self.next_generation
    }

    /// What the worker is known as.
    pub const fn hub(&self) -> HubId {
        self.hub
    }

    /// What the worker shares with others.
    pub const fn shared(&self) -> &SessionShared {
        &self.shared
    }

    /// Whether another connection may be taken.
    pub fn has_room(&self) -> bool {
        self.connections.len() < self.shared.settings.max_connections
    }

    /// Takes a connection, answers its upgrade and greets it, in one write; answers its key.
    pub fn accept(
        &mut self,
        socket: Rc<Stream>,
        encoding: Encoding,
        answer: impl Into<Bytes>,
    ) -> usize {
        let now_ms = self.now_ms();
        let generation = self.generation();
        if matches!(encoding, Encoding::CompressedJson(_)) {
            self.shared.counters.compressed_connections.inc();
        }
        let mut lane = Lane::new(encoding);
        let hello = greetings::hello(self.shared.settings.heartbeat_interval_ms);
        lane.raw(answer)
            .and_then(|()| lane.payload(hello))
            .expect("the first control frames of a lane have room");
        let core = ConnectionCore::new(now_ms);
        let deadline = core.deadline_ms(&self.shared.settings.patience);
        let key = self.connections.insert(Connection {
            generation,
            number: self.shared.links.connected(),
            socket,
            core,
            reader: FrameReader::default(),
            lane,
            session: None,
            grant: None,
            waker: None,
            blocked_since_ms: None,
            written_at: Duration::ZERO,
            held: false,
            dead: false,
        });
        self.wheel.insert(
            Deadline::Connection { key, generation },
            deadline / 1_000 + 1,
        );
        self.flush(key);
        key
    }

    /// A socket's task asks for its connection.
    pub fn connection(&mut self, key: usize) -> Option<&mut Connection> {
        self.connections.get_mut(key)
    }

    /// A socket's task ended: the connection is gone, its session stays for a while.
    pub fn gone(&mut self, key: usize) {
        let Some(connection) = self.connections.try_remove(key) else {
            return;
        };
        self.shared.links.disconnected();
        self.searches.remove(&key);
        let generation = connection.generation;
        tracing::debug!(
            hub = self.hub.0,
            connection = key,
            generation,
            "connection gone"
        );
        if connection.lane.is_compressed() {
            self.shared.counters.compressed_connections.dec();
        }
        if let Some(session) = connection.session {
            self.detach_link(session);
        }
    }

    /// The session has no connection any more; it is kept for the resume window.
    fn detach_link(&mut self, key: usize) {
        let now_ms = self.now_ms();
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session.link = Link::Detached(now_ms);
        session.resuming = None;
        self.after.dropped += session.outbox.read_by(Reader::Away);
        let deadline = now_ms + self.shared.settings.resume_window.as_millis() as u64;
        let generation = session.generation;
        self.wheel
            .insert(Deadline::Session { key, generation }, deadline / 1_000 + 1);
    }

    /// Writes a connection's pending frames, as far as its socket takes them; answers what was done.
    ///
    /// Ephemeral events that were put off while the session was behind come last, and get their numbers now.
    pub fn flush(&mut self, key: usize) -> Flushed {
        let mut flushed = self.write_out(key);
        while self.number_late(key, &flushed) && !flushed.blocked {
            flushed += self.write_out(key);
        }
        flushed
    }

    /// Whether ephemeral events of the connection's session have got their numbers.
    fn number_late(&mut self, key: usize, flushed: &Flushed) -> bool {
        let open = self.connections.get(key).filter(|it| !it.dead);
        let session = open.and_then(|it| it.session);
        let Some(session) = session.and_then(|it| self.sessions.get_mut(it)) else {
            return false;
        };
        session.outbox.read_by(if flushed.blocked {
            Reader::Slow
        } else {
            Reader::Prompt
        });
        let wrote = !flushed.blocked || flushed.writes > 0;
        if session.outbox.late() == 0 || !wrote || !session.outbox.is_their_turn() {
            return false;
        }
        let (trail, number) = (&mut self.trail, session.trail);
        let bounds = &self.shared.settings.outbox;
        let count = session.outbox.number_late(bounds, |subject| {
            trail.delivered(number, subject.guild, None);
        });
        self.counters.deliveries += count as u64;
        count > 0
    }

    fn write_out(&mut self, key: usize) -> Flushed {
        self.trail.commit();
        let now_ms = self.now_ms();
        let open = self.connections.get_mut(key).filter(|it| !it.dead);
        let Some(connection) = open else {
            return Flushed::default();
        };
        let events = connection
            .session
            .and_then(|session| self.sessions.get_mut(session))
            .map(|session| &mut session.outbox);
        let flushed = connection.flush(events, &mut self.batch, now_ms);
        self.batch.give_back();
        self.counters.writes += flushed.writes as u64;
        self.counters.bytes_out += flushed.bytes as u64;
        flushed
    }

    /// Queues a payload without a sequence number and writes it.
    fn send_control(&mut self, key: usize, payload: &'static [u8]) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection
            .lane
            .payload(Bytes::from_static(payload))
            .is_err()
        {
            self.close(key, CloseCode::RateLimited);
        } else {
            self.flush(key);
        }
    }

    /// Closes a connection; its session stays for a while where the code allows a Resume.
    pub fn close(&mut self, key: usize, code: CloseCode) {
        let now_ms = self.now_ms();
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.core.is_closing() {
            return;
        }
        connection.lane.close(code);
        connection.core.on_closing(now_ms);
        self.shared.counters.closed(Close::by_server(code));
        self.after_close(key);
    }

    /// Answers a client's close with its own code.
    fn echo_close(&mut self, key: usize, code: Option<u16>) {
        let now_ms = self.now_ms();
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.core.is_closing() {
            connection.kill();
            return;
        }
        let code = code.unwrap_or(CloseCode::Normal.code());
        connection.lane.echo_close(code);
        connection.core.on_closing(now_ms);
        // A client that closes with 1000 or 1001 has no use for the session any more.
        let leaves = matches!(code, 1000 | 1001);
        let session = connection.session;
        self.shared.counters.closed(Close::by_client(Some(code)));
        self.after_close(key);
        if leaves && let Some(session) = session {
            self.end_session(session);
        }
    }

    /// Parts a closing connection from its session, writes the close frame and sets the deadline.
    fn after_close(&mut self, key: usize) {
        self.searches.remove(&key);
        self.flush(key);
        let deadline = self.now_ms() + self.shared.settings.patience.closing_ms;
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let generation = connection.generation;
        if let Some(session) = connection.session.take() {
            self.detach_link(session);
        }
        self.wheel.insert(
            Deadline::Connection { key, generation },
            deadline / 1_000 + 1,
        );
    }

    /// Gives a session an event of its own.
    fn deliver(&mut self, key: usize, frame: impl Into<Frame>) {
        self.deliver_noted(key, frame.into(), Trail::own);
    }

    /// As [`Self::deliver`], for what a session that is resumed after a crash does not miss.
    fn deliver_passing(&mut self, key: usize, frame: impl Into<Frame>) {
        self.deliver_noted(key, frame.into(), Trail::passing);
    }

    fn deliver_noted(&mut self, key: usize, frame: Frame, note: impl FnOnce(&mut Trail, u32)) {
        if let Some(session) = self.sessions.get_mut(key) {
            note(&mut self.trail, session.trail);
            let bounds = &self.shared.settings.outbox;
            self.after.push(key, session, frame, bounds);
        }
    }

    /// Does what deliveries have left to be done: drops, closes, writes.
    pub fn settle(&mut self) {
        self.settle_as_of(Came::Now);
    }

    /// The same for what may have come earlier.
    fn settle_as_of(&mut self, came: Came) {
        self.counters.deliveries += std::mem::take(&mut self.after.delivered);
        let dropped = std::mem::take(&mut self.after.dropped);
        for (count, kind) in self
            .counters
            .ephemeral_dropped
            .iter_mut()
            .zip(EphemeralKind::ALL)
        {
            *count += u64::from(dropped.of(*kind));
        }
        while let Some((session, guild)) = self.after.removed.pop() {
            self.left_guild(session, guild);
        }
        while let Some(key) = self.after.broken.pop() {
            self.counters.lane_overflows += 1;
            self.invalidate(key, Refusal::Lost);
        }
        while let Some(key) = self.after.slow.pop() {
            // What the socket takes at once is not slow.
            let Some(connection) = self.sessions.get(key).and_then(Session::connection) else {
                continue;
            };
            self.flush(connection);
            let bounds = &self.shared.settings.outbox;
            let slow = self.sessions.get(key).is_some_and(|session| {
                session.outbox.pending() > bounds.pending_count
                    || session.outbox.pending_bytes() > bounds.pending_bytes
            });
            if slow {
                self.counters.lane_overflows += 1;
                self.close(connection, CloseCode::UnknownError);
            }
        }
        self.flush_dirty(came);
    }

    /// Sessions and connections of this worker.
    pub fn sizes(&self) -> (usize, usize) {
        (self.sessions.len(), self.connections.len())
    }
}
