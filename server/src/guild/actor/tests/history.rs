//! History that is in memory no more: read from the journal, or let go.

use super::*;
use crate::guild::core::{CoreSettings, Retention};
use crate::guild::sweep::{self, SweepSettings};

fn forgetful() -> GuildSettings {
    GuildSettings {
        core: Arc::new(CoreSettings {
            max_messages: 10,
            ..CoreSettings::default()
        }),
        ..GuildSettings::default()
    }
}

impl Node1 {
    async fn json(&self, command: Command) -> serde_json::Value {
        match self.ask(command).await {
            Ok(Reply::Json(body)) => serde_json::from_slice(&body).unwrap(),
            other => panic!("no body: {other:?}"),
        }
    }

    /// Says the numbers up to `count`; answers the messages' ids.
    async fn say_numbers(&self, count: usize) -> Vec<MessageId> {
        let mut ids = Vec::new();
        for n in 0..count {
            let Ok(Reply::Json(body)) = self.say(&n.to_string()).await else {
                panic!("said");
            };
            let message: serde_json::Value = serde_json::from_slice(&body).unwrap();
            ids.push(message["id"].as_str().unwrap().parse().unwrap());
        }
        ids
    }

    fn edit(&self, id: MessageId, content: &str) -> Command {
        let edit = crate::guild::command::MessageEdit {
            content: Some(content.to_owned()),
            ..Default::default()
        };
        Command::EditMessage(self.channel, id, Box::new(edit))
    }

    fn react(&self, id: MessageId, emoji: &str) -> Command {
        let emoji = crate::protocol::objects::EmojiKey::parse(emoji).unwrap();
        Command::AddReaction(self.channel, id, emoji)
    }
}

#[test]
fn what_memory_forgot_is_read_edited_reacted_to_and_deleted() {
    actix::System::new().block_on(async {
        let node = node_with(1, forgetful());
        node.create().await;
        let ids = node.say_numbers(60).await;
        assert_eq!(node.history().await.len(), 60);
        node.json(node.edit(ids[3], "edited")).await;
        node.ask(node.react(ids[4], "👍")).await.unwrap();
        let delete = |id| Command::DeleteMessage(node.channel, id);
        node.ask(delete(ids[5])).await.unwrap();
        let gone = node.ask(delete(ids[5])).await;
        assert_eq!(gone.unwrap_err(), ApiError::UNKNOWN_MESSAGE);
        let bulk = Command::BulkDelete(node.channel, vec![ids[6], ids[7], ids[59]]);
        node.ask(bulk).await.unwrap();
        // Before and after the state is thrown away and read from the journal.
        for _ in 0..2 {
            let history = node.history().await;
            assert_eq!(history.len(), 56);
            assert_eq!(history[..6], ["0", "1", "2", "edited", "4", "8"]);
            let reacted = node.json(Command::GetMessage(node.channel, ids[4])).await;
            assert_eq!(reacted["reactions"][0]["count"], 1);
            let page = Command::GetMessages {
                channel: node.channel,
                page: crate::guild::command::Page::After(ids[2]),
                limit: 3,
            };
            let page = node.json(page).await;
            assert_eq!(page[2]["content"], "edited");
            assert_eq!(page[0]["content"], "8");
            node.router.post(node.guild, GuildMail::Restart).unwrap();
        }
    });
}

/// While old messages are read the guild goes on, and what it forgets meanwhile is not missed.
#[test]
fn a_slow_read_of_old_messages_holds_nobody_up_and_misses_nothing() {
    actix::System::new().block_on(async {
        let node = node_with(1, forgetful());
        node.create().await;
        let ids = node.say_numbers(30).await;
        let held = node.reads.forget_permits(usize::MAX);
        let asked = node.history();
        tokio::pin!(asked);
        assert!(asked.as_mut().now_or_never().is_none());
        // What it is about to show is edited and forgotten before the read is done.
        node.json(node.edit(ids[25], "edited")).await;
        for _ in 0..20 {
            node.say("later").await.unwrap();
        }
        assert!(asked.as_mut().now_or_never().is_none());
        node.reads.add_permits(held.min(1_000));
        let history = asked.await;
        assert_eq!(history.len(), 50);
        assert_eq!(history[24..27], ["24", "edited", "26"]);
    });
}

/// *Invariant I7*: requests that wait for old messages are bounded.
#[test]
fn i7_too_many_requests_for_old_messages_are_refused_and_counted() {
    actix::System::new().block_on(async {
        let node = node_with(1, forgetful());
        node.create().await;
        let ids = node.say_numbers(30).await;
        let held = node.reads.forget_permits(usize::MAX);
        let mut asked = Vec::new();
        // In small parts: the mailbox is bounded as well.
        for id in &ids[..8] {
            for _ in 0..40 {
                let mut ask = Box::pin(node.ask(Command::GetMessage(node.channel, *id)));
                if let Some(outcome) = ask.as_mut().now_or_never() {
                    assert_eq!(outcome.unwrap_err(), ApiError::UNAVAILABLE);
                } else {
                    asked.push(ask);
                }
            }
            node.ask(Command::GetRoles).await.unwrap();
        }
        node.reads.add_permits(held.min(1_000));
        let outcomes = futures_util::future::join_all(asked).await;
        let served = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        // One round is being read while the others wait. Some are refused before they are waited for.
        assert_eq!(served, 256 + 1);
        assert_eq!(node.counters.recalls_refused.get(), 320 - 257);
        assert!(node.counters.recalls.get() < 30, "read together");
    });
}

