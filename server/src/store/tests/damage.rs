//! What is left where the end of the newest file is missing.

use std::fs::{self, File};

use super::*;

const GUILDS: u64 = 5;
const ROUNDS: u64 = 40;

fn text(guild: u64, position: u64) -> NewRecord {
    record(&format!("guild {guild} record {position}"))
}

/// The newest file of the log of commits, and where what was written to it ends.
fn newest_file(dir: &Path) -> (PathBuf, u64) {
    let files = fs::read_dir(Disk::folder(dir).join("commits")).unwrap();
    let number = |path: &PathBuf| {
        let head = fs::read(path).unwrap();
        u64::from_be_bytes(head[8..16].try_into().unwrap())
    };
    let newest = files
        .map(|entry| entry.unwrap().path())
        .max_by_key(number)
        .unwrap();
    let bytes = fs::read(&newest).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1;
    (newest, end)
}

/// How many records there are; checks that each log is a beginning of what was written.
async fn count_whole(store: &Store) -> u64 {
    let journal = store.journal();
    let mut count = 0;
    for guild in 1..=GUILDS {
        let id = GuildId::new(guild);
        let entries = journal.read(id, 0, usize::MAX).await.unwrap();
        for (index, entry) in entries.iter().enumerate() {
            assert_eq!(entry.position, index as u64 + 1);
            assert_eq!(entry.record, text(guild, entry.position).bytes);
        }
        let last = entries.len() as u64;
        assert_eq!(journal.last_position(id).await, Ok(last));
        count += last;
        let next = journal.append(id, last, vec![text(guild, last + 1)]).await;
        assert_eq!(next, Ok(last + 1), "the log goes on where it ends");
    }
    count
}

#[test]
fn a_cut_tail_leaves_a_beginning_of_every_log() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    block_on(async {
        let store = open(folder.path());
        let journal = store.journal();
        for position in 0..ROUNDS {
            for guild in 1..=GUILDS {
                let records = vec![text(guild, position + 1)];
                let id = GuildId::new(guild);
                journal.append(id, position, records).await.unwrap();
            }
        }
        let mut most = GUILDS * ROUNDS;
        for cut in [0, 1, 7, 60, 61, 300, 5_000] {
            for filled in [false, true] {
                let copy = copies.path().join(format!("{cut}-{filled}"));
                copy_store(&store, folder.path(), &copy);
                let (path, end) = newest_file(&copy);
                let file = File::options().write(true).open(path).unwrap();
                let whole = file.metadata().unwrap().len();
                file.set_len(end - cut).unwrap();
                if filled {
                    // As where the system has the length of a file on the disk, not its content.
                    file.set_len(whole).unwrap();
                }
                drop(file);
                let count = count_whole(&open(&copy)).await;
                if cut == 0 {
                    assert_eq!(count, most);
                } else {
                    assert!(count < GUILDS * ROUNDS, "a cut loses something");
                    assert!(count + 1 + cut / 20 >= GUILDS * ROUNDS, "{cut}: {count}");
                }
                assert!(count <= most, "a longer cut keeps no more");
                most = count;
            }
        }
    });
}

#[test]
fn damage_before_the_end_stops_the_start_of_what_was_synced_and_cuts_what_was_not() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    block_on(async {
        let store = open(folder.path());
        let append = |position| store.journal().append(GUILD, position, vec![record("x")]);
        for position in 0..10 {
            append(position).await.unwrap();
        }
        for sync in [true, false] {
            let copy = copies.path().join(sync.to_string());
            copy_store(&store, folder.path(), &copy);
            let (path, _) = newest_file(&copy);
            let mut bytes = fs::read(&path).unwrap();
            // The body of the fifth commit.
            bytes[4 * 4_096 + 40] ^= 1;
            fs::write(&path, bytes).unwrap();
            let opened = Store::open(settings(&copy, sync), Arc::default());
            if sync {
                let error = opened.err().unwrap().to_string();
                let expected = "commit 4 of its log cannot be read, and later ones are there";
                assert_eq!(error, expected);
                continue;
            }
            let store = opened.unwrap();
            assert_eq!(store.journal().last_position(GUILD).await, Ok(4));
            let next = store.journal().append(GUILD, 4, vec![record("new")]);
            assert_eq!(next.await, Ok(5));
            store.close();
            // What was behind the cut does not come back.
            let store = open(&copy);
            assert_eq!(store.journal().last_position(GUILD).await, Ok(5));
        }
    });
}
