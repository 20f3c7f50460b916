//! Stores of older forms: with commits in the database; with one record to a key, and an index that got behind, a whole one, or
//! none.

use super::*;
use crate::journal::Span;
use crate::protocol::Position;
use crate::store::commits::Commit;
use crate::store::index::Mention;
use crate::store::upgrade::{COMMITS, RECORDS};

const TEXTS: [&str; 5] = [
    "about 7 100",
    "other",
    "about 7 101",
    "about 7 100 101",
    "about 8 102",
];

/// A guild that was there, and was forgotten.
const FORMER: GuildId = GuildId::new(4);

fn keyspace(disk: &Disk, name: &str) -> fjall::Keyspace {
    let options = fjall::KeyspaceCreateOptions::default;
    disk.db.keyspace(name, options).unwrap()
}

/// Each text of all guilds is a commit; the first two are sorted as well.
fn write_commits(disk: &Disk, guilds: &[GuildId]) {
    let commits = keyspace(disk, COMMITS);
    for (text, position) in TEXTS.iter().zip(1..) {
        let mut commit = Commit::default();
        for guild in guilds.iter().chain([&FORMER]) {
            commit.append(*guild, position, text.as_bytes());
        }
        commits
            .insert(position.to_be_bytes(), commit.into_bytes())
            .unwrap();
    }
    let mut commit = Commit::default();
    commit.append(FORMER, 0, &[]);
    let commit = commit.into_bytes();
    commits.insert(9_u64.to_be_bytes(), commit).unwrap();
    for guild in guilds {
        let mut batch = disk.db.batch();
        let sorted: Vec<NewRecord> = TEXTS[..2].iter().map(|text| record(text)).collect();
        blocks::insert(&mut batch, disk, *guild, 1, &sorted);
        for mention in indexed(TEXTS[0].as_bytes())
            .iter()
            .flat_map(|it| Mention::all(it, 1))
        {
            batch.insert(&disk.messages, keys::mention(*guild, mention), []);
        }
        batch.commit().unwrap();
    }
}

fn write_records(disk: &Disk, guilds: &[GuildId], format: u32) {
    let indexed_through = match format {
        keys::FORMAT_WITHOUT_INDEX => 0,
        keys::FORMAT_WITH_MARKS => 3,
        _ => Position::MAX,
    };
    let records = keyspace(disk, RECORDS);
    for guild in guilds.iter().copied() {
        for (text, position) in TEXTS.iter().zip(1..) {
            records
                .insert(keys::record(guild, position), *text)
                .unwrap();
            let about = indexed(text.as_bytes());
            let mentions = about.iter().flat_map(|it| Mention::all(it, position));
            for mention in mentions.filter(|_| position <= indexed_through) {
                disk.messages
                    .insert(keys::mention(guild, mention), [])
                    .unwrap();
            }
        }
        if format == keys::FORMAT_WITH_MARKS {
            let mark = keys::mark(guild);
            disk.meta.insert(mark, 3_u64.to_be_bytes()).unwrap();
        }
    }
}

/// Makes a store what an older version would have left.
fn downgrade(dir: &Path, format: u32) {
    let disk = Disk::open(dir, indexed).unwrap();
    let guilds: Vec<GuildId> = (1..=3).map(GuildId::new).collect();
    if format == keys::FORMAT_WITH_COMMITS {
        write_commits(&disk, &guilds);
    } else {
        write_records(&disk, &guilds, format);
    }
    disk.meta
        .insert(keys::FORMAT_KEY, format.to_be_bytes())
        .unwrap();
    disk.db.persist(fjall::PersistMode::SyncAll).unwrap();
}

#[test]
fn a_store_of_an_older_form_is_brought_to_todays_when_it_is_opened_once() {
    for format in 1..keys::FORMAT {
        is_brought_to_todays_form(format);
    }
}

fn is_brought_to_todays_form(format: u32) {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        downgrade(folder.path(), format);
        for round in 0..2 {
            let store = open(folder.path());
            let guilds: Vec<GuildId> = (1..=3).map(GuildId::new).collect();
            assert_eq!(store.journal().guilds(None, 9).await, Ok(guilds));
            for guild in (1..=3).map(GuildId::new) {
                let span = Span {
                    from: MessageId::new(0),
                    limit: 9,
                    ..Span::one(ChannelId::new(7), MessageId::new(u64::MAX))
                };
                let found = store.journal().about(guild, span).await;
                let found: Vec<(u64, usize)> = found
                    .unwrap()
                    .messages
                    .iter()
                    .map(|(id, entries)| (id.get(), entries.len()))
                    .collect();
                assert_eq!(found, [(101, 2), (100, 2)], "format {format}");
                let last = TEXTS.len() as u64 + round;
                let entries = store.journal().read(guild, 1, 99).await.unwrap();
                assert_eq!(entries.len() as u64, last - 1);
                let more = store.journal().append(guild, last, vec![record("more")]);
                assert_eq!(more.await, Ok(last + 1));
            }
        }
        let disk = Disk::open(folder.path(), indexed).unwrap();
        assert_eq!(disk.messages.len().unwrap(), 3 * 5);
        let blocks = if format == keys::FORMAT_WITH_COMMITS {
            2
        } else {
            1
        };
        assert_eq!(disk.blocks.len().unwrap(), 3 * blocks);
        for former in [COMMITS, RECORDS] {
            assert!(!disk.db.keyspace_exists(former));
        }
        assert_eq!(disk.meta.prefix(keys::MARKS).count(), 0);
        let format = disk.meta.get(keys::FORMAT_KEY).unwrap().unwrap();
        assert_eq!(&format[..], keys::FORMAT.to_be_bytes());
    });
}
