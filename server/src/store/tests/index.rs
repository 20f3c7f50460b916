//! The index of messages, which gets behind and is opened again in between.

use proptest::prelude::*;

use super::*;
use crate::journal::{MemoryJournal, Span, Stretch};
use crate::protocol::Position;

const CHANNEL: u64 = 7;

#[derive(Debug, Clone)]
enum Step {
    /// So many records about messages around an id, each about two of them; some in another channel.
    Append(u64, usize),
    /// Records about nothing.
    Other(usize),
    Look(Span),
    /// The process is killed, or closes it.
    Reopen(bool),
    /// A snapshot has everything: half the records go, and messages up to an id.
    Trim(u64),
    /// Everything is forgotten.
    Remove,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let span = (0_u64..60, 0_u64..60, any::<bool>(), 1_usize..40).prop_map(
        |(from, to, newest_first, limit)| Span {
            channel: ChannelId::new(CHANNEL),
            from: MessageId::new(from.min(to)),
            to: MessageId::new(from.max(to)),
            newest_first,
            limit,
        },
    );
    let step = prop_oneof![
        6 => (0_u64..50, 1_usize..12).prop_map(|(id, count)| Step::Append(id, count)),
        2 => (1_usize..12).prop_map(Step::Other),
        6 => span.prop_map(Step::Look),
        1 => any::<bool>().prop_map(Step::Reopen),
        1 => (0_u64..60).prop_map(Step::Trim),
        1 => Just(Step::Remove),
    ];
    proptest::collection::vec(step, 1..60)
}

async fn trim(journal: &dyn Journal, position: Position, messages: u64) {
    let snapshot = Snapshot {
        position,
        bytes: Bytes::from_static(b"state"),
    };
    journal.put_snapshot(GUILD, snapshot).await.unwrap();
    let messages = MessageId::new(messages);
    while !journal.trim(GUILD, position / 2, messages).await.unwrap() {}
}

fn records(first: u64, count: usize) -> Vec<NewRecord> {
    let text = |n: u64| {
        let channel = CHANNEL + u64::from(n % 5 == 3);
        format!("about {channel} {} {}", first + n, first + 2 * n + 1)
    };
    (0..count as u64)
        .map(|n| {
            let text = text(n);
            NewRecord {
                about: indexed(text.as_bytes()),
                bytes: text.into(),
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// It finds what the journal in memory finds, whatever part of it is written.
    #[test]
    fn what_is_behind_the_index_is_found_as_well(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let unsynced = |dir: &Path| Store::open(settings(dir, false), Arc::default()).unwrap();
        let mut dirs = 0;
        let mut dir = folder.path().join("0");
        std::fs::create_dir(&dir).unwrap();
        let mut store = unsynced(&dir);
        let mut model = MemoryJournal::new();
        let mut position = 0;
        for step in steps {
            match step {
                Step::Append(first, count) => {
                    let appended = records(first, count);
                    block_on(model.append(GUILD, position, appended.clone())).unwrap();
                    position = block_on(store.journal().append(GUILD, position, appended)).unwrap();
                }
                Step::Other(count) => {
                    let appended = vec![record("other"); count];
                    block_on(model.append(GUILD, position, appended.clone())).unwrap();
                    position = block_on(store.journal().append(GUILD, position, appended)).unwrap();
                }
                Step::Look(span) => {
                    let found: Stretch = block_on(store.journal().about(GUILD, span)).unwrap();
                    prop_assert_eq!(found, block_on(model.about(GUILD, span)).unwrap());
                }
                Step::Reopen(is_killed) => {
                    if is_killed {
                        dirs += 1;
                        let left = folder.path().join(dirs.to_string());
                        copy_folder(&dir, &left);
                        dir = left;
                    }
                    drop(store);
                    store = unsynced(&dir);
                }
                Step::Trim(messages) => {
                    block_on(trim(&store.journal(), position, messages));
                    block_on(trim(&model, position, messages));
                }
                Step::Remove => {
                    block_on(store.journal().remove(GUILD)).unwrap();
                    model = MemoryJournal::new();
                    position = 0;
                }
            }
        }
    }
}

#[test]
fn the_index_gets_behind_by_a_handful_of_records_whatever_they_are_about() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    block_on(async {
        for position in 0..300 {
            let records = if position < 150 {
                records(position, 1)
            } else {
                vec![record("other")]
            };
            let append = store.journal().append(GUILD, position, records);
            append.await.unwrap();
        }
    });
    drop(store);
    let disk = Disk::open(folder.path(), indexed).unwrap();
    let reached = disk.indexed(&disk.db.snapshot(), GUILD).unwrap();
    assert!((269..=300).contains(&reached), "{reached}");
    // Two for each record.
    assert_eq!(disk.messages.len().unwrap(), 300);
}

#[test]
fn a_failed_commit_leaves_no_hole_in_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let journal = store.journal();
    block_on(async {
        let mut position = 0;
        let mut faults = 0;
        while position < 200 {
            let fault = match position % 31 {
                7 => Some(Fault::Before),
                19 => Some(Fault::After),
                _ => None,
            };
            faults += u32::from(fault.is_some());
            *store.shared.fault.lock().unwrap() = fault;
            let appended = journal.append(GUILD, position, records(1, 1)).await;
            assert_eq!(appended.is_err(), fault.is_some());
            until(|| journal.accepts_writes()).await;
            position = journal.last_position(GUILD).await.unwrap();
            if matches!(fault, Some(Fault::Before)) {
                position = journal
                    .append(GUILD, position, records(1, 1))
                    .await
                    .unwrap();
            }
        }
        assert!(faults > 9);
        let span = Span::one(ChannelId::new(CHANNEL), MessageId::new(2));
        let found = journal.about(GUILD, span).await.unwrap();
        let positions: Vec<u64> = found.messages[0].1.iter().map(|it| it.position).collect();
        let all: Vec<u64> = (1..=position).collect();
        assert_eq!(positions, all);
    });
}
