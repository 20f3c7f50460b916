mod departures;
mod history;
mod moves;
mod snapshots;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use futures_util::FutureExt;

use super::*;
use crate::counters::Counters;
use crate::fanout::mail::{HubLink, HubLinks};
use crate::guild::command::{
    Caller, ChannelEdit, Command, NewChannel, NewGuild, NewMessage, Outcome, Reply,
};
use crate::guild::executors::Executors;
use crate::guild::router::Router;
use crate::guild::watchdog;
use crate::journal::{
    Entry, Journal, JournalError, JournalFuture, MemoryJournal, NewRecord, Snapshot, Span, Stretch,
};
use crate::placement::{
    Member as Node, NodeName, Overrides, Placement, PlacementHandle, Ring, RingSettings,
};
use crate::protocol::ids::SnowflakeSource;
use crate::protocol::objects::{ChannelType, User};
use crate::protocol::{ApiError, ChannelId, Intents};
use crate::supervision::budget::BudgetSettings;
use crate::supervision::faults::{self, Fault, Point};
use crate::supervision::lifeline::Lifelines;
use crate::supervision::mail::MailBounds;

const OWNER: UserId = UserId::new(1);

/// A hub that keeps what it is sent, or refuses it.
#[derive(Default)]
struct Hub {
    news: Mutex<Vec<GuildNews>>,
    full: AtomicBool,
}

impl HubLink for Hub {
    fn post(&self, news: GuildNews) -> Result<(), GuildNews> {
        if self.full.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(news);
        }
        self.news.lock().unwrap().push(news);
        Ok(())
    }

    fn post_control(&self, news: GuildNews) {
        self.news.lock().unwrap().push(news);
    }
}

impl Hub {
    fn count(&self, which: impl Fn(&GuildNews) -> bool) -> usize {
        self.news
            .lock()
            .unwrap()
            .iter()
            .filter(|news| which(news))
            .count()
    }
}

/// A journal whose appends, and reads of old messages, wait until they are let through.
struct GatedJournal {
    inner: MemoryJournal,
    gate: Arc<tokio::sync::Semaphore>,
    reads: Arc<tokio::sync::Semaphore>,
}

impl Journal for GatedJournal {
    fn append(
        &self,
        guild: GuildId,
        expected: Position,
        records: Vec<NewRecord>,
    ) -> JournalFuture<Position> {
        let (inner, gate) = (self.inner.clone(), Arc::clone(&self.gate));
        Box::pin(async move {
            gate.acquire().await.expect("the gate stays").forget();
            inner.append(guild, expected, records).await
        })
    }

    fn read(&self, guild: GuildId, after: Position, limit: usize) -> JournalFuture<Vec<Entry>> {
        self.inner.read(guild, after, limit)
    }

    fn about(&self, guild: GuildId, span: Span) -> JournalFuture<Stretch> {
        let (inner, gate) = (self.inner.clone(), Arc::clone(&self.reads));
        Box::pin(async move {
            gate.acquire().await.expect("the gate stays").forget();
            inner.about(guild, span).await
        })
    }

    fn trim(&self, guild: GuildId, through: Position, messages: MessageId) -> JournalFuture<bool> {
        self.inner.trim(guild, through, messages)
    }

    fn last_position(&self, guild: GuildId) -> JournalFuture<Position> {
        self.inner.last_position(guild)
    }

    fn remove(&self, guild: GuildId) -> JournalFuture<()> {
        self.inner.remove(guild)
    }

    fn guilds(&self, after: Option<GuildId>, limit: usize) -> JournalFuture<Vec<GuildId>> {
        self.inner.guilds(after, limit)
    }

    fn snapshot(&self, guild: GuildId) -> JournalFuture<Option<Snapshot>> {
        self.inner.snapshot(guild)
    }

    fn put_snapshot(&self, guild: GuildId, snapshot: Snapshot) -> JournalFuture<()> {
        self.inner.put_snapshot(guild, snapshot)
    }
}

struct Node1 {
    /// A guild that no other test of the process has.
    guild: GuildId,
    channel: ChannelId,
    journal: MemoryJournal,
    router: Router,
    hubs: Vec<Arc<Hub>>,
    gate: Arc<tokio::sync::Semaphore>,
    reads: Arc<tokio::sync::Semaphore>,
    registry: Registry,
    counters: Arc<Counters>,
}

