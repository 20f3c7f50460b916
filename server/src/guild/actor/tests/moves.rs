//! Moving a guild from one executor to another while it is in use.

mod random;
mod stuck;

use futures_util::future::join_all;

use super::*;
use crate::counters::{MoveKind, MoveOutcome};
use crate::guild::core::record;
use crate::guild::event::Event;
use crate::guild::executors::{ExecutorKind, NoSeat};
use crate::guild::handoff::{MoveError, Moved, Reason, Target};

/// A node with three shared executors and one dedicated one.
fn moving_node(hubs: u32) -> Node1 {
    moving_node_with(hubs, GuildSettings::default())
}

fn moving_node_with(hubs: u32, settings: GuildSettings) -> Node1 {
    node_on(Executors::start_with(3, 1), hubs, settings)
}

impl Node1 {
    async fn go(&self, target: Target) -> Result<Moved, MoveError> {
        let moved = self.registry.move_guild(self.guild, target, Reason::ByHand);
        moved.await
    }

    fn executor(&self) -> usize {
        self.registry.find(self.guild).unwrap().executor
    }

    /// What the journal holds, oldest first.
    async fn events(&self) -> Vec<Event> {
        let entries = self.journal.read(self.guild, 0, usize::MAX).await.unwrap();
        let decode = |entry: &Entry| record::decode(&entry.record).unwrap();
        entries.iter().map(decode).collect()
    }

    async fn said(&self) -> Vec<String> {
        let events = self.events().await;
        let content = |event: &Event| match event {
            Event::MessageCreated { message, .. } => Some(message.content.clone()),
            _ => None,
        };
        events.iter().filter_map(content).collect()
    }

    async fn claims(&self) -> usize {
        let events = self.events().await;
        let is_claim = |event: &&Event| matches!(event, Event::Claimed { .. });
        events.iter().filter(is_claim).count()
    }

    /// The positions that a hub was sent, as they came.
    fn heard(&self, hub: usize) -> Vec<Position> {
        let news = self.hubs[hub].news.lock().unwrap();
        let items = news.iter().filter_map(|news| match news {
            GuildNews::Items { items, .. } => Some(items),
            _ => None,
        });
        items
            .flat_map(|items| items.iter().filter_map(Item::position))
            .collect()
    }

    fn count_moves(&self, kind: MoveKind, outcome: MoveOutcome) -> u64 {
        self.counters.guild_moves.of(kind, outcome).get()
    }
}

#[test]
fn a_guild_is_handed_over_with_its_hubs_and_sessions_and_nobody_is_told() {
    actix::System::new().block_on(async {
        let node = moving_node(2);
        node.create().await;
        node.attach(0, 1);
        node.attach(1, 2);
        let since = GuildStats::get(&node.stats().position);
        for n in 0..10 {
            node.say(&n.to_string()).await.unwrap();
        }
        let requests = GuildStats::get(&node.stats().requests);
        let claims = node.claims().await;
        let moved = node.go(Target::Shared(2)).await.unwrap();
        assert_eq!((moved.from, moved.to, moved.kind), (0, 2, MoveKind::Shared));
        assert!(moved.pause.unwrap() < Duration::from_secs(1));
        assert_eq!(node.executor(), 2);
        node.say("after").await.unwrap();
        assert_eq!(node.claims().await, claims + 1, "the new owner claims (I1)");
        for hub in 0..2 {
            assert_eq!(node.hubs[hub].count(is_lost), 0);
            assert_eq!(node.heard(hub).len(), 11);
        }
        // What its memory has of the past came with it.
        assert_eq!(node.rejoin(0, since).await.unwrap().len(), 11);
        assert_eq!(node.history().await.len(), 11);
        let shown = node.registry.find(node.guild).unwrap();
        assert_eq!(GuildStats::get(&shown.stats.sessions), 2);
        assert!(GuildStats::get(&shown.stats.requests) > requests);
        assert_eq!(
            (shown.reason, shown.kind),
            (Reason::ByHand, ExecutorKind::Shared)
        );
        assert_eq!(shown.moves.as_deref(), Some(&[moved][..]));
        assert_eq!(node.count_moves(MoveKind::Shared, MoveOutcome::Done), 1);
        assert_eq!(node.counters.guild_move_pause_seconds.counts().count(), 1);
        assert_eq!(node.counters.guilds_running.get(), 1);
        let guilds: Vec<usize> = node
            .registry
            .executors()
            .states()
            .iter()
            .map(|it| it.guilds)
            .collect();
        assert_eq!(guilds, [0, 0, 1]);
    });
}

