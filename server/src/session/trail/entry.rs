//! The form of a trail: blocks, each with its length and hash, of entries.
//!
//! An entry begins with one number, `n · 8 + kind`. What there are many of is a few bytes; what is rare
//! is JSON.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::fanout::Visibility;
use crate::protocol::objects::{Member, Presence, User};
use crate::protocol::{GuildId, Position};

/// Bytes of a block before its content: length (4) and hash (8), little-endian.
pub(super) const BLOCK_HEAD: usize = 12;

/// Kinds of entries.
mod kind {
    /// Session `n` was handed the current guild's record at a position.
    pub(super) const DELIVERED: u64 = 0;
    /// Session `n` was handed something that nobody misses.
    pub(super) const PASSING: u64 = 1;
    /// Session `n` was handed something of its own.
    pub(super) const OWN: u64 = 2;
    /// JSON of `n` bytes.
    pub(super) const NOTE: u64 = 3;
    /// The eight bytes that follow are the current guild from here on.
    pub(super) const GUILD: u64 = 4;
    /// Every session in the current guild's room has everything up to a position.
    pub(super) const PROGRESS: u64 = 5;
    /// Session `n` was handed the current guild's records from a position on; their number follows.
    pub(super) const RUN: u64 = 6;
}

/// With more records in it an entry is damaged.
const MOST_IN_RUN: u64 = 1 << 16;

/// What is written as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Note {
    /// Begins a file.
    Begin {
        /// Which boot of the machine.
        boot: String,
        /// When this run of the process began, in milliseconds since the Unix epoch.
        run_began_ms: u64,
    },
    /// A session as it is now.
    Session(Box<Image>),
    /// Who sees which channel of a guild from a position on.
    Table {
        position: Position,
        table: Arc<Visibility>,
    },
    /// A session is in the guild's room and has everything up to a position.
    Stands {
        number: u32,
        guild: GuildId,
        position: Position,
        member: Arc<Member>,
    },
    /// A session's member changed.
    Member {
        number: u32,
        guild: GuildId,
        position: Position,
        member: Arc<Member>,
    },
    /// A session is not in the guild any more; or it waits for the guild to take it again.
    Left {
        number: u32,
        guild: GuildId,
        asked: bool,
    },
    /// A session has another presence.
    Presence { number: u32, presence: Presence },
    /// A session went to another worker.
    Moved { number: u32 },
    /// A session ended.
    Ended { id: String },
}

/// A session at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Image {
    /// What this file calls it.
    pub number: u32,
    /// The later of two images of a session has the greater one.
    pub order: u64,
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub user: Arc<User>,
    /// What it asked for.
    pub intents: u64,
    /// Shard id and number of shards.
    pub shard: (u32, u32),
    /// Up to how many members GUILD_CREATE shows.
    pub large_threshold: u16,
    /// Its presence.
    pub presence: Presence,
    /// The number of its newest event.
    pub seq: u64,
    /// Its guilds.
    pub guilds: Vec<Standing>,
    /// Guilds that have not answered, and whether the user joined while connected.
    pub asked: Vec<(GuildId, bool)>,
    /// The claim by which this node has it; 0 where it began here.
    #[serde(default)]
    pub claim: u64,
}

/// Where a session is in a guild.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Standing {
    /// The guild.
    pub guild: GuildId,
    /// It has everything up to here.
    pub position: Position,
    /// Its member there at that position.
    pub member: Arc<Member>,
    /// Whether it gets what happens; not so while the guild is asked for what it missed.
    pub in_room: bool,
}

/// What is read back.
#[derive(Debug)]
pub(super) enum Entry {
    Delivered {
        number: u32,
        guild: GuildId,
        positions: Range<Position>,
    },
    Passing {
        number: u32,
    },
    Own {
        number: u32,
    },
    Progress {
        guild: GuildId,
        position: Position,
    },
    Note(Note),
}

/// What an entry is told apart from the one before it by.
#[derive(Debug, Default)]
struct Context {
    guild: Option<GuildId>,
    position: Position,
}

/// Appends entries to a block.
#[derive(Debug)]
pub(super) struct Encoder {
    context: Context,
    block: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            context: Context::default(),
            block: vec![0; BLOCK_HEAD],
        }
    }
}

impl Encoder {
    /// A block that has grown past this gives its memory back.
    const KEPT_CAPACITY: usize = 256 << 10;

    pub(super) fn delivered(&mut self, number: u32, guild: GuildId, position: Option<Position>) {
        match position {
            None => self.passing(number),
            Some(position) => {
                self.enter(guild);
                self.head(number.into(), kind::DELIVERED);
                self.at(position);
            }
        }
    }

    pub(super) fn delivered_run(
        &mut self,
        number: u32,
        guild: GuildId,
        positions: Range<Position>,
    ) {
        self.enter(guild);
        self.head(number.into(), kind::RUN);
        self.at(positions.start);
        self.number(positions.end - positions.start);
    }

    pub(super) fn passing(&mut self, number: u32) {
        self.head(number.into(), kind::PASSING);
    }