fn node(hubs: u32) -> Node1 {
    node_with(hubs, GuildSettings::default())
}

fn node_with(hubs: u32, settings: GuildSettings) -> Node1 {
    node_on(Executors::start(1), hubs, settings)
}

fn node_on(executors: Executors, hubs: u32, settings: GuildSettings) -> Node1 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) * 10;
    let journal = MemoryJournal::new();
    node_over((journal, number), alone(), executors, (hubs, settings))
}

/// The place of a node that has no others.
fn alone() -> (NodeName, PlacementHandle) {
    let here = NodeName::new("here").unwrap();
    let ring = Ring::build([Node::new(here.clone())], RingSettings::default()).unwrap();
    let placement = PlacementHandle::new(Placement::new(ring, Overrides::new()));
    (here, placement)
}

/// A node that has the guild of this number in a journal.
fn node_over(
    (inner, number): (MemoryJournal, u64),
    (here, placement): (NodeName, PlacementHandle),
    executors: Executors,
    (hubs, settings): (u32, GuildSettings),
) -> Node1 {
    let links = HubLinks::default();
    let hubs: Vec<Arc<Hub>> = (0..hubs)
        .map(|id| {
            let hub = Arc::new(Hub::default());
            links.insert(HubId(id), Arc::clone(&hub) as Arc<dyn HubLink>);
            hub
        })
        .collect();
    let gate = Arc::new(tokio::sync::Semaphore::new(1_000_000));
    let reads = Arc::new(tokio::sync::Semaphore::new(1_000_000));
    let journal = GatedJournal {
        inner: inner.clone(),
        gate: Arc::clone(&gate),
        reads: Arc::clone(&reads),
    };
    let tools = GuildTools {
        journal: Arc::new(journal),
        ids: Arc::new(SnowflakeSource::new(1)),
        hubs: links,
        node: here.as_str().into(),
        counters: Arc::default(),
        settings: Arc::new(settings),
        preloads: Preloads::default(),
    };
    let bounds = MailBounds {
        count: 64,
        bytes: 1 << 20,
    };
    let counters = Arc::clone(&tools.counters);
    let registry = Registry::new(executors, tools, bounds);
    let router = Router::new(placement, here, registry.clone(), Duration::from_secs(20));
    Node1 {
        guild: GuildId::new(number),
        channel: ChannelId::new(number + 1),
        journal: inner,
        router,
        hubs,
        gate,
        reads,
        registry,
        counters,
    }
}

fn owner() -> Arc<User> {
    Arc::new(User::new(OWNER, "owner", false))
}

impl Node1 {
    /// Another guild of the same node.
    fn sibling(&self) -> Self {
        Self {
            guild: GuildId::new(self.guild.get() + 5),
            channel: ChannelId::new(self.guild.get() + 6),
            journal: self.journal.clone(),
            router: self.router.clone(),
            hubs: self.hubs.clone(),
            gate: Arc::clone(&self.gate),
            registry: self.registry.clone(),
            counters: Arc::clone(&self.counters),
            reads: Arc::clone(&self.reads),
        }
    }

    async fn ask(&self, command: Command) -> Outcome {
        let caller = Caller::User(owner());
        self.router
            .ask(self.guild, Request { caller, command })
            .await
    }

    async fn create(&self) {
        let fields = ChannelEdit {
            name: Some("general".to_owned()),
            ..ChannelEdit::default()
        };
        let guild = NewGuild {
            name: "test".to_owned(),
            owner: owner(),
            members: Vec::new(),
            channels: vec![NewChannel {
                id: self.channel,
                kind: ChannelType::Text,
                fields,
            }],
            direct: false,
        };
        self.ask(Command::CreateGuild(Box::new(guild)))
            .await
            .unwrap();
    }

    fn attach(&self, hub: u32, session: u64) {
        let mail = GuildMail::Attach(session_on(hub, session));
        self.router.post(self.guild, mail).unwrap();
    }

    /// Whether the journal has dropped the guild's first records.
    async fn is_trimmed(&self) -> bool {
        let first = self.journal.read(self.guild, 0, 1).await;
        matches!(first, Err(JournalError::Trimmed { .. }))
    }