#[test]
fn a_guild_gets_a_thread_of_its_own_and_gives_it_back() {
    actix::System::new().block_on(async {
        let node = moving_node(1);
        let other = node.sibling();
        node.create().await;
        other.create().await;
        let moved = node.go(Target::Dedicated).await.unwrap();
        assert_eq!((moved.to, moved.kind), (3, MoveKind::Promotion));
        let dedicated = ExecutorKind::Dedicated(node.guild);
        assert_eq!(node.registry.find(node.guild).unwrap().kind, dedicated);
        assert_eq!(
            node.go(Target::Dedicated).await,
            Err(MoveError::AlreadyThere)
        );
        let none_left = Err(MoveError::NoSeat(NoSeat::NoneLeft(1)));
        assert_eq!(other.go(Target::Dedicated).await, none_left);
        let not_shared = Err(MoveError::NoSeat(NoSeat::NotShared(3)));
        assert_eq!(other.go(Target::Shared(3)).await, not_shared);
        node.say("alone").await.unwrap();
        for _ in 0..20 {
            let moved = node.go(Target::LeastLoaded).await.unwrap();
            assert_eq!(moved.kind, MoveKind::Demotion);
            // At once: the former thread may not have ended yet.
            node.go(Target::Dedicated).await.unwrap();
        }
        let states = node.registry.executors().states();
        assert_eq!(states.len(), 4);
        assert_eq!(states[3].kind, dedicated);
        node.go(Target::Shared(0)).await.unwrap();
        while node.registry.executors().count() > 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(node.history().await, ["alone"]);
        let last = node.registry.find(node.guild).unwrap().moves.unwrap();
        assert_eq!(last.len(), crate::guild::handoff::REMEMBERED);
        assert_eq!(last[0].kind, MoveKind::Demotion);
    });
}

/// *Invariant I3*, *I4*: senders that wait for each answer see their messages in order, whatever the
/// guild is on meanwhile.
#[test]
fn i3_i4_messages_of_many_senders_are_each_there_once_and_in_order_while_the_guild_moves() {
    actix::System::new().block_on(async {
        let node = moving_node(1);
        node.create().await;
        node.attach(0, 1);
        node.ask(Command::GetRoles).await.unwrap();
        let before = GuildStats::get(&node.stats().position);
        let senders = (0..8).map(|sender| {
            let node = &node;
            async move {
                for n in 0..100 {
                    node.say(&format!("{sender}-{n}")).await.unwrap();
                }
            }
        });
        let mover = async {
            let targets = [Target::LeastLoaded, Target::Dedicated, Target::LeastLoaded];
            for target in targets.iter().cycle().take(60) {
                node.go(*target).await.unwrap();
            }
        };
        tokio::join!(join_all(senders), mover);
        let said = node.said().await;
        assert_eq!(said.len(), 800);
        for sender in 0..8 {
            let prefix = format!("{sender}-");
            let own: Vec<&String> = said.iter().filter(|it| it.starts_with(&prefix)).collect();
            let expected: Vec<String> = (0..100).map(|n| format!("{sender}-{n}")).collect();
            assert!(own.into_iter().eq(expected.iter()));
        }
        let heard = node.heard(0);
        assert!(heard.is_sorted_by(|a, b| a < b));
        assert_eq!(heard.iter().filter(|at| **at > before).count(), 800);
        assert_eq!(node.hubs[0].count(is_lost), 0);
    });
}

