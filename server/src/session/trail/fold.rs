//! Makes sessions of files.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::dir::Found;
use super::entry::{Entries, Entry, Note};
use super::past::{Past, Step, Stretch, Tables};
use crate::protocol::GuildId;

/// Takes the files of earlier runs in, in order.
pub(super) struct Fold<'a> {
    boot: &'a str,
    /// Each with its run.
    stretches: HashMap<String, Vec<(u32, Stretch)>>,
    ended: HashSet<String>,
    tables: Tables,
    /// When each run began.
    began_ms: HashMap<u32, u64>,
}

/// A file's sessions by the numbers that it gives them.
#[derive(Default)]
struct File {
    stretches: HashMap<u32, Stretch>,
    /// Who is in which guild's room.
    rooms: HashMap<GuildId, HashSet<u32>>,
}

impl<'a> Fold<'a> {
    /// Takes files of this boot of the machine.
    pub(super) fn new(boot: &'a str) -> Self {
        Self {
            boot,
            stretches: HashMap::new(),
            ended: HashSet::new(),
            tables: Tables::new(),
            began_ms: HashMap::new(),
        }
    }

    /// Takes a worker's file in, as far as it can be read.
    pub(super) fn file(&mut self, content: &[u8], run: u32) {
        let mut entries = Entries::of(content);
        let Some(Entry::Note(Note::Begin { boot, run_began_ms })) = entries.next() else {
            return;
        };
        if boot != self.boot {
            return;
        }
        self.began_ms.insert(run, run_began_ms);
        let mut file = File::default();
        for entry in &mut entries {
            self.entry(entry, run, &mut file);
        }
        if entries.left() > 0 {
            tracing::info!(run, bytes = entries.left(), "a trail is cut off");
        }
        for stretch in file.stretches.into_values() {
            self.keep(stretch, run);
        }
    }

    fn keep(&mut self, stretch: Stretch, run: u32) {
        let id = stretch.image.id.clone();
        self.stretches.entry(id).or_default().push((run, stretch));
    }

    fn entry(&mut self, entry: Entry, run: u32, file: &mut File) {
        match entry {
            Entry::Delivered {
                number,
                guild,
                positions,
            } => {
                for position in positions {
                    file.add(number, Step::Delivered(guild, position));
                }
            }
            Entry::Passing { number } => file.add(number, Step::Passing),
            Entry::Own { number } => file.add(number, Step::Own),
            Entry::Progress { guild, position } => {
                for number in file.rooms.get(&guild).into_iter().flatten() {
                    if let Some(stretch) = file.stretches.get_mut(number) {
                        stretch.add(Step::Progress(guild, position));
                    }
                }
            }
            Entry::Note(note) => self.note(note, run, file),
        }
    }

    fn note(&mut self, note: Note, run: u32, file: &mut File) {
        match note {
            Note::Begin { .. } => {}
            Note::Session(image) => {
                for standing in image.guilds.iter().filter(|standing| standing.in_room) {
                    let room = file.rooms.entry(standing.guild).or_default();
                    room.insert(image.number);
                }
                file.stretches.insert(image.number, Stretch::new(*image));
            }
            Note::Table { position, table } => {
                let tables = self.tables.entry(table.guild).or_default();
                tables.insert(position, table);
            }
            Note::Stands {
                number,
                guild,
                position,
                member,
            } => {
                file.rooms.entry(guild).or_default().insert(number);
                file.add(number, Step::Stands(guild, position, member));
            }
            Note::Member {
                number,
                guild,
                position,
                member,
            } => file.add(number, Step::Member(guild, position, member)),
            Note::Left {
                number,
                guild,
                asked,
            } => {
                file.leave(guild, number);
                file.add(number, Step::Left(guild, asked));
            }
            Note::Presence { number, presence } => file.add(number, Step::Presence(presence)),
            Note::Moved { number } => {
                for room in file.rooms.values_mut() {
                    room.remove(&number);
                }
                if let Some(stretch) = file.stretches.remove(&number) {
                    self.keep(stretch, run);
                }
            }
            Note::Ended { id } => {
                self.ended.insert(id);
            }
        }
    }

    /// The sessions that have not ended. `now_ms` is when this run began, in milliseconds since the
    /// Unix epoch.
    pub(super) fn finish(mut self, now_ms: u64) -> Vec<Found> {
        let tables = Arc::new(std::mem::take(&mut self.tables));
        let mut found = Vec::new();
        for (id, stretches) in self.stretches {
            if self.ended.contains(&id) {
                continue;
            }
            let last = stretches.iter().map(|(run, _)| *run).max().unwrap_or(0);
            // It had a connection until its run ended, which was before the next one began.
            let later = self.began_ms.iter().filter(|(run, _)| **run > last);
            let detached_ms = later.map(|(_, began)| *began).min().unwrap_or(now_ms);
            let stretches = stretches.into_iter().map(|(_, stretch)| stretch).collect();
            let past = Past::new(stretches, Arc::clone(&tables));
            found.extend(past.map(|past| Found { past, detached_ms }));
        }
        found
    }
}

impl File {
    fn add(&mut self, number: u32, step: Step) {
        if let Some(stretch) = self.stretches.get_mut(&number) {
            stretch.add(step);
        }
    }

    fn leave(&mut self, guild: GuildId, number: u32) {
        if let Some(room) = self.rooms.get_mut(&guild) {
            room.remove(&number);
        }
    }
}
