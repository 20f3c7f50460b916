//! A commit as it is in a file: what it needs to be known again, its body, and zeros up to the end of a block.
//!
//! Mark, length of the body (four bytes each), number, checksum of the commit before it, checksum of all that and of the body
//! (eight bytes each), in big-endian order; the body.

use std::hash::Hasher;

use bytes::Bytes;
use twox_hash::XxHash3_64;

/// What is written at a time begins and ends at a multiple of this, also in memory: what writes past the system's cache ask for.
pub(super) const BLOCK: usize = 4_096;
/// Bytes before the body.
pub(super) const HEAD: usize = 32;
const MARK: [u8; 4] = *b"ghc1";
/// Bytes of a buffer that are kept for the next commit.
const KEPT: usize = 1 << 20;

/// A commit that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) number: u64,
    /// The checksum of the one before it.
    pub(super) before: u64,
    pub(super) checksum: u64,
    pub(super) body: Bytes,
}

impl Commit {
    /// Bytes that it takes in a file.
    pub(super) fn bytes(&self) -> u64 {
        (HEAD + self.body.len()).next_multiple_of(BLOCK) as u64
    }
}

/// The head of a commit, of which it is not known whether it is one.
pub(super) struct Head {
    bytes: [u8; HEAD],
    pub(super) body: usize,
    pub(super) number: u64,
}

impl Head {
    pub(super) fn read(bytes: [u8; HEAD]) -> Option<Self> {
        let body = bytes.strip_prefix(&MARK)?.first_chunk()?;
        Some(Self {
            body: u32::from_be_bytes(*body) as usize,
            number: number(&bytes, 8),
            bytes,
        })
    }

    /// The commit, if this is its body.
    pub(super) fn with(&self, body: Bytes) -> Option<Commit> {
        let commit = Commit {
            number: self.number,
            before: number(&self.bytes, 16),
            checksum: number(&self.bytes, 24),
            body,
        };
        (checksum(&self.bytes, &commit.body) == commit.checksum).then_some(commit)
    }
}

fn number(head: &[u8; HEAD], at: usize) -> u64 {
    let bytes = head[at..].first_chunk();
    bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn checksum(head: &[u8; HEAD], body: &[u8]) -> u64 {
    let mut hasher = XxHash3_64::new();
    hasher.write(&head[..HEAD - 8]);
    hasher.write(body);
    hasher.finish()
}

/// A commit that is about to be written, in memory that begins where it has to.
#[derive(Debug, Default)]
pub(super) struct Frame {
    buffer: Vec<u8>,
    begin: usize,
}

impl Frame {
    /// Puts a commit together; answers how many bytes it takes, and its checksum.
    pub(super) fn make(&mut self, number: u64, before: u64, body: &[u8]) -> (u64, u64) {
        let bytes = (HEAD + body.len()).next_multiple_of(BLOCK);
        self.buffer.clear();
        self.buffer.reserve(BLOCK + bytes);
        self.begin = self.buffer.as_ptr().align_offset(BLOCK);
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&MARK);
        head[4..8].copy_from_slice(&(body.len() as u32).to_be_bytes());
        head[8..16].copy_from_slice(&number.to_be_bytes());
        head[16..24].copy_from_slice(&before.to_be_bytes());
        let checksum = checksum(&head, body);
        head[24..].copy_from_slice(&checksum.to_be_bytes());
        self.buffer.resize(self.begin, 0);
        self.buffer.extend_from_slice(&head);
        self.buffer.extend_from_slice(body);
        self.buffer.resize(self.begin + bytes, 0);
        (bytes as u64, checksum)
    }

    /// The bytes of the last one.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.begin..]
    }

    /// Gives back what only a long one needs.
    pub(super) fn shrink(&mut self) {
        if self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
            self.begin = 0;
        }
    }
}
