use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use futures_util::FutureExt;

use super::*;
use crate::fanout::mail::HubLink;
use crate::guild::command::{Caller, ChannelEdit, NewChannel, NewGuild, NewMessage, Reply};
use crate::guild::executors::Executors;
use crate::guild::router::Router;
use crate::journal::{Entry, JournalFuture, MemoryJournal, Snapshot};
use crate::placement::{
    Member as Node, NodeName, Overrides, Placement, PlacementHandle, Ring, RingSettings,
};
use crate::protocol::objects::{ChannelType, User};
use crate::protocol::{ChannelId, Intents};
use crate::supervision::mail::MailBounds;

const GUILD: GuildId = GuildId::new(77);
const CHANNEL: ChannelId = ChannelId::new(78);
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

/// A journal whose appends wait until they are let through.
struct GatedJournal {
    inner: MemoryJournal,
    gate: Arc<tokio::sync::Semaphore>,
}

impl Journal for GatedJournal {
    fn append(
        &self,
        guild: GuildId,
        expected: Position,
        records: Vec<Bytes>,
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
    router: Router,
    hubs: Vec<Arc<Hub>>,
    gate: Arc<tokio::sync::Semaphore>,
    registry: Registry,
}

fn node(hubs: u32) -> Node1 {
    let links = HubLinks::default();
    let hubs: Vec<Arc<Hub>> = (0..hubs)
        .map(|id| {
            let hub = Arc::new(Hub::default());
            links.insert(HubId(id), Arc::clone(&hub) as Arc<dyn HubLink>);
            hub
        })
        .collect();
    let gate = Arc::new(tokio::sync::Semaphore::new(1_000_000));
    let journal = GatedJournal {
        inner: MemoryJournal::new(),
        gate: Arc::clone(&gate),
    };
    let tools = GuildTools {
        journal: Arc::new(journal),
        ids: Arc::new(SnowflakeSource::new(1)),
        hubs: links,
        node: "here".into(),
        counters: Arc::default(),
    };
    let bounds = MailBounds {
        count: 64,
        bytes: 1 << 20,
    };
    let registry = Registry::new(Executors::start(1), tools, bounds);
    let here = NodeName::new("here").unwrap();
    let ring = Ring::build([Node::new(here.clone())], RingSettings::default()).unwrap();
    let placement = PlacementHandle::new(Placement::new(ring, Overrides::new()));
    let router = Router::new(placement, here, registry.clone(), Duration::from_secs(20));
    Node1 {
        router,
        hubs,
        gate,
        registry,
    }
}

fn owner() -> Arc<User> {
    Arc::new(User::new(OWNER, "owner", false))
}

impl Node1 {
    async fn ask(&self, command: Command) -> Outcome {
        let caller = Caller::User(owner());
        self.router.ask(GUILD, Request { caller, command }).await
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
                id: CHANNEL,
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
        let attach = Attach {
            hub: HubId(hub),
            session,
            user: OWNER,
            intents: Intents::GUILDS.union(Intents::GUILD_MESSAGES),
            large_threshold: 50,
            presence: None,
        };
        self.router.post(GUILD, GuildMail::Attach(attach)).unwrap();
    }

    async fn say(&self, content: &str) -> Outcome {
        let message = NewMessage {
            content: content.to_owned(),
            ..NewMessage::default()
        };
        self.ask(Command::CreateMessage(CHANNEL, Box::new(message)))
            .await
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
        let stats = node.registry.find(GUILD).unwrap().stats;
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