fn keeps(keep: Retention) -> GuildSettings {
    GuildSettings {
        retention: RetentionSettings {
            keep,
            every: Duration::ZERO,
        },
        housekeeping: Duration::from_millis(5),
        ..forgetful()
    }
}

impl Node1 {
    async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let patient = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let done = tokio::time::timeout(Duration::from_secs(20), patient).await;
        assert!(done.is_ok(), "in vain: {what}");
    }
}

#[test]
fn history_beyond_the_number_that_is_kept_goes_from_guild_and_journal() {
    actix::System::new().block_on(async {
        let keep = Retention {
            max_messages: Some(30),
            ..Retention::default()
        };
        let node = node_with(1, keeps(keep));
        node.create().await;
        let ids = node.say_numbers(100).await;
        let read = |after| node.journal.read(node.guild, after, 1_000);
        node.until("old records are dropped", async || read(0).await.is_err())
            .await;
        // The last of it is let go as well.
        node.until("all that is over is dropped", async || {
            read(60).await.is_err() && node.history().await.len() <= 31
        })
        .await;
        let expected: Vec<String> = (70..100).map(|n| n.to_string()).collect();
        for _ in 0..2 {
            let history = node.history().await;
            assert!(history.len() >= 30);
            assert_eq!(history[history.len() - 30..], expected);
            let gone = node.ask(Command::GetMessage(node.channel, ids[10])).await;
            assert_eq!(gone.unwrap_err(), ApiError::UNKNOWN_MESSAGE);
            let gone = node.ask(node.react(ids[10], "👍")).await;
            assert_eq!(gone.unwrap_err(), ApiError::UNKNOWN_MESSAGE);
            node.json(node.edit(ids[75], "75")).await;
            node.router.post(node.guild, GuildMail::Restart).unwrap();
        }
        let error = read(0).await.unwrap_err();
        assert!(matches!(error, JournalError::Trimmed { .. }), "{error}");
        // *Invariant I10*: who has nothing since before what is left is told that it cannot go on.
        assert_eq!(node.rejoin(0, 1).await, None);
    });
}

#[test]
fn history_goes_by_age_once_and_what_is_young_stays() {
    actix::System::new().block_on(async {
        let keep = Retention {
            max_age_ms: Some(1_500),
            ..Retention::default()
        };
        let node = node_with(1, keeps(keep));
        node.create().await;
        let started = clock::now();
        node.say_numbers(40).await;
        if started.elapsed() < Duration::from_millis(500) {
            assert_eq!(node.history().await.len(), 40, "all are young");
        }
        node.until("all are old", async || node.history().await.is_empty())
            .await;
        assert!(started.elapsed() >= Duration::from_millis(1_500));
        node.say("young").await.unwrap();
        assert_eq!(node.history().await, ["young"]);
        node.until("records are dropped", async || {
            node.journal.read(node.guild, 39, 1_000).await.is_err()
        })
        .await;
    });
}

#[test]
fn of_a_deleted_guild_nothing_stays_but_that_it_was_there() {
    actix::System::new().block_on(async {
        let node = node_with(1, tidy());
        node.create().await;
        node.say_numbers(30).await;
        node.ask(Command::DeleteGuild).await.unwrap();
        node.until("its actor has gone", async || node.registry.count() == 0)
            .await;
        let last = node.journal.last_position(node.guild).await.unwrap();
        let left = node.journal.read(node.guild, last - 1, 9).await.unwrap();
        assert_eq!(&left[0].record[..], br#"{"v":1,"e":"GuildDeleted"}"#);
        assert!(node.journal.read(node.guild, last - 2, 9).await.is_err());
        let snapshot = node.journal.snapshot(node.guild).await.unwrap().unwrap();
        assert!(snapshot.bytes.len() < 100);
        // Its id is not used again.
        assert_eq!(
            node.ask(Command::GetRoles).await.unwrap_err(),
            ApiError::UNKNOWN_GUILD
        );
        let fields = NewGuild {
            name: "again".to_owned(),
            owner: owner(),
            members: Vec::new(),
            channels: Vec::new(),
            direct: false,
        };
        let again = node.ask(Command::CreateGuild(Box::new(fields))).await;
        assert!(again.is_err(), "{again:?}");
    });
}

/// Guilds whose messages go at once, and that look after themselves all the time.
fn fleeting() -> GuildSettings {
    let mut settings = tidy();
    settings.retention.keep = Retention {
        max_age_ms: Some(0),
        max_messages: None,
    };
    settings
}

#[test]
fn guilds_that_nobody_uses_are_woken_for_their_old_history_and_leave_again() {
    actix::System::new().block_on(async {
        // Of a node that kept everything.
        let former = node_with(1, GuildSettings::default());
        for node in [&former, &former.sibling()] {
            node.create().await;
            node.say_numbers(20).await;
        }
        let over = (former.journal.clone(), former.guild.get());
        let node = node_over(over, alone(), Executors::start(1), (1, fleeting()));
        let settings = SweepSettings {
            delay: Duration::ZERO,
            every: Duration::from_secs(3_600),
            between: Duration::ZERO,
        };
        let journal = Arc::new(node.journal.clone());
        let sweep = sweep::run(node.router.clone(), journal, settings);
        let done = async {
            for node in [&node, &node.sibling()] {
                while !node.is_trimmed().await {
                    tokio::task::yield_now().await;
                }
            }
            // Long before they would for not being used.
            while node.registry.count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = sweep => {}
            () = done => {}
        }
        assert_eq!(node.history().await.len(), 0);
    });
}
