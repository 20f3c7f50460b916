//! What every journal must do; each implementation runs this suite on an empty store.

use bytes::Bytes;

use super::{About, Journal, JournalError, NewRecord, Snapshot, Span};
use crate::protocol::{ChannelId, GuildId, MessageId, Position};

fn record(text: &str) -> NewRecord {
    Bytes::copy_from_slice(text.as_bytes()).into()
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
        records_are_found_by_the_messages_that_they_are_about(journal).await;
        what_a_snapshot_contains_can_be_trimmed_and_nothing_else(journal).await;
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
        bytes: record(text).bytes,
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

/// Its bytes begin with what [`About`] has, as text.
fn about(text: &str, channel: u64, messages: &[u64]) -> NewRecord {
    let ids: Vec<String> = messages.iter().map(u64::to_string).collect();
    let text = format!("about {channel} {} in record {text}", ids.join(" "));
    NewRecord {
        about: Some(About {
            channel: ChannelId::new(channel),
            messages: messages.iter().copied().map(MessageId::new).collect(),
        }),
        ..record(&text)
    }
}

const fn span(channel: u64, (from, to): (u64, u64), newest_first: bool, limit: usize) -> Span {
    Span {
        channel: ChannelId::new(channel),
        from: MessageId::new(from),
        to: MessageId::new(to),
        newest_first,
        limit,
    }
}

/// What is found: ids with the positions of their records, and whether there may be more.
async fn found(
    journal: &dyn Journal,
    guild: GuildId,
    span: Span,
) -> (Vec<(u64, Vec<Position>)>, bool) {
    let stretch = journal.about(guild, span).await.unwrap();
    let positions = stretch.messages.iter().map(|(id, entries)| {
        let positions = entries.iter().map(|entry| entry.position);
        (id.get(), positions.collect())
    });
    (positions.collect(), stretch.more)
}

async fn records_are_found_by_the_messages_that_they_are_about(journal: &dyn Journal) {
    let (guild, other) = (GuildId::new(41), GuildId::new(42));
    let records = vec![
        about("1", 7, &[100]),
        about("2", 7, &[101]),
        record("3"),
        about("4", 8, &[102]),
        about("5", 7, &[100]),
    ];
    journal.append(guild, 0, records).await.unwrap();
    let records = vec![
        about("6", 7, &[103]),
        about("7", 7, &[100, 103]),
        record("8"),
    ];
    journal.append(guild, 5, records).await.unwrap();
    let records = vec![about("1", 7, &[100])];
    journal.append(other, 0, records).await.unwrap();

    let all = (0, u64::MAX);
    let (first, second, third) = ((100, vec![1, 5, 7]), (101, vec![2]), (103, vec![6, 7]));
    for (asked, expected, more) in [
        (
            span(7, all, false, 9),
            vec![first.clone(), second.clone(), third.clone()],
            false,
        ),
        (
            span(7, all, true, 9),
            vec![third.clone(), second.clone(), first.clone()],
            false,
        ),
        (
            span(7, all, true, 2),
            vec![third.clone(), second.clone()],
            true,
        ),
        (
            span(7, all, false, 3),
            vec![first.clone(), second.clone(), third],
            false,
        ),
        (span(7, (100, 101), true, 1), vec![second.clone()], true),
        (span(7, (100, 100), true, 1), vec![first], false),
        (span(7, (101, 102), false, 9), vec![second], false),
        (span(8, all, false, 9), vec![(102, vec![4])], false),
        (span(9, all, false, 9), vec![], false),
    ] {
        assert_eq!(
            found(journal, guild, asked).await,
            (expected, more),
            "{asked:?}"
        );
    }
    let stretch = journal.about(other, span(7, all, true, 9)).await.unwrap();
    assert!(stretch.messages[0].1[0].record.ends_with(b"record 1"));
    journal.remove(guild).await.unwrap();
    assert_eq!(
        found(journal, guild, span(7, all, true, 9)).await,
        (vec![], false)
    );
    assert_eq!(
        found(journal, other, span(7, all, true, 9)).await.0.len(),
        1
    );
}

async fn trim(journal: &dyn Journal, guild: GuildId, through: Position, messages: u64) {
    while !journal
        .trim(guild, through, MessageId::new(messages))
        .await
        .unwrap()
    {}
}

async fn what_a_snapshot_contains_can_be_trimmed_and_nothing_else(journal: &dyn Journal) {
    let guild = GuildId::new(51);
    let records = (1..=9).map(|n| about(&n.to_string(), 7 + n % 2, &[100 + n]));
    journal.append(guild, 0, records.collect()).await.unwrap();
    trim(journal, guild, 5, 0).await;
    assert_eq!(
        journal.read(guild, 0, 99).await.unwrap().len(),
        9,
        "no snapshot has it"
    );

    let snapshot = |position| Snapshot {
        position,
        bytes: Bytes::from_static(b"state"),
    };
    journal.put_snapshot(guild, snapshot(6)).await.unwrap();
    trim(journal, guild, 3, 103).await;
    assert_eq!(
        journal.read(guild, 2, 99).await,
        Err(JournalError::Trimmed { through: 3 })
    );
    let left = journal.read(guild, 3, 99).await.unwrap();
    assert_eq!((left.len(), left[0].position), (6, 4));
    let all = (0, u64::MAX);
    let even = vec![(104, vec![4]), (106, vec![6]), (108, vec![8])];
    assert_eq!(found(journal, guild, span(7, all, false, 9)).await.0, even);
    let odd = vec![(105, vec![5]), (107, vec![7]), (109, vec![9])];
    assert_eq!(found(journal, guild, span(8, all, false, 9)).await.0, odd);

    // Not beyond the snapshot, and never the last record: the log goes on where it was.
    trim(journal, guild, 9, u64::MAX).await;
    let left = journal.read(guild, 5, 99).await.unwrap();
    assert_eq!((left.len(), left[0].position), (4, 6));
    assert_eq!(
        found(journal, guild, span(8, all, false, 9)).await.0,
        vec![]
    );
    journal.put_snapshot(guild, snapshot(9)).await.unwrap();
    trim(journal, guild, 9, u64::MAX).await;
    assert_eq!(journal.last_position(guild).await, Ok(9));
    assert_eq!(journal.read(guild, 8, 99).await.unwrap().len(), 1);
    let conflict = journal.append(guild, 0, vec![record("x")]).await;
    assert_eq!(conflict, Err(JournalError::Conflict { actual: 9 }));
    assert_eq!(journal.append(guild, 9, vec![record("10")]).await, Ok(10));
    journal.remove(guild).await.unwrap();
    assert_eq!(journal.read(guild, 0, 9).await, Ok(vec![]));
    assert_eq!(journal.append(guild, 0, vec![record("1")]).await, Ok(1));
    assert_eq!(journal.read(guild, 0, 9).await.unwrap().len(), 1);
}
