//! Stores of older forms: one record to a key, with an index that got behind, with a whole one, and with none.

use super::*;
use crate::journal::Span;
use crate::protocol::Position;
use crate::store::index::Mention;
use crate::store::upgrade::RECORDS;

const TEXTS: [&str; 5] = [
    "about 7 100",
    "other",
    "about 7 101",
    "about 7 100 101",
    "about 8 102",
];

/// Makes a store what an older version would have left.
fn downgrade(dir: &Path, format: u32) {
    let disk = Disk::open(dir, indexed).unwrap();
    let indexed_through = match format {
        keys::FORMAT_WITHOUT_INDEX => 0,
        keys::FORMAT_WITH_MARKS => 3,
        _ => Position::MAX,
    };
    let records = disk
        .db
        .keyspace(RECORDS, fjall::KeyspaceCreateOptions::default);
    let records = records.unwrap();
    for guild in disk.guilds(None, 9).unwrap() {
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
    disk.commits.clear().unwrap();
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
        let store = open(folder.path());
        for guild in 1..=3 {
            let records = TEXTS.iter().map(|text| record(text)).collect();
            let append = store.journal().append(GuildId::new(guild), 0, records);
            append.await.unwrap();
        }
        drop(store);
        downgrade(folder.path(), format);
        for round in 0..2 {
            let store = open(folder.path());
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
        assert_eq!(disk.blocks.len().unwrap(), 3, "a block for each guild");
        assert!(!disk.db.keyspace_exists(RECORDS));
        assert_eq!(disk.meta.prefix(keys::MARKS).count(), 0);
        let format = disk.meta.get(keys::FORMAT_KEY).unwrap().unwrap();
        assert_eq!(&format[..], keys::FORMAT.to_be_bytes());
    });
}