    async fn say(&self, content: &str) -> Outcome {
        let message = NewMessage {
            content: content.to_owned(),
            ..NewMessage::default()
        };
        self.ask(Command::CreateMessage(self.channel, Box::new(message)))
            .await
    }
}

fn session_on(hub: u32, session: u64) -> Attach {
    Attach {
        hub: HubId(hub),
        session,
        user: OWNER,
        intents: Intents::GUILDS.union(Intents::GUILD_MESSAGES),
        large_threshold: 50,
        presence: None,
    }
}

fn is_items(news: &GuildNews) -> bool {
    matches!(news, GuildNews::Items { .. })
}

/// *Invariant I5*: whatever the number of sessions, a broadcast is one message per hub.
#[test]
fn i5_a_broadcast_is_one_message_per_hub_whatever_the_number_of_sessions() {
    actix::System::new().block_on(async {
        let node = node(3);
        node.create().await;
        for session in 0..500 {
            for hub in 0..3 {
                node.attach(hub, session);
            }
            // Answers keep the mailbox from overflowing.
            node.ask(Command::GetRoles).await.unwrap();
        }
        let before: usize = node.hubs.iter().map(|hub| hub.count(is_items)).sum();
        node.say("hello").await.unwrap();
        let items = |hub: &Arc<Hub>| hub.count(is_items);
        let after: usize = node.hubs.iter().map(items).sum();
        assert_eq!(after - before, 3);
        let stats = node.registry.find(node.guild).unwrap().stats;
        assert_eq!(GuildStats::get(&stats.sessions), 1_500);
    });
}

/// *Invariant I2*: nobody is answered, and no hub hears, before the append is acknowledged.
#[test]
fn i2_nothing_is_answered_or_broadcast_before_the_append() {
    actix::System::new().block_on(async {
        let node = node(1);
        node.create().await;
        node.attach(0, 1);
        node.ask(Command::GetRoles).await.unwrap();
        let held = node.gate.forget_permits(usize::MAX);
        let before = node.hubs[0].count(is_items);
        let answer = node.say("unheard");
        tokio::pin!(answer);
        // A second request that waits behind the first shows that the guild has worked on both.
        let read = node.ask(Command::GetRoles);
        tokio::pin!(read);
        for _ in 0..200 {
            assert!(answer.as_mut().now_or_never().is_none());
            assert!(read.as_mut().now_or_never().is_none());
            assert_eq!(node.hubs[0].count(is_items), before);
            tokio::task::yield_now().await;
        }
        node.gate.add_permits(held.min(1_000));
        answer.await.unwrap();
        assert!(matches!(read.await, Ok(Reply::Json(_))));
        assert_eq!(node.hubs[0].count(is_items), before + 1);
    });
}

/// *Invariant I7*: a hub whose mailbox is full loses the guild, is told so, and nobody else is.
#[test]
fn i7_a_full_hub_is_told_that_it_lost_the_guild_and_others_go_on() {
    actix::System::new().block_on(async {
        let node = node(2);
        node.create().await;
        node.attach(0, 1);
        node.attach(1, 1);
        node.ask(Command::GetRoles).await.unwrap();
        node.hubs[0]
            .full
            .store(true, std::sync::atomic::Ordering::SeqCst);
        for _ in 0..5 {
            node.say("hello").await.unwrap();
        }
        let lost = |news: &GuildNews| matches!(news, GuildNews::Lost { .. });
        assert_eq!(node.hubs[0].count(lost), 1);
        assert_eq!(
            (node.hubs[1].count(lost), node.hubs[1].count(is_items)),
            (0, 5)
        );
    });
}

#[test]
fn a_guild_that_was_never_made_is_unknown() {
    actix::System::new().block_on(async {
        let node = node(1);
        assert_eq!(
            node.ask(Command::GetRoles).await.unwrap_err(),
            ApiError::UNKNOWN_GUILD
        );
    });
}

fn budget(restarts: usize) -> GuildSettings {
    GuildSettings {
        budget: BudgetSettings {
            restarts,
            window: Duration::from_secs(60),
        },
        ..GuildSettings::default()
    }
}

impl Node1 {
    fn fault(&self, point: Point, times: u32) {
        faults::set(Fault {
            guild: self.guild,
            point,
            times,
            ms: 0,
        });
    }