/// *Invariant I2*: an append that is in flight goes with the guild; its authors are answered by the
/// successor, and nobody before it is acknowledged.
#[test]
fn i2_an_append_in_flight_is_seen_through_by_the_successor() {
    actix::System::new().block_on(async {
        let node = moving_node(1);
        node.create().await;
        node.attach(0, 1);
        node.ask(Command::GetRoles).await.unwrap();
        let held = node.gate.forget_permits(usize::MAX);
        let items = node.hubs[0].count(is_items);
        let answers = join_all(["first", "second"].map(|content| node.say(content)));
        tokio::pin!(answers);
        assert!(answers.as_mut().now_or_never().is_none());
        for to in [1, 2, 0] {
            assert_eq!(node.go(Target::Shared(to)).await.unwrap().to, to);
        }
        assert!(answers.as_mut().now_or_never().is_none());
        assert_eq!(node.hubs[0].count(is_items), items);
        node.gate.add_permits(held.min(1_000));
        assert!(answers.await.iter().all(Result::is_ok));
        assert_eq!(node.history().await, ["first", "second"]);
        assert_eq!(node.heard(0).len(), 2);
    });
}

/// *Invariant I4*: whether it was written is read from the journal by the successor.
#[test]
fn i4_an_append_whose_outcome_is_unknown_is_looked_up_after_the_move() {
    actix::System::new().block_on(async {
        let node = moving_node(1);
        node.create().await;
        node.attach(0, 1);
        node.ask(Command::GetRoles).await.unwrap();
        let held = node.gate.forget_permits(usize::MAX);
        node.fault(Point::AppendUnknown, 1);
        let answer = node.say("kept");
        tokio::pin!(answer);
        assert!(answer.as_mut().now_or_never().is_none());
        while faults::left(Point::AppendUnknown, node.guild) > 0 {
            tokio::task::yield_now().await;
        }
        let moved = node.go(Target::Shared(1)).await.unwrap();
        assert!(moved.pause.is_some());
        node.gate.add_permits(held.min(1_000));
        answer.await.unwrap();
        assert_eq!(node.history().await, ["kept"]);
        assert_eq!(node.hubs[0].count(is_lost), 1);
        node.say("next").await.unwrap();
        assert_eq!(node.said().await, ["kept", "next"]);
    });
}

/// *Invariant I1*: what the log refuses because somebody else wrote is not done.
#[test]
fn i1_an_append_that_the_log_refuses_after_the_move_is_answered_so() {
    actix::System::new().block_on(async {
        let node = moving_node(1);
        node.create().await;
        let held = node.gate.forget_permits(usize::MAX);
        let answer = node.say("refused");
        tokio::pin!(answer);
        assert!(answer.as_mut().now_or_never().is_none());
        while GuildStats::get(&node.stats().requests) < 2 {
            tokio::task::yield_now().await;
        }
        node.go(Target::Shared(1)).await.unwrap();
        let position = node.journal.last_position(node.guild).await.unwrap();
        let claim = Event::Claimed {
            node: "another".to_owned(),
        };
        let foreign =
            node.journal
                .append(node.guild, position, vec![record::encode(&claim).into()]);
        foreign.await.unwrap();
        node.gate.add_permits(held.min(1_000));
        assert_eq!(answer.await.unwrap_err(), ApiError::UNAVAILABLE);
        node.say("taken").await.unwrap();
        assert_eq!(node.said().await, ["taken"]);
    });
}

#[test]
fn i4_a_panic_while_handing_over_is_made_good_by_the_successor() {
    actix::System::new().block_on(async {
        let node = moving_node(1);
        node.create().await;
        node.attach(0, 1);
        node.ask(Command::GetRoles).await.unwrap();
        node.fault(Point::ReleasePanic, 1);
        let said = join_all((0..30).map(|n| {
            let node = &node;
            async move { node.say(&n.to_string()).await }
        }));
        let (answers, moved) = tokio::join!(said, node.go(Target::Shared(1)));
        let moved = moved.unwrap();
        assert_eq!((moved.to, moved.pause), (1, None), "it was read");
        assert_eq!(node.executor(), 1);
        assert_eq!(faults::left(Point::ReleasePanic, node.guild), 0);
        assert_eq!(GuildStats::get(&node.stats().restarts), 1);
        let history = node.said().await;
        for (n, answer) in answers.iter().enumerate() {
            let times = history.iter().filter(|it| **it == n.to_string()).count();
            let kept = usize::from(answer.is_ok());
            assert!(
                times == kept || (answer.is_err() && times <= 1),
                "{n}: {answer:?}"
            );
        }
        node.say("after").await.unwrap();
        assert_eq!(node.hubs[0].count(is_lost), 1);
        assert_eq!(node.stats().health(), Health::Serving);
    });
}

