//! A worker's trail.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::dir::TrailDir;
use super::entry::{Encoder, Image, Note};
use crate::counters::Counters;
use crate::fanout::{HubId, Visibility};
use crate::protocol::objects::{Member, Presence};
use crate::protocol::{GuildId, Position};
use crate::session::id::SessionId;

/// Records of a guild after which it is noted how far its room is: as many may be read back in vain
/// for a session that saw none of them.
const MARK: Position = 256;

/// Appends what a worker's sessions are handed. Everything is a no-op where there is none.
///
/// A file that cannot be written is given up with all that lean on it; [`Self::wants_new_file`] then
/// says when to begin anew.
#[derive(Debug)]
pub struct Trail {
    dir: Option<Arc<TrailDir>>,
    hub: HubId,
    /// Bytes from which on another file is begun; the one before it is kept until then.
    max_bytes: u64,
    counters: Arc<Counters>,
    file: Option<File>,
    /// The files that are there, the newest last.
    paths: Vec<PathBuf>,
    next_file: u32,
    bytes: u64,
    /// Bytes of the images that the file began with.
    first_bytes: u64,
    /// Whether writing failed, until another file is begun.
    broken: bool,
    entries: Encoder,
    next_number: u32,
    /// Tables that the file has, by where they are in memory, with the earliest position.
    tables: HashMap<usize, (Position, Arc<Visibility>)>,
    /// How far each room was when it was noted last.
    marks: HashMap<GuildId, Position>,
}

impl Trail {
    /// A worker's trail in this folder, or none, that goes on in another file after so many bytes. Blocks.
    pub fn new(
        dir: Option<Arc<TrailDir>>,
        hub: HubId,
        max_bytes: u64,
        counters: Arc<Counters>,
    ) -> Self {
        let mut trail = Self {
            dir,
            hub,
            max_bytes,
            counters,
            file: None,
            paths: Vec::new(),
            next_file: 0,
            bytes: 0,
            first_bytes: 0,
            broken: false,
            entries: Encoder::default(),
            next_number: 0,
            tables: HashMap::new(),
            marks: HashMap::new(),
        };
        trail.begin_file(|_| {});
        trail
    }

    /// Whether anything is written.
    pub const fn is_on(&self) -> bool {
        self.dir.is_some() && !self.broken
    }

    /// A session was handed a guild's record, or an event that stands in no log.
    pub fn delivered(&mut self, number: u32, guild: GuildId, position: Option<Position>) {
        if self.is_on() {
            self.entries.delivered(number, guild, position);
        }
    }

    /// A session was handed a guild's records at these positions, in order.
    pub fn delivered_run(&mut self, number: u32, guild: GuildId, positions: Range<Position>) {
        if self.is_on() {
            self.entries.delivered_run(number, guild, positions);
        }
    }

    /// A session was handed something that nobody misses.
    pub fn passing(&mut self, number: u32) {
        if self.is_on() {
            self.entries.passing(number);
        }
    }

    /// A session was handed something of its own.
    pub fn own(&mut self, number: u32) {
        if self.is_on() {
            self.entries.own(number);
        }
    }

    /// Every session in a guild's room has everything up to a position. Noted where it is much further
    /// than what was noted before.
    pub fn progress(&mut self, guild: GuildId, position: Position) {
        if !self.is_on() {
            return;
        }
        let marked = self.marks.entry(guild).or_insert(position);
        if position >= *marked + MARK {
            *marked = position;
            self.entries.progress(guild, position);
        }
    }

    /// Who sees which channel of a guild, from a position on.
    pub fn table(&mut self, position: Position, table: &Arc<Visibility>) {
        if !self.is_on() {
            return;
        }
        let known = self.tables.get(&Arc::as_ptr(table).addr());
        if known.is_some_and(|(from, _)| *from <= position) {
            return;
        }
        let entry = (position, Arc::clone(table));
        self.tables.insert(Arc::as_ptr(table).addr(), entry);
        let table = Arc::clone(table);
        self.entries.note(&Note::Table { position, table });
    }

    /// A session is in a guild's room from a position on.
    pub fn stands(
        &mut self,
        number: u32,
        guild: GuildId,
        position: Position,
        member: &Arc<Member>,
    ) {
        self.note(|| Note::Stands {
            number,
            guild,
            position,
            member: Arc::clone(member),
        });
    }

