//! Guilds that go to another node, at whichever moment that finds them.

use std::pin::Pin;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::*;
use crate::guild::departure::Forward;
use crate::guild::remote::{Asked, Remote};
use crate::guild::router::Unavailable;

/// The way to the only other node.
struct Way(Router);

impl Remote for Way {
    fn may_serve(&self) -> bool {
        true
    }

    fn ask(
        &self,
        _: &NodeName,
        guild: GuildId,
        request: &Request,
        end: Instant,
    ) -> Pin<Box<dyn Future<Output = Asked> + Send>> {
        let (router, request) = (self.0.clone(), request.clone());
        Box::pin(async move { router.ask_here(guild, request, end).await })
    }

    fn post(&self, _: &NodeName, guild: GuildId, mail: GuildMail) -> Result<(), Unavailable> {
        self.0.post_here(guild, mail)
    }
}

/// Two nodes with one journal; each follows its own placement.
struct Two {
    first: Node1,
    second: Node1,
    placements: [PlacementHandle; 2],
}

fn name(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

/// All guilds are the first node's.
fn two() -> Two {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = (1 << 40) + NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) * 10;
    let nodes = ["first", "second"].map(|it| Node::new(name(it)));
    let ring = Ring::build(nodes, RingSettings::default()).unwrap();
    let mut pins = Overrides::new();
    pins.pin(number, name("first")).unwrap();
    let placement = Placement::new(ring, pins);
    let placements = [0, 1].map(|_| PlacementHandle::new(placement.clone()));
    let journal = MemoryJournal::new();
    let node = |at: usize, here: &str| {
        let place = (name(here), placements[at].clone());
        let load = (1, GuildSettings::default());
        node_over((journal.clone(), number), place, Executors::start(1), load)
    };
    let (first, second) = (node(0, "first"), node(1, "second"));
    first.router.connect(Arc::new(Way(second.router.clone())));
    second.router.connect(Arc::new(Way(first.router.clone())));
    Two {
        first,
        second,
        placements,
    }
}

impl Two {
    /// From now on the guild is the second node's, as both hear at once.
    fn flip(&self) {
        for placement in &self.placements {
            let mut pins = Overrides::new();
            pins.pin(self.first.guild.get(), name("second")).unwrap();
            let next = placement.snapshot().with_overrides(pins);
            placement.publish(next).unwrap();
        }
        let router = &self.first.router;
        let forward = |guild| -> Forward {
            let router = router.clone();
            Arc::new(move |mail| router.post(guild, mail).unwrap())
        };
        assert_eq!(self.first.registry.release_where(|_| true, forward), 1);
    }
}

/// Nothing that was asked of a guild which is just being read is refused when it goes; its reader is
/// not waited for.
#[test]
fn a_guild_that_is_being_read_hands_on_what_waits_when_it_goes() {
    actix::System::new().block_on(async {
        let nodes = two();
        let (first, second) = (&nodes.first, &nodes.second);
        first.create().await;
        first.say("before").await.unwrap();
        // The claim at the end of the read is not let through.
        first.gate.forget_permits(usize::MAX);
        first.router.post(first.guild, GuildMail::Restart).unwrap();
        while first.stats().health() != Health::Loading {
            tokio::task::yield_now().await;
        }
        let contents = ["a", "b", "c", "d"];
        let waiting = join_all(contents.map(|content| first.say(content)));
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        first.attach(0, 1);
        nodes.flip();
        for outcome in waiting.await {
            outcome.unwrap();
        }
        let mut history = second.history().await;
        history[1..].sort_unstable();
        assert_eq!(history, ["before", "a", "b", "c", "d"]);
        // The session's attachment went along.
        let is_attached = |news: &GuildNews| matches!(news, GuildNews::Attached { .. });
        while second.hubs[0].count(is_attached) == 0 {
            tokio::task::yield_now().await;
        }
        while first.counters.guilds_running.get() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

/// *Invariant I4*: what was under way where the next owner was first was not written, and is done once there.
#[test]
fn i4_an_append_that_the_next_owner_was_faster_than_is_made_there_once() {
    actix::System::new().block_on(async {
        let nodes = two();
        let (first, second) = (&nodes.first, &nodes.second);
        first.create().await;
        let held = first.gate.forget_permits(usize::MAX);
        let waiting = join_all(["a", "b"].map(|content| first.say(content)));
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        while GuildStats::get(&first.stats().requests) < 3 {
            tokio::task::yield_now().await;
        }
        nodes.flip();
        second.say("first there").await.unwrap();
        // Longer than who asks waits for an actor that is not the guild's.
        let longer = tokio::time::sleep(Duration::from_millis(700));
        tokio::select! {
            _ = &mut waiting => panic!("nothing is answered before the append is"),
            () = longer => {}
        }
        first.gate.add_permits(held.min(1_000));
        for outcome in waiting.await {
            outcome.unwrap();
        }
        let mut history = second.history().await;
        history[1..].sort_unstable();
        assert_eq!(history, ["first there", "a", "b"]);
    });
}