    fn stats(&self) -> Arc<GuildStats> {
        self.registry.find(self.guild).unwrap().stats
    }

    /// What history has, oldest first.
    async fn history(&self) -> Vec<String> {
        let command = Command::GetMessages {
            channel: self.channel,
            page: crate::guild::command::Page::Latest,
            limit: 100,
        };
        let Ok(Reply::Json(body)) = self.ask(command).await else {
            panic!("history is readable");
        };
        let page: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
        let content = |message: &serde_json::Value| message["content"].as_str().unwrap().to_owned();
        page.iter().rev().map(content).collect()
    }

    /// Joins again as a hub does that was told that it lost the guild; answers what it missed.
    async fn rejoin(&self, hub: u32, since: Position) -> Option<Vec<Position>> {
        let mail = GuildMail::Rejoin {
            hub: HubId(hub),
            since,
            sessions: vec![session_on(hub, 1)],
        };
        self.router.post(self.guild, mail).unwrap();
        loop {
            self.ask(Command::GetRoles).await.unwrap();
            let mut news = self.hubs[hub as usize].news.lock().unwrap();
            let found = news
                .iter()
                .position(|news| matches!(news, GuildNews::Rejoined { .. }));
            if let Some(found) = found {
                let GuildNews::Rejoined { missed, .. } = news.remove(found) else {
                    unreachable!("just found")
                };
                let positions =
                    |items: Arc<[Item]>| items.iter().filter_map(Item::position).collect();
                return missed.map(positions);
            }
        }
    }
}

fn is_lost(news: &GuildNews) -> bool {
    matches!(news, GuildNews::Lost { .. })
}

/// *Invariant I8*, *I4*: a panic costs nobody their request.
#[test]
fn i8_requests_that_wait_survive_a_panic_and_the_one_that_met_it_is_done_once() {
    actix::System::new().block_on(async {
        let node = node(1);
        node.create().await;
        node.attach(0, 1);
        node.ask(Command::GetRoles).await.unwrap();
        node.fault(Point::HandlerPanic, 1);
        let contents: Vec<String> = (0..30).map(|n| n.to_string()).collect();
        let said = contents.iter().map(|content| node.say(content));
        for outcome in futures_util::future::join_all(said).await {
            outcome.unwrap();
        }
        assert_eq!(node.history().await, contents);
        assert_eq!(node.hubs[0].count(is_lost), 1);
        assert_eq!(GuildStats::get(&node.stats().restarts), 1);
        assert_eq!(node.stats().health(), Health::Serving);
    });
}

#[test]
fn i8_a_request_that_makes_the_guild_panic_twice_is_dropped_and_its_author_told() {
    actix::System::new().block_on(async {
        let node = node(1);
        node.create().await;
        node.fault(Point::HandlerPanic, 2);
        let (poison, next) = tokio::join!(node.say("poison"), node.say("next"));
        assert_eq!(poison.unwrap_err(), ApiError::INTERNAL);
        next.unwrap();
        assert_eq!(node.history().await, ["next"]);
        assert_eq!(GuildStats::get(&node.stats().restarts), 2);
    });
}

#[test]
fn i8_past_its_budget_a_guild_is_quarantined_until_the_operator_restarts_it() {
    actix::System::new().block_on(async {
        let node = node_with(1, budget(2));
        node.create().await;
        node.say("before").await.unwrap();
        node.attach(0, 1);
        node.ask(Command::GetRoles).await.unwrap();
        node.fault(Point::HandlerPanic, 3);
        assert_eq!(node.say("poison").await.unwrap_err(), ApiError::INTERNAL);
        assert_eq!(node.say("third").await.unwrap_err(), ApiError::UNAVAILABLE);
        assert_eq!(node.stats().health(), Health::Quarantined);
        let refused = node.ask(Command::GetRoles).await;
        assert_eq!(refused.unwrap_err(), ApiError::UNAVAILABLE);
        let unavailable = |news: &GuildNews| matches!(news, GuildNews::Unavailable { .. });
        // The hub had been told to join again, and had not.
        assert_eq!(
            node.hubs[0].count(is_lost) + node.hubs[0].count(unavailable),
            1
        );
        node.router.post(node.guild, GuildMail::Restart).unwrap();
        assert_eq!(node.history().await, ["before"]);
        node.say("after").await.unwrap();
    });
}

