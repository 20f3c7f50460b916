//! Stores of older forms: before there was an index of messages, and before that got behind.

use super::*;
use crate::journal::Span;

/// Makes a store what an older version would have left.
fn downgrade(dir: &Path, format: u32) {
    let disk = Disk::open(dir, indexed).unwrap();
    disk.messages.clear().unwrap();
    if format == keys::FORMAT_WITHOUT_MARKS {
        disk.build_index().unwrap();
    }
    for key in disk.meta.prefix(b"i").map(|pair| pair.key().unwrap()) {
        disk.meta.remove(key).unwrap();
    }
    disk.meta
        .insert(keys::FORMAT_KEY, format.to_be_bytes())
        .unwrap();
    disk.db.persist(fjall::PersistMode::SyncAll).unwrap();
}

#[test]
fn a_store_of_an_older_form_is_brought_to_todays_when_it_is_opened_once() {
    for format in [keys::FORMAT_WITHOUT_INDEX, keys::FORMAT_WITHOUT_MARKS] {
        is_brought_to_todays_form(format);
    }
}

fn is_brought_to_todays_form(format: u32) {
    let folder = tempfile::tempdir().unwrap();
    let texts = [
        "about 7 100",
        "other",
        "about 7 101",
        "about 7 100 101",
        "about 8 102",
    ];
    block_on(async {
        let store = open(folder.path());
        for guild in 1..=3 {
            let records = texts.iter().map(|text| record(text)).collect();
            let append = store.journal().append(GuildId::new(guild), 0, records);
            append.await.unwrap();
        }
        drop(store);
        downgrade(folder.path(), format);
        for _ in 0..2 {
            let store = open(folder.path());
            for guild in 1..=3 {
                let span = Span {
                    from: MessageId::new(0),
                    limit: 9,
                    ..Span::one(ChannelId::new(7), MessageId::new(u64::MAX))
                };
                let found = store.journal().about(GuildId::new(guild), span).await;
                let found: Vec<(u64, usize)> = found
                    .unwrap()
                    .messages
                    .iter()
                    .map(|(id, entries)| (id.get(), entries.len()))
                    .collect();
                assert_eq!(found, [(101, 2), (100, 2)]);
            }
        }
        let disk = Disk::open(folder.path(), |_| panic!("looked through again")).unwrap();
        // The index has every record: none is looked through.
        let view = disk.db.snapshot();
        for guild in (1..=3).map(GuildId::new) {
            assert_eq!(disk.indexed(&view, guild), Ok(texts.len() as u64));
            assert_eq!(disk.mentions_in(&view, guild, 6..=u64::MAX), Ok(Vec::new()));
        }
        let format = disk.meta.get(keys::FORMAT_KEY).unwrap().unwrap();
        assert_eq!(&format[..], keys::FORMAT.to_be_bytes());
    });
}
