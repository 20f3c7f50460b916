//! The file that sessions wait in between a clean stop and the next start.
//!
//! It is taken away when it is read: after a crash there is none, and every Resume is refused. A stale
//! one would be a partial replay (*invariant I10*).
//!
//! Layout: [`MAGIC`], the version, then records of kind (one byte), length (four) and content. What
//! sessions share is written once: bodies of events and tables of who sees which channel go before
//! the first session that names them by their number. The last record is a hash of all before it:
//! a file that was cut off or changed is refused as a whole. Numbers are little-endian.

mod read;
mod write;

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::parked::Parked;
use crate::protocol::objects::{Member, Presence, User};
use crate::protocol::{GuildId, Position};

/// The file in the data directory.
const FILE: &str = "sessions";
/// What a file starts with.
const MAGIC: &[u8; 18] = b"guildhall-sessions";
/// Version of the layout.
const VERSION: u32 = 1;
/// Most bytes of a file; sessions beyond are not kept.
const MAX_BYTES: u64 = 1 << 30;
/// Bytes of a record before its content.
const RECORD_HEAD: usize = 5;
/// Bytes of the last record.
const END: usize = RECORD_HEAD + 8;

/// Kinds of records.
mod kind {
    pub(super) const BODY: u8 = b'B';
    pub(super) const TABLE: u8 = b'T';
    pub(super) const SESSION: u8 = b'S';
    pub(super) const END: u8 = b'E';
}

/// Why sessions were not written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The file is of another format or version.
    #[error("not a file of sessions of version {VERSION}")]
    Format,
    /// The file was cut off or changed, or is too large.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
}

/// What a session record starts with, as JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    id: String,
    user: Arc<User>,
    intents: u64,
    shard: (u32, u32),
    large_threshold: u16,
    presence: Presence,
    first_seq: u64,
    sent_seq: u64,
    detached_ms: u64,
    guilds: Vec<Standing>,
    asked: Vec<(GuildId, bool)>,
    #[serde(default)]
    claim: u64,
}

/// A session's subscription to a guild.
#[derive(Debug, Serialize, Deserialize)]
struct Standing {
    guild: GuildId,
    position: Position,
    member: Arc<Member>,
    table: u32,
}

/// Writes sessions for the next start; the file is there as a whole or not at all. Blocks.
///
/// Everything that the sessions have seen has to be kept already. Answers how many did not fit.
pub fn save(dir: &Path, sessions: &[Parked]) -> Result<usize, CheckpointError> {
    let path = dir.join(FILE);
    let fresh = path.with_extension("new");
    let written = || {
        let mut out = BufWriter::new(File::create(&fresh)?);
        let left_out = write::sessions(&mut out, sessions, MAX_BYTES)?;
        out.into_inner()?.sync_all()?;
        fs::rename(&fresh, &path)?;
        sync(dir)?;
        Ok(left_out)
    };
    written().map_err(|source| CheckpointError::Io {
        path: path.clone(),
        source,
    })
}

/// One session, as a file of its own, for another node to read.
pub fn to_bytes(session: &Parked) -> Vec<u8> {
    let mut out = Vec::new();
    write::sessions(&mut out, std::slice::from_ref(session), MAX_BYTES)
        .expect("nothing fails that is written to memory");
    out
}

/// What [`to_bytes`] wrote.
pub fn from_bytes(bytes: &[u8]) -> Result<Parked, CheckpointError> {
    let mut sessions = read::sessions(bytes)?;
    sessions
        .pop()
        .ok_or(CheckpointError::Damaged("it is empty"))
}

/// Takes the sessions that [`save`] wrote, if it did. Blocks.
///
/// A file that cannot be used is logged and taken away all the same; an error is returned only where
/// it cannot be taken away, since then it would be read again after a crash.
pub fn take(dir: &Path) -> Result<Vec<Parked>, CheckpointError> {
    let path = dir.join(FILE);
    let taken = path.with_extension("taken");
    let moved = fs::rename(&path, &taken).and_then(|()| sync(dir));
    match moved {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(CheckpointError::Io { path, source }),
    }
    let sessions = read_file(&taken).unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "no session of the last run can be resumed");
        Vec::new()
    });
    if let Err(error) = fs::remove_file(&taken) {
        tracing::warn!(path = %taken.display(), %error, "a file that was read could not be removed");
    }
    Ok(sessions)
}

fn read_file(path: &Path) -> Result<Vec<Parked>, CheckpointError> {
    let io = |source| CheckpointError::Io {
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
        return Err(CheckpointError::Damaged("it is too large"));
    }
    read::sessions(&fs::read(path).map_err(io)?)
}

/// A rename is durable once the folder is synced.
fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests;
