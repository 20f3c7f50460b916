//! What is written is found again, whatever came before it in its file and wherever it was cut.

use std::path::Path;

use proptest::prelude::*;

use super::*;

/// The log of a folder, and what it has from a commit on.
fn open(dir: &Path, sync: bool, first: u64) -> (CommitLog, Vec<(u64, Bytes)>) {
    let mut found = Vec::new();
    let log = CommitLog::open(dir.to_owned(), sync, first, |number, body| {
        found.push((number, body));
        Ok(())
    });
    (log.unwrap(), found)
}

fn body(number: u64, length: usize) -> Bytes {
    let byte = (number % 251) as u8 + 1;
    vec![byte; length].into()
}

#[derive(Debug, Clone)]
enum Step {
    /// A commit with so many bytes.
    Append(usize),
    /// Those before a share of what is kept, in per cent, are not needed any more.
    Free(u64),
    /// It is opened again, synced or not.
    Reopen(bool),
    /// The last commit was being written when it stopped: of it so much is there, in per cent.
    Tear(usize, u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![8 => 1_usize..9_000, 1 => 100_000_usize..300_000];
    let step = prop_oneof![
        12 => length.clone().prop_map(Step::Append),
        2 => (0_u64..=100).prop_map(Step::Free),
        1 => any::<bool>().prop_map(Step::Reopen),
        1 => (length, 0_u64..100).prop_map(|(length, share)| Step::Tear(length, share)),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_has_what_was_written_and_is_needed(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("commits");
        let (mut log, found) = open(&dir, true, 0);
        prop_assert_eq!(found, []);
        let (mut kept, mut first) = (VecDeque::new(), 0);
        for step in steps {
            match step {
                Step::Append(length) => {
                    let commit = (log.next(), body(log.next(), length));
                    log.append(&commit.1).unwrap();
                    kept.push_back(commit);
                }
                Step::Free(share) => {
                    let gone = kept.len() as u64 * share / 100;
                    kept.drain(..gone as usize);
                    first += gone;
                    log.free_before(first).unwrap();
                }
                Step::Reopen(sync) => {
                    drop(log);
                    let (opened, found) = open(&dir, sync, first);
                    prop_assert_eq!(&kept, &found);
                    prop_assert_eq!(opened.next(), first + found.len() as u64);
                    log = opened;
                }
                Step::Tear(length, share) => {
                    let number = log.next();
                    log.append(&body(number, length)).unwrap();
                    let segment = log.live.back().unwrap();
                    let bytes = (frame::HEAD + length).next_multiple_of(frame::BLOCK) as u64;
                    let begin = segment.at - bytes;
                    // What was written is a share of what has other bytes than zero.
                    let left = (frame::HEAD + length) as u64 * share / 100;
                    segment.file.set_len(begin + left).unwrap();
                    segment.file.set_len(segment.bytes()).unwrap();
                    drop(log);
                    let (opened, found) = open(&dir, true, first);
                    prop_assert_eq!(&kept, &found);
                    prop_assert_eq!(opened.next(), number);
                    log = opened;
                }
            }
        }
    }
}

#[test]
fn files_are_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("commits");
    let (mut log, _) = open(&dir, true, 0);
    for round in 0..100 {
        for _ in 0..10 {
            log.append(&body(log.next(), 60_000)).unwrap();
        }
        assert_eq!(log.next(), (round + 1) * 10);
        log.free_before(log.next()).unwrap();
    }
    assert!(fs::read_dir(&dir).unwrap().count() <= 4);
    // One with a longer commit goes when that is not needed.
    log.append(&body(log.next(), 1 << 20)).unwrap();
    log.append(&body(log.next(), 1)).unwrap();
    log.free_before(log.next()).unwrap();
    let longest = fs::read_dir(&dir).unwrap();
    let longest = longest.map(|file| file.unwrap().metadata().unwrap().len());
    assert_eq!(longest.max(), Some(SEGMENT_BYTES));
    let first = log.next() - 1;
    drop(log);
    assert_eq!(open(&dir, true, first).1, [(first, body(first, 1))]);
}

#[test]
fn commits_that_were_cut_off_do_not_follow_what_is_written_in_their_stead() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("commits");
    let (mut log, _) = open(&dir, false, 0);
    for _ in 0..20 {
        log.append(&body(log.next(), 10)).unwrap();
    }
    let file = Arc::clone(&log.live.back().unwrap().file);
    drop(log);
    std::os::unix::fs::FileExt::write_all_at(&*file, &[0; 4_096], 12 * 4_096).unwrap();
    assert!(CommitLog::open(dir.clone(), true, 0, |_, _| Ok(())).is_err());
    let (mut log, found) = open(&dir, false, 0);
    assert_eq!(found.len(), 12);
    log.append(b"another").unwrap();
    drop(log);
    let (log, found) = open(&dir, true, 0);
    assert_eq!(found.len(), 13);
    assert_eq!(log.next(), 13);
}

#[test]
fn a_log_that_lost_what_is_not_needed_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("commits");
    let (mut log, _) = open(&dir, false, 0);
    for _ in 0..3 {
        log.append(&body(log.next(), 10)).unwrap();
    }
    drop(log);
    // Up to 7 all are sorted, and were not synced when the power was cut.
    let (mut log, found) = open(&dir, false, 7);
    assert_eq!((found.len(), log.next()), (0, 7));
    log.append(b"seven").unwrap();
    drop(log);
    let (_, found) = open(&dir, true, 7);
    assert_eq!(found, [(7, Bytes::from_static(b"seven"))]);
}

/// A log of two files, the first commit of the second one and that file.
fn two_files(dir: &Path, sync: bool) -> (u64, Arc<File>) {
    let (mut log, _) = open(dir, sync, 0);
    while log.live.len() < 2 {
        log.append(&body(log.next(), 60_000)).unwrap();
    }
    log.append(b"last").unwrap();
    (log.live[0].end, Arc::clone(&log.live[1].file))
}

#[test]
fn damage_is_found_at_the_beginning_of_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("commits");
    let (next, second) = two_files(&dir, true);
    second.set_len(0).unwrap();
    second.set_len(SEGMENT_BYTES).unwrap();
    let (log, _) = open(&dir, true, 0);
    assert_eq!(log.next(), next, "a file without a commit may be new");
    drop(log);

    let dir = folder.path().join("others");
    let (next, second) = two_files(&dir, false);
    std::os::unix::fs::FileExt::write_all_at(&*second, &[0; 4_096], 0).unwrap();
    assert!(CommitLog::open(dir.clone(), true, 0, |_, _| Ok(())).is_err());
    for sync in [false, true] {
        let (log, found) = open(&dir, sync, 0);
        assert_eq!((log.next(), found.len() as u64), (next, next));
    }
}
