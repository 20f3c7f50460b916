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

/// Keeps messages waiting for appends, which are let through one at a time, until `done`; answers how many were
/// acknowledged. Whatever snapshot the journal has meanwhile is what the records up to it make.
async fn keep_busy(node: &Node1, done: impl Fn(u64, Option<&Snapshot>) -> bool) -> u64 {
    let text = "ü".repeat(1_900);
    let mut numbers = 0..;
    let mut say = move || {
        let content = format!("{} {text}", numbers.next().unwrap());
        async move { node.say(&content).await }
    };
    node.gate.forget_permits(usize::MAX);
    let mut answers: FuturesUnordered<_> = (0..OUTSTANDING).map(|_| say()).collect();
    let (mut acknowledged, mut checked) = (0, 0);
    for answered in 0..5_000 {
        node.gate.add_permits(1);
        let answer = answers.next().await.expect("one waits");
        acknowledged += u64::from(answer.is_ok());
        answers.push(say());
        let snapshot = node.journal.snapshot(node.guild).await.unwrap();
        if let Some(snapshot) = snapshot.as_ref().filter(|it| it.position > checked) {
            checked = snapshot.position;
            assert!(
                snapshot.bytes == node.replayed_to(checked).await,
                "{checked}"
            );
        }
        if done(answered, snapshot.as_ref()) {
            node.gate.add_permits(1_000_000);
            let rest: Vec<Outcome> = answers.collect().await;
            return acknowledged + rest.iter().filter(|answer| answer.is_ok()).count() as u64;
        }
    }
    panic!("it was not done");
}

impl Node1 {
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
        let said = keep_busy(&node, |_, snapshot| snapshot.is_some()).await;
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
        keep_busy(&node, |answered, _| {
            if answered % 150 == 100 {
                node.fault(Point::AppendFail, 1);
            }
            answered == 1_500
        })
        .await;
        node.fault(Point::AppendFail, 0);
        node.router.post(node.guild, GuildMail::Restart).unwrap();
        node.say("next").await.unwrap();
        assert_eq!(node.history().await.last().unwrap(), "next");
    });
}
