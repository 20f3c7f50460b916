//! The store over a real disk: conformance, what a restart finds, and what failures leave.

mod damage;
mod failures;
mod sorting;
mod upgrade;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::directory::{self, Directory};
use crate::journal::{self, About, Journal, JournalError, NewRecord, Snapshot};
use crate::protocol::objects::User;
use crate::protocol::{ChannelId, GuildId, MessageId, UserId};

/// How a test makes a commit fail.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// Nothing of it reaches the disk.
    Before,
    /// It reaches the disk, and the answer is lost.
    After,
    /// As `Before`, of what is sorted.
    BeforeSorted,
    /// As `After`, of what is sorted.
    AfterSorted,
}

fn settings(dir: &Path, sync: bool) -> StoreSettings {
    StoreSettings {
        dir: dir.to_owned(),
        sync,
        min_free_bytes: 0,
        unsorted_max_bytes: 16 << 20,
        indexer: indexed,
    }
}

fn open(dir: &Path) -> Store {
    Store::open(settings(dir, true), Arc::default()).unwrap()
}

fn record(text: &str) -> NewRecord {
    Bytes::copy_from_slice(text.as_bytes()).into()
}

/// A record `about C M …` is about these messages of channel C.
fn indexed(record: &[u8]) -> Option<About> {
    let words = std::str::from_utf8(record).ok()?.strip_prefix("about ")?;
    let mut numbers = words.split(' ').map_while(|word| word.parse().ok());
    Some(About {
        channel: ChannelId::new(numbers.next()?),
        messages: numbers.map(MessageId::new).collect(),
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

async fn until(condition: impl Fn() -> bool) {
    let patient = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), patient)
        .await
        .expect("the condition holds within 20 s");
}

/// Copies what a killed process would leave: the files as the system has them now. Nothing is written meanwhile but by the
/// database's own thread: where that was at work it is tried anew.
fn copy_store(store: &Store, from: &Path, to: &Path) {
    let held = store.shared.disk_mut();
    loop {
        let before = files(from);
        copy_folder(from, to);
        if before == files(from) && before == files(to) {
            break;
        }
        std::fs::remove_dir_all(to).unwrap();
    }
    drop(held);
}

/// The files of a folder with their sizes.
fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = PathBuf::from(entry.file_name());
        let inside = match entry.metadata() {
            Ok(data) if data.is_dir() => files(&entry.path()),
            Ok(data) => vec![(PathBuf::new(), data.len())],
            Err(_) => Vec::new(),
        };
        found.extend(
            inside
                .into_iter()
                .map(|(path, size)| (name.join(path), size)),
        );
    }
    found.sort_unstable();
    found
}

/// Copies the files of a folder that are there.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            // One that has gone meanwhile is missed by who compares the two.
            drop(std::fs::copy(entry.path(), target));
        }
    }
}

#[test]
fn the_journal_keeps_the_contract() {
    for sync in [true, false] {
        for settings in [settings, sorting::settings_that_sort] {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(settings(folder.path(), sync), Arc::default()).unwrap();
            journal::conformance::run(&store.journal());
        }
    }
}

#[test]
fn the_directory_keeps_the_contract() {
    let stores: RefCell<Vec<(Store, TempDir)>> = RefCell::default();
    block_on(directory::conformance::run(|| {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(settings(folder.path(), false), Arc::default()).unwrap();
        let directory = Arc::new(store.directory());
        stores.borrow_mut().push((store, folder));
        directory
    }));
}

const GUILD: GuildId = GuildId::new(10);

async fn write_some(store: &Store) {
    let (journal, directory) = (store.journal(), store.directory());
    for guild in 1..=20 {
        let records = vec![record("first"), record("second")];
        let guild = GuildId::new(guild);
        assert_eq!(journal.append(guild, 0, records).await, Ok(2));
    }
    journal
        .put_snapshot(
            GUILD,
            Snapshot {
                position: 2,
                bytes: record("state").bytes,
            },
        )
        .await
        .unwrap();
    let user = Arc::new(User::new(UserId::new(1), "someone", false));
    directory.put_user(user).await.unwrap();
    directory
        .add_members(GUILD, vec![UserId::new(1), UserId::new(2)])
        .await
        .unwrap();
    directory
        .add_channels(GUILD, vec![ChannelId::new(30)])
        .await
        .unwrap();
    directory
        .put_direct_channel(UserId::new(2), UserId::new(1), ChannelId::new(40))
        .await
        .unwrap();
}

async fn check_some(store: &Store) {
    let (journal, directory) = (store.journal(), store.directory());
    assert_eq!(journal.guilds(None, 100).await.unwrap().len(), 20);
    for guild in 1..=20 {
        let entries = journal.read(GuildId::new(guild), 0, 9).await.unwrap();
        let records: Vec<&[u8]> = entries.iter().map(|entry| &entry.record[..]).collect();
        assert_eq!(records, [&b"first"[..], b"second"]);
    }
    let snapshot = journal.snapshot(GUILD).await.unwrap().unwrap();
    assert_eq!((snapshot.position, &snapshot.bytes[..]), (2, &b"state"[..]));
    assert_eq!(
        journal.append(GUILD, 0, vec![record("late")]).await,
        Err(JournalError::Conflict { actual: 2 })
    );
    assert_eq!(journal.append(GUILD, 2, Vec::new()).await, Ok(2));
    let user = directory.user(UserId::new(1)).unwrap();
    assert_eq!(&*user.username, "someone");
    assert_eq!(directory.guilds_of(UserId::new(2)), [GUILD]);
    assert_eq!(directory.guild_of(ChannelId::new(30)), Some(GUILD));
    let direct = directory.direct_channel(UserId::new(1), UserId::new(2));
    assert_eq!(direct, Some(ChannelId::new(40)));
    let sizes = directory.sizes();
    assert_eq!((sizes.users, sizes.memberships, sizes.channels), (1, 2, 1));
}