/// *Invariant I4*: what the journal has is answered as done, also where the guild panics between the
/// append and the answer; *I3*: hubs that join again are sent it.
#[test]
fn i4_a_panic_between_append_and_broadcast_loses_nothing() {
    actix::System::new().block_on(async {
        let node = node(1);
        node.create().await;
        node.attach(0, 1);
        node.ask(Command::GetRoles).await.unwrap();
        let before = GuildStats::get(&node.stats().position);
        node.fault(Point::FuturePanic, 1);
        node.say("kept").await.unwrap();
        assert_eq!(node.history().await, ["kept"]);
        assert_eq!(node.hubs[0].count(is_lost), 1);
        assert_eq!(node.hubs[0].count(is_items), 0);
        assert_eq!(node.rejoin(0, before).await.unwrap(), [before + 1]);
        node.say("next").await.unwrap();
        assert_eq!(node.hubs[0].count(is_items), 1);
    });
}

/// *Invariant I10*: what a hub missed comes from the journal where memory has it no more.
#[test]
fn i10_a_hub_that_joins_again_is_sent_the_whole_stretch_from_the_journal() {
    actix::System::new().block_on(async {
        let node = node(1);
        node.create().await;
        let since = GuildStats::get(&node.stats().position);
        for n in 0..20 {
            node.say(&n.to_string()).await.unwrap();
        }
        let fields = ChannelEdit {
            name: Some("renamed".to_owned()),
            ..ChannelEdit::default()
        };
        let edit = Command::EditChannel(node.channel, Box::new(fields));
        node.router.post(node.guild, GuildMail::Restart).unwrap();
        let expected: Vec<Position> = (since + 1..=since + 20).collect();
        assert_eq!(node.rejoin(0, since).await.unwrap(), expected);
        // A change of who sees what is among it: that takes the state.
        node.ask(edit).await.unwrap();
        node.router.post(node.guild, GuildMail::Restart).unwrap();
        let missed = node.rejoin(0, since).await.unwrap();
        assert_eq!(missed[..20], expected);
        assert!(missed.len() > 20);
    });
}

/// *Invariant I10*: what a session missed is more than the guild keeps, and it goes on while that is read back.
#[test]
fn i10_a_session_that_comes_back_is_told_everything_while_the_guild_goes_on() {
    actix::System::new().block_on(async {
        let node = node_with(1, tidy());
        node.create().await;
        let since = GuildStats::get(&node.stats().position);
        for n in 0..700 {
            node.say(&n.to_string()).await.unwrap();
        }
        for session in 0..40 {
            let mail = GuildMail::Reattach(session_on(0, session), since);
            let (says, ()) = futures_util::future::join(
                futures_util::future::join_all((0..20).map(|_| node.say("meanwhile"))),
                async { node.router.post(node.guild, mail).unwrap() },
            )
            .await;
            assert!(says.iter().all(Result::is_ok));
        }
        let attached = |news: &GuildNews| matches!(news, GuildNews::Attached { .. });
        while node.hubs[0].count(attached) < 40 {
            node.ask(Command::GetRoles).await.unwrap();
        }
        for news in node.hubs[0].news.lock().unwrap().iter() {
            let GuildNews::Attached { missed, .. } = news else {
                continue;
            };
            let missed = missed.as_ref().expect("all that was missed");
            let positions: Vec<Position> = missed.iter().filter_map(Item::position).collect();
            let all: Vec<Position> = (since + 1..).take(positions.len()).collect();
            assert_eq!(positions, all);
            assert!(positions.len() >= 700);
        }
    });
}

/// Guilds that tidy up all the time.
fn tidy() -> GuildSettings {
    GuildSettings {
        housekeeping: Duration::from_millis(5),
        ..GuildSettings::default()
    }
}

#[test]
fn a_guild_that_nobody_uses_leaves_memory_and_wakes_as_it_was() {
    actix::System::new().block_on(async {
        let settings = GuildSettings {
            passivate_after: Duration::ZERO,
            ..tidy()
        };
        let node = node_with(1, settings);
        node.create().await;
        let long = "x".repeat(1_900);
        for _ in 0..90 {
            node.say(&long).await.unwrap();
        }
        node.say("last").await.unwrap();
        while node.registry.count() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(node.history().await.len(), 91);
        node.say("next").await.unwrap();
        assert_eq!(node.history().await.last().unwrap(), "next");
    });
}

