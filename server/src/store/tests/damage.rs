//! What is left where the end of the newest file is missing.

use std::fs::{self, File};

use super::*;

const GUILDS: u64 = 5;
const ROUNDS: u64 = 40;

fn text(guild: u64, position: u64) -> NewRecord {
    record(&format!("guild {guild} record {position}"))
}

/// The newest write-ahead file, and where what was written to it ends.
fn newest_file(dir: &Path) -> (PathBuf, u64) {
    let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
    let newest = fs::read_dir(Disk::folder(dir))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "jnl"))
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
