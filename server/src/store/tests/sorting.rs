//! Records that are sorted by guild, and those that are not yet: the store holds what the journal in memory does.

use proptest::prelude::*;

use super::*;
use crate::journal::{MemoryJournal, Span, Stretch};
use crate::protocol::Position;

const CHANNEL: u64 = 7;

/// As few as make a round of several commits.
pub(super) fn settings_that_sort(dir: &Path, sync: bool) -> StoreSettings {
    StoreSettings {
        unsorted_max_bytes: 200,
        ..settings(dir, sync)
    }
}

fn open_to_sort(dir: &Path) -> Store {
    Store::open(settings_that_sort(dir, true), Arc::default()).unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    /// So many records about messages around an id, each about two of them; some in another channel, some long.
    Append(u64, usize, usize),
    /// Records about nothing.
    Other(usize),
    Look(Span),
    /// Reads records after a share of the log, in per cent.
    Read(u64, usize),
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
        6 => (0_u64..50, 1_usize..12, prop_oneof![Just(0_usize), 5_000_usize..20_000])
            .prop_map(|(id, count, padding)| Step::Append(id, count, padding)),
        2 => (1_usize..12).prop_map(Step::Other),
        6 => span.prop_map(Step::Look),
        6 => (0_u64..120, 1_usize..30).prop_map(|(after, limit)| Step::Read(after, limit)),
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

fn records(first: u64, count: usize, padding: usize) -> Vec<NewRecord> {
    let text = |n: u64| {
        let channel = CHANNEL + u64::from(n % 5 == 3);
        let padding = ".".repeat(padding);
        format!(
            "about {channel} {} {} {padding}",
            first + n,
            first + 2 * n + 1
        )
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

    /// It holds what the journal in memory holds, whatever part of it is sorted.
    #[test]
    fn what_is_sorted_and_what_is_not_are_one_log(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let unsynced = |dir: &Path| {
            let settings = settings_that_sort(dir, false);
            Store::open(settings, Arc::default()).unwrap()
        };
        let mut dirs = 0;
        let mut dir = folder.path().join("0");
        std::fs::create_dir(&dir).unwrap();
        let mut store = unsynced(&dir);
        let mut model = MemoryJournal::new();
        let mut position = 0;
        let other = GuildId::new(GUILD.get() + 1);
        for (round, step) in steps.into_iter().enumerate() {
            let others = records(5, 1, 0);
            block_on(store.journal().append(other, round as u64, others)).unwrap();
            match step {
                Step::Append(first, count, padding) => {
                    let appended = records(first, count, padding);
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
                Step::Read(after, limit) => {
                    let after = after * position / 100;
                    let found = block_on(store.journal().read(GUILD, after, limit));
                    prop_assert_eq!(found, block_on(model.read(GUILD, after, limit)));
                    let last = block_on(store.journal().last_position(GUILD));
                    prop_assert_eq!(last, Ok(position));
                    let guilds = block_on(store.journal().guilds(None, 9)).unwrap();
                    let all = [GUILD, other];
                    prop_assert_eq!(guilds, &all[usize::from(position == 0)..]);
                }
                Step::Reopen(is_killed) => {
                    if is_killed {
                        dirs += 1;
                        let left = folder.path().join(dirs.to_string());
                        copy_store(&store, &dir, &left);
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
fn what_is_sorted_leaves_the_commits() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_to_sort(folder.path());
    let journal = store.journal();
    block_on(async {
        for position in 0..300 {
            for guild in 1..=3 {
                let append = journal.append(GuildId::new(guild), position, records(position, 1, 0));
                append.await.unwrap();
            }
        }
    });
    drop(store);
    let disk = Disk::open(folder.path(), indexed).unwrap();
    let noted = |key| keys::number(&disk.meta.get(key).unwrap().unwrap());
    let begun = noted(keys::SORTING_KEY);
    assert_eq!(begun, noted(keys::COMMIT_KEY), "a round is seen through");
    // A round is begun by ten records or so, and takes as many commits; a few were never sorted.
    let (log, _) = disk.open_log(folder.path(), true).unwrap();
    let left = log.next() - disk.first_commit().unwrap();
    assert!((1..60).contains(&left), "{left}");
    let unsorted = disk.unsorted.bytes();
    assert!((1..2_000).contains(&unsorted), "{unsorted}");
    // Some of them have several records.
    let blocks = disk.blocks.len().unwrap();
    assert!((50..600).contains(&blocks), "{blocks}");
}

#[test]
fn a_failed_commit_leaves_no_hole_in_the_log_or_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_to_sort(folder.path());
    let journal = store.journal();
    let faults = [
        Fault::Before,
        Fault::BeforeSorted,
        Fault::After,
        Fault::AfterSorted,
    ];
    block_on(async {
        let mut position = 0;
        for fault in faults.into_iter().cycle().take(24) {
            *store.shared.fault.lock().unwrap() = Some(fault);
            // Until it has come, and some more.
            let mut appended = 0;
            while appended < 7 || store.shared.fault.lock().unwrap().is_some() {
                let append = journal.append(GUILD, position, records(1, 1, 0));
                if let Ok(last) = append.await {
                    appended += 1;
                    position = last;
                } else {
                    until(|| journal.accepts_writes()).await;
                    position = journal.last_position(GUILD).await.unwrap();
                }
            }
        }
        let span = Span::one(ChannelId::new(CHANNEL), MessageId::new(2));
        let found = journal.about(GUILD, span).await.unwrap();
        let positions: Vec<u64> = found.messages[0].1.iter().map(|it| it.position).collect();
        let all: Vec<u64> = (1..=position).collect();
        assert_eq!(positions, all);
        let entries = journal.read(GUILD, 0, usize::MAX).await.unwrap();
        let positions: Vec<u64> = entries.iter().map(|entry| entry.position).collect();
        assert_eq!(positions, all);
    });
}

#[test]
fn a_record_that_goes_before_it_is_sorted_leaves_its_index_entry_where_the_message_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let journal = store.journal();
    block_on(async {
        let mut appended = vec![record("about 7 44"), record("other"), record("other")];
        appended[0].about = indexed(&appended[0].bytes);
        journal.append(GUILD, 0, appended).await.unwrap();
        trim(&journal, 3, 43).await;
        let span = Span::one(ChannelId::new(CHANNEL), MessageId::new(44));
        let found = journal.about(GUILD, span).await.unwrap();
        assert_eq!(found.messages, [(MessageId::new(44), Vec::new())]);
    });
}