#[test]
fn requests_that_wait_for_old_messages_are_answered_by_the_successor() {
    actix::System::new().block_on(async {
        let settings = GuildSettings {
            core: Arc::new(crate::guild::core::CoreSettings {
                max_messages: 10,
                ..Default::default()
            }),
            ..GuildSettings::default()
        };
        let node = moving_node_with(1, settings);
        node.create().await;
        for n in 0..40 {
            node.say(&n.to_string()).await.unwrap();
        }
        let held = node.reads.forget_permits(usize::MAX);
        let history = node.history();
        tokio::pin!(history);
        assert!(history.as_mut().now_or_never().is_none());
        while node.counters.recalls.get() == 0 {
            tokio::task::yield_now().await;
        }
        node.go(Target::Shared(1)).await.unwrap();
        node.reads.add_permits(held.min(1_000));
        assert_eq!(history.await.len(), 40);
        assert_eq!(node.counters.recalls_refused.get(), 0);
    });
}

/// One move at a time; the guild leaves once it can.
#[test]
fn a_second_move_is_refused_while_one_is_under_way() {
    actix::System::new().block_on(async {
        let node = moving_node(1);
        node.create().await;
        node.say("before").await.unwrap();
        // It is being loaded, and cannot claim its log yet: the move waits for that.
        let held = node.gate.forget_permits(usize::MAX);
        node.router.post(node.guild, GuildMail::Restart).unwrap();
        while node.stats().health() == Health::Serving {
            tokio::task::yield_now().await;
        }
        let first = node.go(Target::Shared(1));
        tokio::pin!(first);
        while node.executor() != 1 {
            assert!(first.as_mut().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        let second = node.go(Target::Shared(2)).await;
        assert_eq!(second, Err(MoveError::AlreadyMoving));
        assert!(node.registry.find(node.guild).unwrap().moving);
        // Mail for the successor counts against the same bounds.
        let waits = join_all((0..100).map(|_| node.ask(Command::GetRoles)));
        tokio::pin!(waits);
        assert!(waits.as_mut().now_or_never().is_none());
        let gauge = node.registry.find(node.guild).unwrap().mail;
        assert!(gauge.count() <= 65 && gauge.refused() >= 35, "{gauge:?}");
        node.gate.add_permits(held.min(1_000));
        assert_eq!(first.await.unwrap().to, 1);
        assert_eq!(
            waits.await.iter().filter(|it| it.is_ok()).count() as u64,
            100 - gauge.refused()
        );
        while gauge.count() > 0 {
            // The last one was answered, and is about to be done with.
            tokio::task::yield_now().await;
        }
        assert_eq!(node.count_moves(MoveKind::Shared, MoveOutcome::Refused), 1);
        assert_eq!(node.history().await, ["before"]);
    });
}

#[test]
fn a_move_that_cannot_be_leaves_the_guild_where_it_is() {
    actix::System::new().block_on(async {
        let node = moving_node(1);
        let not_running = Err(MoveError::NotRunning(node.guild));
        assert_eq!(node.go(Target::LeastLoaded).await, not_running);
        node.create().await;
        assert_eq!(
            node.go(Target::Shared(0)).await,
            Err(MoveError::AlreadyThere)
        );
        let unknown = Err(MoveError::NoSeat(NoSeat::Unknown(9)));
        assert_eq!(node.go(Target::Shared(9)).await, unknown);
        let single = node_with(1, budget(0));
        single.create().await;
        let no_other = Err(MoveError::NoSeat(NoSeat::NoOther));
        assert_eq!(single.go(Target::LeastLoaded).await, no_other);
        let none_left = Err(MoveError::NoSeat(NoSeat::NoneLeft(0)));
        assert_eq!(single.go(Target::Dedicated).await, none_left);
        single.fault(Point::HandlerPanic, 1);
        single.say("poison").await.unwrap_err();
        assert_eq!(
            single.go(Target::LeastLoaded).await,
            Err(MoveError::Quarantined)
        );
        node.say("here").await.unwrap();
        node.go(Target::Shared(1)).await.unwrap();
        node.registry.stop_moves();
        assert_eq!(node.go(Target::Shared(2)).await, Err(MoveError::Draining));
        assert_eq!(node.history().await, ["here"]);
        let states = node.registry.executors().states();
        let guilds: Vec<usize> = states.iter().map(|it| it.guilds).collect();
        assert_eq!(guilds, [0, 1, 0]);
    });
}

#[test]
fn a_guild_may_leave_memory_or_be_deleted_while_it_is_moved() {
    actix::System::new().block_on(async {
        let settings = GuildSettings {
            passivate_after: Duration::ZERO,
            housekeeping: Duration::from_millis(1),
            ..GuildSettings::default()
        };
        let node = moving_node_with(1, settings);
        node.create().await;
        let (mut moved, mut missed) = (0, 0);
        for n in 0..300 {
            node.say(&n.to_string()).await.unwrap();
            if n % 3 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            match node.go(Target::LeastLoaded).await {
                Ok(_) => moved += 1,
                Err(MoveError::NotRunning(_) | MoveError::Gone) => missed += 1,
                Err(error) => panic!("{error}"),
            }
        }
        println!("{moved} moved, {missed} had left");
        let expected: Vec<String> = (0..300).map(|n| n.to_string()).collect();
        assert_eq!(node.said().await, expected);
        let (deleted, _) =
            tokio::join!(node.ask(Command::DeleteGuild), node.go(Target::LeastLoaded));
        deleted.unwrap();
        while node.registry.count() > 0 {
            tokio::task::yield_now().await;
        }
        let states = node.registry.executors().states();
        assert!(states.iter().all(|it| it.guilds == 0));
        let gone = node.ask(Command::GetRoles).await;
        assert_eq!(gone.unwrap_err(), ApiError::UNKNOWN_GUILD);
    });
}

#[test]
fn a_guild_looks_whether_it_is_needed_also_after_a_panic_and_on_its_next_thread() {
    actix::System::new().block_on(async {
        let settings = GuildSettings {
            passivate_after: Duration::from_millis(500),
            housekeeping: Duration::from_millis(5),
            ..GuildSettings::default()
        };
        let node = moving_node_with(1, settings);
        node.create().await;
        for moves in [false, true] {
            node.fault(Point::HandlerPanic, 1);
            node.say("again").await.unwrap();
            if moves {
                node.go(Target::LeastLoaded).await.unwrap();
            }
            while node.registry.count() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        assert_eq!(node.history().await, ["again", "again"]);
    });
}

#[test]
fn a_guild_with_a_long_tail_moves_without_reading_it() {
    actix::System::new().block_on(async {
        let node = moving_node(1);
        node.create().await;
        for chunk in 0..20 {
            let contents = (0..50).map(|n| (chunk * 50 + n).to_string());
            let said = contents.map(|content| {
                let node = &node;
                async move { node.say(&content).await.unwrap() }
            });
            join_all(said).await;
        }
        let mut longest = Duration::ZERO;
        for _ in 0..50 {
            let moved = node.go(Target::LeastLoaded).await.unwrap();
            longest = longest.max(moved.pause.unwrap());
        }
        println!("longest pause of 50 moves with a tail of 1,000: {longest:?}");
        assert_eq!(node.said().await.len(), 1_000);
        assert_eq!(node.count_moves(MoveKind::Shared, MoveOutcome::Done), 50);
        assert_eq!(node.count_moves(MoveKind::Shared, MoveOutcome::Loaded), 0);
    });
}
