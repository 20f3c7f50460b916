//! A store of the form before there was an index of messages.

use super::*;
use crate::journal::Span;

/// Takes from a store what the first version had not.
fn downgrade(dir: &Path) {
    let disk = Disk::open(dir, |_| None).unwrap();
    disk.messages.clear().unwrap();
    disk.meta
        .insert(keys::FORMAT_KEY, 1_u32.to_be_bytes())
        .unwrap();
    disk.db.persist(fjall::PersistMode::SyncAll).unwrap();
}

#[test]
fn a_store_without_an_index_gets_one_when_it_is_opened_once() {
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
        downgrade(folder.path());
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
        let disk = Disk::open(folder.path(), |_| panic!("built again")).unwrap();
        let format = disk.meta.get(keys::FORMAT_KEY).unwrap().unwrap();
        assert_eq!(&format[..], 2_u32.to_be_bytes());
    });
}
