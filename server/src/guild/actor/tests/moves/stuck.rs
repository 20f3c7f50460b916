//! Executors that are stuck while a guild is between two of them.

use super::*;
use crate::supervision::watchdog::Watchdog;

/// A guild on executor 0, one on executor 1, and a watchdog.
async fn two_guilds() -> (Node1, Node1, Watchdog) {
    let node = moving_node(1);
    let other = node.sibling();
    node.create().await;
    other.create().await;
    assert_eq!((node.executor(), other.executor()), (0, 1));
    node.attach(0, 1);
    node.say("before").await.unwrap();
    let limit = Duration::from_secs(1);
    let watchdog = watchdog::start(node.registry.clone(), Lifelines::default(), limit);
    (node, other, watchdog.unwrap())
}

impl Node1 {
    /// Has the guild keep its executor from now on.
    async fn get_stuck(&self) {
        self.fault(Point::Loop, 1);
        let stuck = self.say("stuck");
        tokio::pin!(stuck);
        while faults::left(Point::Loop, self.guild) > 0 {
            assert!(stuck.as_mut().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
    }

    async fn goes_on(&self) {
        self.fault(Point::Loop, 0);
        while self.counters.executors_stuck.get() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[test]
fn a_target_that_does_not_start_the_successor_leaves_the_guild_in_charge() {
    actix::System::new().block_on(async {
        let node = moving_node(1);
        let other = node.sibling();
        node.create().await;
        other.create().await;
        other.get_stuck().await;
        // One that is given up before the guild was told to leave changes nothing.
        assert!(node.go(Target::Shared(1)).now_or_never().is_none());
        assert!(!node.registry.find(node.guild).unwrap().moving);
        // No watchdog: it is not known to be stuck.
        assert_eq!(node.go(Target::Shared(1)).await, Err(MoveError::Silent(1)));
        assert_eq!(node.executor(), 0);
        node.say("here").await.unwrap();
        assert_eq!(node.count_moves(MoveKind::Shared, MoveOutcome::Aborted), 1);
        other.fault(Point::Loop, 0);
        other.ask(Command::GetRoles).await.unwrap();
        // The one that was to follow is started now, finds that it is not wanted, and stops.
        node.say("still here").await.unwrap();
        assert_eq!(node.go(Target::Shared(1)).await.unwrap().to, 1);
        assert_eq!(node.history().await, ["here", "still here"]);
    });
}

#[test]
fn a_guild_whose_former_executor_is_stuck_is_read_from_its_journal_and_keeps_its_mail() {
    actix::System::new().block_on(async {
        let (node, other, watchdog) = two_guilds().await;
        other.go(Target::Shared(0)).await.unwrap();
        other.get_stuck().await;
        let asked = node.say("asked before");
        tokio::pin!(asked);
        assert!(asked.as_mut().now_or_never().is_none());
        let moved = node.go(Target::Shared(2));
        tokio::pin!(moved);
        while node.executor() != 2 {
            assert!(moved.as_mut().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        let (moved, asked, during) = tokio::join!(moved, asked, node.say("during"));
        assert_eq!(moved.unwrap().pause, None);
        assert_eq!(asked.unwrap_err(), ApiError::UNAVAILABLE, "nobody reads it");
        during.unwrap();
        assert_eq!(node.executor(), 2);
        assert_eq!(
            node.hubs[0].count(|news| {
                matches!(news, GuildNews::Lost { guild } if *guild == node.guild)
            }),
            1
        );
        assert_eq!(node.count_moves(MoveKind::Shared, MoveOutcome::Loaded), 1);
        assert_eq!(node.history().await, ["before", "during"]);
        // Its former actor, awake again, says nothing.
        other.goes_on().await;
        node.say("after").await.unwrap();
        assert_eq!(node.history().await, ["before", "during", "after"]);
        assert_eq!(node.registry.count(), 2);
        drop(watchdog);
    });
}

#[test]
fn a_guild_that_loops_while_it_is_moved_is_quarantined() {
    actix::System::new().block_on(async {
        let (node, _other, watchdog) = two_guilds().await;
        node.get_stuck().await;
        assert_eq!(
            node.go(Target::Shared(2)).await,
            Err(MoveError::Interrupted)
        );
        assert_eq!(node.stats().health(), Health::Quarantined);
        assert_eq!(
            node.registry.find(node.guild).unwrap().reason,
            Reason::Stuck
        );
        node.router.post(node.guild, GuildMail::Restart).unwrap();
        node.say("revived").await.unwrap();
        node.goes_on().await;
        node.say("last").await.unwrap();
        assert_eq!(node.history().await, ["before", "revived", "last"]);
        let moved = node.go(Target::LeastLoaded).await.unwrap();
        assert_eq!(node.executor(), moved.to);
        drop(watchdog);
    });
}

#[test]
fn a_guild_whose_next_executor_gets_stuck_is_started_elsewhere() {
    actix::System::new().block_on(async {
        let (node, other, watchdog) = two_guilds().await;
        // It is being loaded and cannot leave yet.
        let held = node.gate.forget_permits(usize::MAX);
        node.router.post(node.guild, GuildMail::Restart).unwrap();
        while node.stats().health() == Health::Serving {
            tokio::task::yield_now().await;
        }
        let moved = node.go(Target::Shared(1));
        tokio::pin!(moved);
        while node.executor() != 1 {
            assert!(moved.as_mut().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        other.get_stuck().await;
        let (moved, during) = tokio::join!(moved, node.say("during"));
        assert_eq!(moved, Err(MoveError::Interrupted));
        assert_eq!(during.unwrap_err(), ApiError::UNAVAILABLE);
        node.gate.add_permits(held.min(1_000));
        node.say("after").await.unwrap();
        assert_ne!(node.executor(), 1);
        other.goes_on().await;
        node.say("last").await.unwrap();
        assert_eq!(node.history().await, ["before", "after", "last"]);
        drop(watchdog);
    });
}

/// The thread that is stuck is the guild's own: it counts as taken until it has ended.
#[test]
fn a_dedicated_executor_that_is_stuck_ends_when_it_goes_on() {
    actix::System::new().block_on(async {
        let (node, other, watchdog) = two_guilds().await;
        node.go(Target::Dedicated).await.unwrap();
        node.get_stuck().await;
        while node.stats().health() != Health::Quarantined {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(node.executor() < 3, "on a shared one");
        let none_left = Err(MoveError::NoSeat(NoSeat::NoneLeft(1)));
        assert_eq!(other.go(Target::Dedicated).await, none_left);
        let states = node.registry.executors().states();
        assert_eq!((states.len(), states[3].stuck_in()), (4, Some(node.guild)));
        node.goes_on().await;
        while node.registry.executors().count() > 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(other.go(Target::Dedicated).await.unwrap().to, 3);
        drop(watchdog);
    });
}
