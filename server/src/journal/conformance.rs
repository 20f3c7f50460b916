//! What every journal must do; each implementation runs this suite on an empty store.

use bytes::Bytes;

use super::{Journal, JournalError, Snapshot};
use crate::protocol::GuildId;

fn record(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Runs the suite.
pub(crate) fn run(journal: &dyn Journal) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        i1_an_append_succeeds_only_at_the_expected_position(journal).await;
        batches_are_whole_and_read_back_without_gaps(journal).await;
        guilds_are_listed_in_order_and_forgotten(journal).await;
        the_newest_snapshot_stays_until_its_guild_goes(journal).await;
    });
}

async fn i1_an_append_succeeds_only_at_the_expected_position(journal: &dyn Journal) {
    let guild = GuildId::new(11);
    assert_eq!(journal.last_position(guild).await, Ok(0));
    assert_eq!(
        journal.append(guild, 1, vec![record("early")]).await,
        Err(JournalError::Conflict { actual: 0 })
    );
    assert_eq!(
        journal
            .append(guild, 0, vec![record("a"), record("b")])
            .await,
        Ok(2)
    );
    assert_eq!(
        journal.append(guild, 0, vec![record("again")]).await,
        Err(JournalError::Conflict { actual: 2 })
    );
    assert_eq!(journal.append(guild, 2, vec![record("c")]).await, Ok(3));
    assert_eq!(journal.last_position(guild).await, Ok(3));
}

async fn batches_are_whole_and_read_back_without_gaps(journal: &dyn Journal) {
    let guild = GuildId::new(12);
    let mut at = 0;
    for batch in 1..=20_u64 {
        let records = (0..batch)
            .map(|i| record(&format!("{batch}/{i}")))
            .collect();
        at = journal.append(guild, at, records).await.unwrap();
    }
    let mut after = 0;
    loop {
        let entries = journal.read(guild, after, 7).await.unwrap();
        for entry in &entries {
            assert_eq!(entry.position, after + 1);
            after += 1;
        }
        if entries.len() < 7 {
            break;
        }
    }
    assert_eq!(after, at);
    assert!(journal.read(guild, at + 5, 7).await.unwrap().is_empty());
}

async fn guilds_are_listed_in_order_and_forgotten(journal: &dyn Journal) {
    for id in [21, 23, 22] {
        journal
            .append(GuildId::new(id), 0, vec![record("x")])
            .await
            .unwrap();
    }
    let from_21 = journal.guilds(Some(GuildId::new(20)), 2).await.unwrap();
    assert_eq!(from_21, [GuildId::new(21), GuildId::new(22)]);
    journal.remove(GuildId::new(22)).await.unwrap();
    assert_eq!(journal.last_position(GuildId::new(22)).await, Ok(0));
    let from_21 = journal.guilds(Some(GuildId::new(20)), 9).await.unwrap();
    assert_eq!(from_21, [GuildId::new(21), GuildId::new(23)]);
}

async fn the_newest_snapshot_stays_until_its_guild_goes(journal: &dyn Journal) {
    assert!(journal.accepts_writes());
    let (guild, other) = (GuildId::new(31), GuildId::new(32));
    let snapshot = |position, text| Snapshot {
        position,
        bytes: record(text),
    };
    assert_eq!(journal.snapshot(guild).await, Ok(None));
    journal
        .append(guild, 0, vec![record("a"), record("b"), record("c")])
        .await
        .unwrap();
    for (put, kept) in [
        (snapshot(2, "second"), snapshot(2, "second")),
        (snapshot(1, "older"), snapshot(2, "second")),
        (snapshot(3, "third"), snapshot(3, "third")),
    ] {
        journal.put_snapshot(guild, put).await.unwrap();
        assert_eq!(journal.snapshot(guild).await, Ok(Some(kept)));
    }
    assert_eq!(journal.snapshot(other).await, Ok(None));
    assert_eq!(journal.read(guild, 0, 9).await.unwrap().len(), 3);
    journal.remove(guild).await.unwrap();
    assert_eq!(journal.snapshot(guild).await, Ok(None));
    assert_eq!(journal.last_position(guild).await, Ok(0));
}
