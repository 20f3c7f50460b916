//! Writes the file of sessions.

use std::collections::HashMap;
use std::hash::Hasher;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use twox_hash::XxHash3_64;

use super::{END, Head, MAGIC, RECORD_HEAD, Standing, VERSION, kind};
use crate::fanout::Visibility;
use crate::session::parked::Parked;

/// Writes as many sessions as fit into `max` bytes; answers how many did not.
pub(super) fn sessions(out: impl Write, sessions: &[Parked], max: u64) -> io::Result<usize> {
    let mut writer = Writer {
        out,
        hasher: XxHash3_64::new(),
        // Kept free from the start, so that there is room for it at the end.
        written: END as u64,
        max,
        bodies: HashMap::new(),
        tables: HashMap::new(),
    };
    writer.put(MAGIC)?;
    writer.put(&VERSION.to_le_bytes())?;
    let mut left_out = 0;
    for parked in sessions {
        if !writer.session(parked)? {
            left_out += 1;
        }
    }
    let hash = writer.hasher.finish();
    writer.record(kind::END, &[&hash.to_le_bytes()])?;
    writer.out.flush()?;
    Ok(left_out)
}

struct Writer<W> {
    out: W,
    hasher: XxHash3_64,
    written: u64,
    max: u64,
    /// Numbers of bodies by where they are in memory: what sessions share is shared there too. All
    /// of them stay there until the file is written.
    bodies: HashMap<(usize, usize), u32>,
    tables: HashMap<usize, u32>,
}

impl<W: Write> Writer<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.write(bytes);
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn record(&mut self, kind: u8, parts: &[&[u8]]) -> io::Result<()> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let len = u32::try_from(len).map_err(io::Error::other)?;
        self.put(&[kind])?;
        self.put(&len.to_le_bytes())?;
        parts.iter().try_for_each(|part| self.put(part))
    }

    /// Writes a session with what is not there yet of what it names; false where it does not fit.
    fn session(&mut self, parked: &Parked) -> io::Result<bool> {
        let parts = &parked.parts;
        let frames = &parts.outbox.frames;
        let mut tables = Vec::new();
        for standing in &parts.present {
            if !self.tables.contains_key(&address(&standing.table)) {
                tables.push((&standing.table, serde_json::to_vec(&*standing.table)?));
            }
        }
        let head = Head {
            id: parts.id.to_string(),
            user: Arc::clone(&parts.user),
            intents: parts.intents.bits(),
            shard: parts.shard,
            large_threshold: parts.large_threshold,
            presence: parts.presence.clone(),
            first_seq: parts.outbox.first_seq,
            sent_seq: parts.outbox.sent_seq,
            detached_ms: parked.detached_ms,
            guilds: Vec::new(),
            asked: parts.asked.clone(),
            claim: parked.claim,
        };
        let new_bodies = frames
            .iter()
            .filter(|body| !self.bodies.contains_key(&place(body)))
            .map(|body| body.len() + RECORD_HEAD);
        let new_tables = tables.iter().map(|(_, json)| json.len() + RECORD_HEAD);
        // Members are a few hundred bytes; far more than that is allowed for each here.
        let own = 4_096 * (1 + parts.present.len()) + 4 * frames.len() + json_len(&head)?;
        let cost = new_bodies.chain(new_tables).sum::<usize>() + own;
        if self.written + cost as u64 > self.max {
            return Ok(false);
        }
        for (table, json) in tables {
            let number = number(self.tables.len())?;
            self.record(kind::TABLE, &[&json])?;
            self.tables.insert(address(table), number);
        }
        let mut numbers = Vec::with_capacity(4 * frames.len());
        for body in frames {
            let number = self.body(body)?;
            numbers.extend_from_slice(&number.to_le_bytes());
        }
        let guilds = parts.present.iter().map(|standing| Standing {
            guild: standing.guild,
            position: standing.position,
            member: Arc::clone(&standing.member),
            table: self.tables[&address(&standing.table)],
        });
        let head = serde_json::to_vec(&Head {
            guilds: guilds.collect(),
            ..head
        })?;
        let head_len = number(head.len())?.to_le_bytes();
        self.record(kind::SESSION, &[&head_len, &head, &numbers])?;
        Ok(true)
    }

    fn body(&mut self, body: &Bytes) -> io::Result<u32> {
        if let Some(number) = self.bodies.get(&place(body)) {
            return Ok(*number);
        }
        let number = number(self.bodies.len())?;
        self.record(kind::BODY, &[body])?;
        self.bodies.insert(place(body), number);
        Ok(number)
    }
}

fn place(body: &Bytes) -> (usize, usize) {
    (body.as_ptr().addr(), body.len())
}

fn address(table: &Arc<Visibility>) -> usize {
    Arc::as_ptr(table).addr()
}

fn number(count: usize) -> io::Result<u32> {
    u32::try_from(count).map_err(io::Error::other)
}

fn json_len(head: &Head) -> io::Result<usize> {
    Ok(serde_json::to_vec(head)?.len())
}
