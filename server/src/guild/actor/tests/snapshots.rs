//! Snapshots of a guild that always has something on its way to the journal.

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::*;
use crate::guild::core::{CoreSettings, record};

/// Messages that wait for their answers at any time.
const OUTSTANDING: u64 = 60;

/// A guild that appends its records one by one, and tidies up all the time.
fn one_by_one() -> GuildSettings {
    GuildSettings {
        core: Arc::new(CoreSettings {
            max_batch_records: 1,
            ..CoreSettings::default()
        }),
        housekeeping: Duration::from_millis(1),
        ..GuildSettings::default()
    }
}

/// Keeps messages waiting for appends, which are let through one at a time, until it is `done`, which is asked each time;
/// answers how many were acknowledged.
async fn keep_busy(node: &Node1, mut done: impl AsyncFnMut(u64) -> bool) -> u64 {
    let text = "ü".repeat(1_900);
    let mut numbers = 0..;
    let mut say = move || {
        let content = format!("{} {text}", numbers.next().unwrap());
        async move { node.say(&content).await }
    };
    node.gate.forget_permits(usize::MAX);
    let mut answers: FuturesUnordered<_> = (0..OUTSTANDING).map(|_| say()).collect();
    let mut acknowledged = 0;
    for answered in 0..5_000 {
        let answer = loop {
            node.gate.add_permits(1);
            let taken = async {
                while node.gate.available_permits() > 0 {
                    tokio::task::yield_now().await;
                }
            };
            // Perhaps a record of which nobody waits for the answer took it.
            tokio::select! {
                biased;
                answer = answers.next() => break answer.expect("one waits"),
                () = taken => {}
            }
        };
        acknowledged += u64::from(answer.is_ok());
        answers.push(say());
        if done(answered).await {
            node.gate.add_permits(1_000_000);
            let rest: Vec<Outcome> = answers.collect().await;
            return acknowledged + rest.iter().filter(|answer| answer.is_ok()).count() as u64;
        }
    }
    panic!("it was not done");
}

impl Node1 {
    /// Whether the journal has a snapshot, which is what the records up to it make, if it is newer than one that was looked
    /// at.
    async fn has_snapshot(&self, looked_at: &mut Position) -> bool {
        let snapshot = self.journal.snapshot(self.guild).await.unwrap();
        let Some(snapshot) = snapshot else {
            return false;
        };
        if snapshot.position > *looked_at {
            *looked_at = snapshot.position;
            assert!(
                snapshot.bytes == self.replayed_to(*looked_at).await,
                "{looked_at}"
            );
        }
        true
    }

    /// The state that the records up to a position make, all of which the journal has.
    async fn replayed_to(&self, position: Position) -> bytes::Bytes {
        let mut core = GuildCore::with_settings(self.guild, one_by_one().core.clone());
        let entries = self.journal.read(self.guild, 0, position as usize).await;
        for entry in entries.unwrap() {
            core.apply(entry.position, record::decode(&entry.record).unwrap());
        }
        assert_eq!(core.position(), position);
        core.image()
    }
}

#[test]
fn a_guild_that_is_never_at_rest_has_snapshots_all_the_same() {
    actix::System::new().block_on(async {
        let node = node_with(1, one_by_one());
        node.create().await;
        let mut looked_at = 0;
        let said = keep_busy(&node, async |_| node.has_snapshot(&mut looked_at).await).await;
        node.router.post(node.guild, GuildMail::Restart).unwrap();
        assert_eq!(node.history().await.len() as u64, said.min(100));
        node.say("next").await.unwrap();
    });
}

#[test]
fn a_snapshot_of_what_was_never_written_is_not_kept() {
    actix::System::new().block_on(async {
        let node = node_with(1, one_by_one());
        node.create().await;
        // From about 70 messages on the tail is long enough; what is taken then waits for those that are outstanding.
        let mut looked_at = 0;
        keep_busy(&node, async |answered| {
            if answered % 150 == 100 {
                node.fault(Point::AppendFail, 1);
            }
            node.has_snapshot(&mut looked_at).await;
            answered == 1_500
        })
        .await;
        node.fault(Point::AppendFail, 0);
        node.router.post(node.guild, GuildMail::Restart).unwrap();
        node.say("next").await.unwrap();
        assert_eq!(node.history().await.last().unwrap(), "next");
    });
}

#[test]
fn a_guild_that_is_never_at_rest_lets_old_history_go() {
    actix::System::new().block_on(async {
        let mut settings = one_by_one();
        settings.retention.every = Duration::ZERO;
        settings.retention.keep.max_messages = Some(20);
        let node = node_with(1, settings);
        node.create().await;
        keep_busy(&node, async |_| node.is_trimmed().await).await;
        node.router.post(node.guild, GuildMail::Restart).unwrap();
        node.say("next").await.unwrap();
        assert_eq!(node.history().await.last().unwrap(), "next");
    });
}