    pub(super) fn own(&mut self, number: u32) {
        self.head(number.into(), kind::OWN);
    }

    pub(super) fn progress(&mut self, guild: GuildId, position: Position) {
        self.enter(guild);
        self.head(0, kind::PROGRESS);
        self.at(position);
    }

    pub(super) fn note(&mut self, note: &Note) {
        let json =
            serde_json::to_vec(note).expect("notes have names for keys and no failing parts");
        self.head(json.len() as u64, kind::NOTE);
        self.block.extend_from_slice(&json);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.block.len() == BLOCK_HEAD
    }

    /// What was appended since the last time, as a block.
    pub(super) fn block(&mut self) -> &[u8] {
        let (head, content) = self.block.split_at_mut(BLOCK_HEAD);
        let len = u32::try_from(content.len()).expect("what one turn hands out is below 4 GiB");
        head[..4].copy_from_slice(&len.to_le_bytes());
        head[4..].copy_from_slice(&XxHash3_64::oneshot(content).to_le_bytes());
        &self.block
    }

    /// The block was written.
    pub(super) fn clear(&mut self) {
        if self.block.capacity() > Self::KEPT_CAPACITY {
            self.block = vec![0; BLOCK_HEAD];
        } else {
            self.block.truncate(BLOCK_HEAD);
        }
    }

    fn enter(&mut self, guild: GuildId) {
        if self.context.guild != Some(guild) {
            self.context.guild = Some(guild);
            self.head(0, kind::GUILD);
            self.block.extend_from_slice(&guild.get().to_le_bytes());
        }
    }

    fn head(&mut self, n: u64, kind: u64) {
        self.number(n << 3 | kind);
    }

    fn at(&mut self, position: Position) {
        let step = position.wrapping_sub(self.context.position).cast_signed();
        self.context.position = position;
        self.number(((step << 1) ^ (step >> 63)).cast_unsigned());
    }

    /// Seven bits a byte, the lowest first.
    fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.block.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.block.push(n as u8);
    }
}

/// Reads the entries of a file, up to where it is cut off or damaged.
pub(super) struct Entries<'a> {
    file: &'a [u8],
    block: &'a [u8],
    context: Context,
}

impl<'a> Entries<'a> {
    pub(super) fn of(file: &'a [u8]) -> Self {
        Self {
            file,
            block: &[],
            context: Context::default(),
        }
    }

    /// Bytes that could not be read.
    pub(super) const fn left(&self) -> usize {
        self.file.len() + self.block.len()
    }

    fn next_block(&mut self) -> Option<()> {
        let (head, rest) = self.file.split_first_chunk::<BLOCK_HEAD>()?;
        let len = u32::from_le_bytes(*head.first_chunk()?) as usize;
        let wanted = u64::from_le_bytes(*head.last_chunk()?);
        let (content, rest) = rest.split_at_checked(len)?;
        if len == 0 || XxHash3_64::oneshot(content) != wanted {
            return None;
        }
        (self.block, self.file) = (content, rest);
        Some(())
    }

    fn entry(&mut self) -> Option<Entry> {
        let head = self.number()?;
        let (n, kind) = (head >> 3, head & 7);
        let number = u32::try_from(n);
        let entry = match kind {
            kind::DELIVERED => self.delivered(number.ok()?, |_| Some(1))?,
            kind::RUN => self.delivered(number.ok()?, Self::number)?,
            kind::PASSING => Entry::Passing {
                number: number.ok()?,
            },
            kind::OWN => Entry::Own {
                number: number.ok()?,
            },
            kind::PROGRESS => Entry::Progress {
                guild: self.context.guild?,
                position: self.at()?,
            },
            kind::GUILD => {
                let (guild, rest) = self.block.split_first_chunk()?;
                self.block = rest;
                self.context.guild = Some(GuildId::new(u64::from_le_bytes(*guild)));
                return self.entry();
            }
            kind::NOTE => {
                let (json, rest) = self.block.split_at_checked(usize::try_from(n).ok()?)?;
                self.block = rest;
                Entry::Note(serde_json::from_slice(json).ok()?)
            }
            _ => return None,
        };
        Some(entry)
    }

    fn delivered(
        &mut self,
        number: u32,
        count: impl FnOnce(&mut Self) -> Option<u64>,
    ) -> Option<Entry> {
        let guild = self.context.guild?;
        let from = self.at()?;
        let to = from.checked_add(count(self).filter(|count| *count <= MOST_IN_RUN)?)?;
        Some(Entry::Delivered {
            number,
            guild,
            positions: from..to,
        })
    }

    fn at(&mut self) -> Option<Position> {
        let n = self.number()?;
        let step = (n >> 1) ^ (n & 1).wrapping_neg();
        self.context.position = self.context.position.wrapping_add(step);
        Some(self.context.position)
    }

    fn number(&mut self) -> Option<u64> {
        let mut n = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.block.split_first()?;
            self.block = rest;
            n |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.block.is_empty() {
            self.next_block()?;
        }
        self.entry()
    }
}
