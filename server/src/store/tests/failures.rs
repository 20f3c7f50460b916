//! Commits that fail and disks that fill up.

use std::sync::atomic::Ordering;

use super::*;

/// Makes a commit fail, and answers where the guild's log ends once the store takes writes again.
async fn after_a_fault(fault: Fault) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (journal, directory) = (store.journal(), store.directory());
    let other = GuildId::new(11);
    journal
        .append(other, 0, vec![record("kept")])
        .await
        .unwrap();

    let stays_broken = &store.shared.stays_broken;
    stays_broken.store(true, Ordering::Relaxed);
    *store.shared.fault.lock().unwrap() = Some(fault);
    let failed = journal.append(GUILD, 0, vec![record("lost?")]).await;
    assert!(
        matches!(failed, Err(JournalError::Ambiguous(_))),
        "{failed:?}"
    );
    assert!(!journal.accepts_writes());
    let refused = journal.append(other, 1, vec![record("x")]).await;
    assert!(matches!(refused, Err(JournalError::Unavailable(_))));
    let user = Arc::new(User::new(UserId::new(1), "someone", false));
    assert!(directory.put_user(user.clone()).await.is_err());
    // Reads go on, but for the guild of which it is open what it holds.
    assert_eq!(journal.last_position(other).await, Ok(1));
    let open = journal.last_position(GUILD).await;
    assert!(
        matches!(open, Err(JournalError::Unavailable(_))),
        "{open:?}"
    );

    stays_broken.store(false, Ordering::Relaxed);
    until(|| journal.accepts_writes()).await;
    assert_eq!(journal.append(other, 1, vec![record("x")]).await, Ok(2));
    directory.put_user(user).await.unwrap();
    let position = journal.last_position(GUILD).await.unwrap();
    let next = journal.append(GUILD, position, vec![record("next")]).await;
    assert_eq!(next, Ok(position + 1));
    position
}

#[test]
fn a_commit_that_fails_stops_writes_until_the_store_was_opened_again() {
    assert_eq!(block_on(after_a_fault(Fault::Before)), 0);
}

#[test]
fn a_commit_whose_answer_is_lost_is_found_in_the_log() {
    assert_eq!(block_on(after_a_fault(Fault::After)), 1);
}

#[test]
fn writes_stop_while_space_is_short_and_reads_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let journal = store.journal();
    block_on(async {
        journal.append(GUILD, 0, vec![record("a")]).await.unwrap();
        let least = &store.shared.min_free_bytes;
        least.store(u64::MAX, Ordering::Relaxed);
        let mut at = 1;
        // The space is looked at now and then, so a few more pass.
        let refused = loop {
            match journal.append(GUILD, at, vec![record("b")]).await {
                Ok(position) => at = position,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, JournalError::Unavailable(_)));
        assert!(!journal.accepts_writes());
        assert!(store.shared.counters.store_refused.get() > 0);
        assert_eq!(journal.last_position(GUILD).await, Ok(at));
        least.store(0, Ordering::Relaxed);
        until(|| journal.accepts_writes()).await;
        assert_eq!(
            journal.append(GUILD, at, vec![record("c")]).await,
            Ok(at + 1)
        );
    });
}