    /// A session's member changed.
    pub fn member(
        &mut self,
        number: u32,
        guild: GuildId,
        position: Position,
        member: &Arc<Member>,
    ) {
        self.note(|| Note::Member {
            number,
            guild,
            position,
            member: Arc::clone(member),
        });
    }

    /// A session is not in a guild any more; `asked` where it is to come back.
    pub fn left(&mut self, number: u32, guild: GuildId, asked: bool) {
        self.note(|| Note::Left {
            number,
            guild,
            asked,
        });
    }

    /// A session has another presence.
    pub fn presence(&mut self, number: u32, presence: &Presence) {
        self.note(|| Note::Presence {
            number,
            presence: presence.clone(),
        });
    }

    /// A session went to another worker.
    pub fn moved(&mut self, number: u32) {
        self.note(|| Note::Moved { number });
    }

    /// A session ended.
    pub fn ended(&mut self, id: SessionId) {
        self.note(|| Note::Ended { id: id.to_string() });
    }

    fn note(&mut self, note: impl FnOnce() -> Note) {
        if self.is_on() {
            self.entries.note(&note());
        }
    }

    /// A session as it is now; answers what it is called from now on. Number and order of the image are
    /// set here.
    pub fn session(&mut self, image: impl FnOnce() -> Image) -> u32 {
        let Some(dir) = self.dir.clone().filter(|_| !self.broken) else {
            return 0;
        };
        let number = self.next_number;
        self.next_number += 1;
        self.entries.note(&Note::Session(Box::new(Image {
            number,
            order: dir.order(),
            ..image()
        })));
        number
    }

    /// Writes what was appended. Nothing may go out to a client before.
    pub fn commit(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        let Some(file) = &mut self.file else {
            return;
        };
        let block = self.entries.block();
        self.bytes += block.len() as u64;
        self.counters.session_trail_bytes.inc_by(block.len() as u64);
        let written = file.write_all(block);
        self.entries.clear();
        if let Err(error) = written {
            self.fail(&error);
        }
    }

    /// Whether another file is to be begun with an image of every session.
    pub fn wants_new_file(&self) -> bool {
        self.dir.is_some() && (self.broken || self.bytes > self.first_bytes + self.max_bytes)
    }

    /// Begins another file; `images` appends every session that there is. The file before it stays
    /// until the next time.
    pub fn begin_file(&mut self, images: impl FnOnce(&mut Self)) {
        let Some(dir) = self.dir.clone() else {
            return;
        };
        self.commit();
        self.broken = false;
        if let Err(error) = self.create(&dir) {
            self.fail(&error);
            return;
        }
        images(self);
        self.commit();
        self.first_bytes = self.bytes;
        while self.paths.len() > 2 {
            let path = self.paths.remove(0);
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "a trail could not be removed");
            }
        }
    }

    /// Lets the next write fail.
    #[cfg(test)]
    pub(super) fn break_file(&mut self) {
        self.file = Some(File::open("/dev/null").expect("it can be opened for reading"));
    }

    fn create(&mut self, dir: &TrailDir) -> io::Result<()> {
        let path = dir.file(self.hub.0, self.next_file);
        self.next_file += 1;
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)?;
        self.file = Some(file);
        self.paths.push(path);
        self.entries = Encoder::default();
        self.tables.clear();
        self.marks.clear();
        self.next_number = 0;
        self.bytes = 0;
        self.first_bytes = 0;
        self.entries.note(&Note::Begin {
            boot: dir.boot().to_owned(),
            run_began_ms: dir.began_ms(),
        });
        Ok(())
    }

    /// Gives the files up: what they say is out of date from now on, and so is what earlier runs said of
    /// sessions that came back here.
    fn fail(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.broken, true) {
            tracing::error!(hub = self.hub.0, %error, "sessions could not be resumed after a crash now");
        }
        self.counters.session_trail_failures.inc();
        self.file = None;
        self.entries = Encoder::default();
        for path in self.paths.drain(..) {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "a trail could not be removed");
            }
        }
        if let Some(dir) = &self.dir {
            dir.forget_former_runs();
        }
    }
}
