//! The journal in memory: for tests and for what need not survive; a clean stop can save it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use dashmap::DashMap;

use super::{Entry, Journal, JournalError, JournalFuture, Snapshot};
use crate::protocol::{GuildId, Position};

/// First bytes of a saved journal; the last one is the format's version.
const MAGIC: &[u8; 8] = b"GHJRNL\0\x01";
/// Longest record that a saved file may hold, in bytes: a guard against damaged lengths.
const MAX_RECORD: u32 = 64 << 20;

/// Every guild's log, in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    logs: Arc<DashMap<GuildId, Vec<Bytes>>>,
    snapshots: Arc<DashMap<GuildId, Snapshot>>,
}

fn ready<T: Send + 'static>(result: Result<T, JournalError>) -> JournalFuture<T> {
    Box::pin(std::future::ready(result))
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes every log to `path`, atomically.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let temporary = path.with_extension("tmp");
        let mut out = BufWriter::new(File::create(&temporary)?);
        out.write_all(MAGIC)?;
        let ids: BTreeSet<GuildId> = self.logs.iter().map(|log| *log.key()).collect();
        for guild in ids {
            let Some(log) = self.logs.get(&guild) else {
                continue;
            };
            out.write_all(&guild.get().to_be_bytes())?;
            out.write_all(&(log.len() as u64).to_be_bytes())?;
            for record in log.iter() {
                out.write_all(&(record.len() as u32).to_be_bytes())?;
                out.write_all(record)?;
            }
        }
        out.into_inner()?.sync_all()?;
        std::fs::rename(temporary, path)
    }

    /// Reads what [`MemoryJournal::save`] wrote; empty where there is no such file.
    pub fn load(path: &Path) -> io::Result<Self> {
        let journal = Self::new();
        let mut input = match File::open(path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(journal),
            Err(error) => return Err(error),
        };
        let mut magic = [0; 8];
        input.read_exact(&mut magic)?;
        if &magic != MAGIC {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a saved journal",
            ));
        }
        let mut head = [0; 16];
        loop {
            match input.read_exact(&mut head) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(journal),
                Err(error) => return Err(error),
            }
            let (guild, count) = head.split_at(8);
            let guild = u64::from_be_bytes(guild.try_into().expect("eight bytes"));
            let count = u64::from_be_bytes(count.try_into().expect("eight bytes"));
            let mut log = Vec::new();
            for _ in 0..count {
                let mut length = [0; 4];
                input.read_exact(&mut length)?;
                let length = u32::from_be_bytes(length);
                if length > MAX_RECORD {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "record too long",
                    ));
                }
                let mut record = vec![0; length as usize];
                input.read_exact(&mut record)?;
                log.push(Bytes::from(record));
            }
            journal.logs.insert(GuildId::new(guild), log);
        }
    }
}

impl Journal for MemoryJournal {
    fn append(
        &self,
        guild: GuildId,
        expected: Position,
        records: Vec<Bytes>,
    ) -> JournalFuture<Position> {
        let mut log = self.logs.entry(guild).or_default();
        let actual = log.len() as Position;
        if actual != expected {
            return ready(Err(JournalError::Conflict { actual }));
        }
        log.extend(records);
        ready(Ok(log.len() as Position))
    }

    fn read(&self, guild: GuildId, after: Position, limit: usize) -> JournalFuture<Vec<Entry>> {
        let entries = self.logs.get(&guild).map_or_else(Vec::new, |log| {
            log.iter()
                .enumerate()
                .skip(after as usize)
                .take(limit)
                .map(|(index, record)| Entry {
                    position: index as Position + 1,
                    record: record.clone(),
                })
                .collect()
        });
        ready(Ok(entries))
    }

    fn last_position(&self, guild: GuildId) -> JournalFuture<Position> {
        ready(Ok(self
            .logs
            .get(&guild)
            .map_or(0, |log| log.len() as Position)))
    }

    fn remove(&self, guild: GuildId) -> JournalFuture<()> {
        self.logs.remove(&guild);
        self.snapshots.remove(&guild);
        ready(Ok(()))
    }

    fn guilds(&self, after: Option<GuildId>, limit: usize) -> JournalFuture<Vec<GuildId>> {
        let mut ids: Vec<GuildId> = self
            .logs
            .iter()
            .map(|log| *log.key())
            .filter(|id| after.is_none_or(|after| *id > after))
            .collect();
        ids.sort_unstable();
        ids.truncate(limit);
        ready(Ok(ids))
    }

    fn snapshot(&self, guild: GuildId) -> JournalFuture<Option<Snapshot>> {
        ready(Ok(self.snapshots.get(&guild).map(|kept| kept.clone())))
    }

    fn put_snapshot(&self, guild: GuildId, snapshot: Snapshot) -> JournalFuture<()> {
        let mut kept = self
            .snapshots
            .entry(guild)
            .or_insert_with(|| snapshot.clone());
        if kept.position < snapshot.position {
            *kept = snapshot;
        }
        ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::conformance;

    #[test]
    fn memory_journal_keeps_the_contract() {
        conformance::run(&MemoryJournal::new());
    }

    #[test]
    fn a_saved_journal_reads_back_and_damage_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        assert!(MemoryJournal::load(&path).unwrap().logs.is_empty());
        let journal = MemoryJournal::new();
        conformance::run(&journal);
        journal.save(&path).unwrap();
        let read = MemoryJournal::load(&path).unwrap();
        for log in journal.logs.iter() {
            assert_eq!(*read.logs.get(log.key()).unwrap(), *log.value());
        }
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(
            MemoryJournal::load(&path).is_err(),
            "a cut record is not taken for a whole one"
        );
        std::fs::write(&path, b"something else").unwrap();
        assert!(MemoryJournal::load(&path).is_err());
    }
}