#[test]
fn a_closed_store_refuses_and_opens_again_with_everything() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        for _ in 0..2 {
            let store = open(folder.path());
            if store.directory().sizes().users == 0 {
                write_some(&store).await;
            }
            check_some(&store).await;
            store.close();
            let refused = store.journal().append(GUILD, 2, vec![record("x")]).await;
            assert!(matches!(refused, Err(JournalError::Unavailable(_))));
            let refused = store.journal().read(GUILD, 0, 1).await;
            assert!(matches!(refused, Err(JournalError::Unavailable(_))));
        }
    });
}

#[test]
fn what_a_kill_leaves_holds_everything_that_was_answered() {
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    block_on(async {
        for sync in [true, false] {
            let dir = folder.path().join(sync.to_string());
            std::fs::create_dir(&dir).unwrap();
            let store = Store::open(settings(&dir, sync), Arc::default()).unwrap();
            write_some(&store).await;
            let left = copy.path().join(sync.to_string());
            copy_store(&store, &dir, &left);
            check_some(&open(&left)).await;
            drop(store);
        }
    });
}

#[test]
fn a_second_process_on_the_same_directory_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let second = Store::open(settings(folder.path(), true), Arc::default());
    let error = second.err().expect("the directory is in use");
    assert!(matches!(error, StoreError::InUse));
    let text = error.to_string();
    assert_eq!(text, "the data directory is in use by another process");
    first.close();
    open(folder.path());
}

#[test]
fn another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::open(folder.path(), indexed).unwrap();
    disk.meta
        .insert(keys::FORMAT_KEY, 7_u32.to_be_bytes())
        .unwrap();
    drop(disk);
    let error = Store::open(settings(folder.path(), true), Arc::default()).err();
    let text = error.expect("an unknown format").to_string();
    assert_eq!(text, "its format is 7, this version reads 5");
}

#[test]
fn what_a_kill_during_the_making_leaves_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let half = folder.path().join("store.new");
    std::fs::create_dir(&half).unwrap();
    std::fs::write(half.join("0.jnl"), b"half").unwrap();
    block_on(write_some(&open(folder.path())));
    assert!(!half.exists());
}

/// Holds the writer in a commit, has `make` queue writes, lets the writer go on, and waits for
/// what it answers.
#[allow(clippy::await_holding_lock)] // it is the writer's thread that waits for it
async fn in_one_commit<F: Future>(store: &Store, make: impl FnOnce() -> Vec<F>) -> Vec<F::Output> {
    let held = store.shared.disk_mut();
    let journal = store.journal();
    let first = journal.append(GuildId::new(999), 0, Vec::new());
    until(|| store.shared.queue.len() == 0).await;
    let queued = make();
    drop(held);
    first.await.unwrap();
    join_all(queued).await
}

#[test]
fn what_waits_is_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let journal = store.journal();
    block_on(async {
        let commits = || store.shared.counters.store_commits.get();
        let before = commits();
        let answers = in_one_commit(&store, || {
            let append = |guild| journal.append(GuildId::new(guild), 0, vec![record("x")]);
            (1..=500).map(append).collect()
        })
        .await;
        assert!(answers.iter().all(|answer| *answer == Ok(1)));
        assert_eq!(commits() - before, 2, "the held one and that of the 500");
        assert_eq!(store.shared.counters.store_records.get(), 500);
    });
}

#[test]
fn i1_of_two_writers_in_one_commit_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let journal = store.journal();
    block_on(async {
        let answers = in_one_commit(&store, || {
            vec![
                journal.append(GUILD, 0, vec![record("a"), record("b")]),
                journal.append(GUILD, 0, vec![record("other")]),
                journal.append(GUILD, 2, vec![record("c")]),
            ]
        })
        .await;
        let conflict = Err(JournalError::Conflict { actual: 2 });
        assert_eq!(answers, [Ok(2), conflict, Ok(3)]);
        let entries = journal.read(GUILD, 0, 9).await.unwrap();
        let records: Vec<&[u8]> = entries.iter().map(|entry| &entry.record[..]).collect();
        assert_eq!(records, [b"a", b"b", b"c"]);
    });
}

#[test]
fn a_long_log_is_forgotten_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(settings(folder.path(), false), Arc::default()).unwrap();
    let journal = store.journal();
    block_on(async {
        let many = vec![record("x"); 20_000];
        journal.append(GUILD, 0, many).await.unwrap();
        let other = GuildId::new(11);
        journal.append(other, 0, vec![record("y")]).await.unwrap();
        journal.remove(GUILD).await.unwrap();
        assert_eq!(journal.last_position(GUILD).await, Ok(0));
        assert_eq!(journal.guilds(None, 9).await, Ok(vec![other]));
        assert_eq!(journal.append(GUILD, 0, vec![record("z")]).await, Ok(1));
    });
}
