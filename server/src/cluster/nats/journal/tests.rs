use std::time::Duration;

use super::*;
use crate::cluster::nats::test_server::Server;
use crate::journal::conformance;

fn record(text: &str) -> NewRecord {
    Bytes::copy_from_slice(text.as_bytes()).into()
}

#[test]
fn the_journal_keeps_the_contract() {
    let server = Server::start();
    conformance::run(&NatsJournal::new(server.connect("contract"), None));
}

#[test]
fn i1_of_two_nodes_that_believe_to_own_a_guild_one_writes() {
    let server = Server::start();
    let one = NatsJournal::new(server.connect("rivals"), None);
    let other = NatsJournal::new(server.connect("rivals"), None);
    let guild = GuildId::new(5);
    server.wait_for(async move {
        assert_eq!(one.append(guild, 0, vec![record("made")]).await, Ok(1));
        assert_eq!(other.last_position(guild).await, Ok(1));
        let mut refused = [0, 0];
        // Each goes on from what it wrote last, as an owner does; both at the same time.
        let mut at = [1, 1];
        for round in 0..200 {
            let (first, second) = futures_util::future::join(
                one.append(guild, at[0], vec![record(&format!("one {round}"))]),
                other.append(guild, at[1], vec![record(&format!("other {round}"))]),
            )
            .await;
            let mut wrote = 0;
            for (who, result) in [first, second].into_iter().enumerate() {
                match result {
                    Ok(position) => {
                        at[who] = position;
                        wrote += 1;
                    }
                    Err(JournalError::Conflict { actual }) => {
                        assert!(actual > at[who]);
                        refused[who] += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(wrote <= 1, "both wrote after the same position");
            if wrote == 0 {
                // Who was refused learns where the log is and claims it.
                let loser = round % 2;
                at[loser] = one.last_position(guild).await.unwrap();
            }
        }
        assert!(refused[0] + refused[1] > 0);
        // The log is one sequence without gaps.
        let end = one.last_position(guild).await.unwrap();
        let entries = other.read(guild, 0, 1_000).await.unwrap();
        assert_eq!(entries.len() as u64, end);
        assert!(
            entries
                .iter()
                .zip(1..)
                .all(|(entry, at)| entry.position == at)
        );
    });
}

#[test]
fn long_logs_are_read_from_anywhere() {
    let server = Server::start();
    let journal = NatsJournal::new(server.connect("long"), None);
    let stranger = NatsJournal::new(server.connect("long"), None);
    let (guild, neighbour) = (GuildId::new(6), GuildId::new(7));
    server.wait_for(async move {
        let mut at = 0;
        for n in 0..200 {
            let records = (0..=n % 5).map(|i| record(&format!("{n}/{i}")));
            at = journal.append(guild, at, records.collect()).await.unwrap();
            journal
                .append(neighbour, n, vec![record("x")])
                .await
                .unwrap();
        }
        for after in [0, 1, 2, 77, 299, 300, 301, at - 1] {
            // A stranger has no bookmark; a limit of one is read one by one, the rest by a consumer.
            for limit in [1, 50, 10_000] {
                let entries = stranger.read(guild, after, limit).await.unwrap();
                assert_eq!(entries.len() as u64, (at - after).min(limit as u64));
                assert!(
                    entries
                        .iter()
                        .zip(after + 1..)
                        .all(|(e, at)| e.position == at)
                );
            }
        }
    });
}

#[test]
fn an_append_that_is_too_large_for_a_message_is_kept_all_the_same() {
    let server = Server::start();
    let journal = NatsJournal::new(server.connect("large"), None);
    let guild = GuildId::new(8);
    let large = Bytes::from(vec![7; 3 << 20]);
    server.wait_for(async move {
        let records = vec![large.clone().into(), record("small")];
        assert_eq!(journal.append(guild, 0, records).await, Ok(2));
        let entries = journal.read(guild, 0, 9).await.unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].record, large);
        let snapshot = Snapshot {
            position: 2,
            bytes: large,
        };
        journal.put_snapshot(guild, snapshot.clone()).await.unwrap();
        assert_eq!(journal.snapshot(guild).await, Ok(Some(snapshot)));
    });
}

#[test]
fn a_server_that_is_away_refuses_writes_and_what_was_acknowledged_is_there_when_it_is_back() {
    let mut server = Server::start();
    let journal = NatsJournal::new(server.connect("away"), None);
    let guild = GuildId::new(9);
    let writer = journal.clone();
    server.wait_for(async move {
        assert_eq!(writer.append(guild, 0, vec![record("a")]).await, Ok(1));
    });
    server.kill();
    let waits = journal.clone();
    server.wait_for(async move {
        while waits.accepts_writes() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let refused = waits.append(guild, 1, vec![record("b")]).await;
        assert!(matches!(refused, Err(JournalError::Unavailable(_))));
    });
    server.restart();
    server.wait_for(async move {
        let mut at = journal.append(guild, 1, vec![record("c")]).await;
        while let Err(JournalError::Unavailable(_) | JournalError::Ambiguous(_)) = at {
            tokio::time::sleep(Duration::from_millis(20)).await;
            at = journal.append(guild, 1, vec![record("c")]).await;
        }
        assert_eq!(at, Ok(2));
        let entries = journal.read(guild, 0, 9).await.unwrap();
        assert_eq!(&entries[0].record[..], b"a");
        assert_eq!(&entries[1].record[..], b"c");
    });
}