#[test]
fn a_long_tail_becomes_a_snapshot_and_the_guild_is_read_from_it() {
    actix::System::new().block_on(async {
        let node = node_with(1, tidy());
        node.create().await;
        let long = "x".repeat(1_900);
        let mut said = 0;
        while node.journal.snapshot(node.guild).await.unwrap().is_none() {
            node.say(&long).await.unwrap();
            said += 1;
            assert!(said < 10_000, "no snapshot");
        }
        node.router.post(node.guild, GuildMail::Restart).unwrap();
        assert_eq!(node.history().await.len(), said.min(100));
        node.say("next").await.unwrap();
    });
}

/// *Invariant I8*: what shares an executor with a guild that does not end goes on elsewhere, and the
/// guild waits for the operator; *I1*, *I2*: its former actor, awake again, says nothing more.
#[test]
fn i8_the_guilds_of_a_stuck_executor_go_on_and_the_one_that_loops_is_quarantined() {
    actix::System::new().block_on(async {
        let looping = node(1);
        let other = looping.sibling();
        for node in [&looping, &other] {
            node.create().await;
            node.attach(0, 1);
            node.say("before").await.unwrap();
        }
        let hub = &looping.hubs[0];
        let items = hub.count(is_items);
        let limit = Duration::from_secs(1);
        let registry = looping.registry.clone();
        let watchdog = watchdog::start(registry.clone(), Lifelines::default(), limit).unwrap();
        looping.fault(Point::Loop, 1);
        let waits = async {
            while faults::left(Point::Loop, looping.guild) > 0 {
                tokio::task::yield_now().await;
            }
            other.say("waits").await
        };
        let (stuck, waits) = tokio::join!(looping.say("stuck"), waits);
        // Both were in mailboxes that nobody reads.
        assert_eq!(stuck.unwrap_err(), ApiError::UNAVAILABLE);
        assert_eq!(waits.unwrap_err(), ApiError::UNAVAILABLE);
        while looping.counters.guilds_evicted.get() < 2 {
            tokio::task::yield_now().await;
        }
        let states = registry.executors().states();
        assert_eq!(states.len(), 2, "another one was started");
        assert_eq!(states[0].stuck_in(), Some(looping.guild));
        let complaint = states[0].complaint().unwrap();
        assert!(
            complaint.ends_with(&format!("in guild {}", looping.guild)),
            "{complaint}"
        );
        assert_eq!(looping.stats().health(), Health::Quarantined);
        let told = |which: fn(GuildId) -> GuildNews| {
            let wanted = [&looping, &other].map(|node| format!("{:?}", which(node.guild)));
            let news = hub.news.lock().unwrap();
            let news: Vec<String> = news.iter().map(|news| format!("{news:?}")).collect();
            wanted.map(|wanted| news.iter().filter(|news| **news == wanted).count())
        };
        assert_eq!(told(|guild| GuildNews::Unavailable { guild }), [1, 0]);
        assert_eq!(told(|guild| GuildNews::Lost { guild }), [0, 1]);

        other.say("after").await.unwrap();
        assert_eq!(other.history().await, ["before", "after"]);
        assert_eq!(registry.find(other.guild).unwrap().executor, 1);
        let refused = looping.ask(Command::GetRoles).await;
        assert_eq!(refused.unwrap_err(), ApiError::UNAVAILABLE);
        looping
            .router
            .post(looping.guild, GuildMail::Restart)
            .unwrap();
        looping.say("revived").await.unwrap();
        assert_eq!((states[0].guilds, registry.count()), (0, 2));
        assert_eq!(looping.counters.guilds_running.get(), 2);

        // The loop ends: who was stuck finds that others have the guilds.
        looping.fault(Point::Loop, 0);
        while registry.executors().states()[0].stuck.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(looping.counters.executors_stuck.get(), 0);
        looping.say("last").await.unwrap();
        assert_eq!(looping.history().await, ["before", "revived", "last"]);
        other.say("last").await.unwrap();
        assert_eq!(other.history().await, ["before", "after", "last"]);
        assert_eq!(hub.count(is_items), items, "nobody has joined again");
        drop(watchdog);
    });
}
