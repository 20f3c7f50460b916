//! Ephemeral events of a session that is behind: without a number yet, so that a newer one may replace them.
//!
//! What has a sequence number must not vanish from a replay. So an event gets none while it may still be
//! dropped.

use std::collections::VecDeque;
use std::ops::AddAssign;

use bytes::Bytes;

use super::frame::Frame;
use crate::counters::{EphemeralKind, Label};
use crate::protocol::{GuildId, UserId};

/// Most events that wait without a number.
pub const MAX_LATE: usize = 256;
/// Most bytes of them.
pub const MAX_LATE_BYTES: usize = 64 * 1024;

/// What an ephemeral event is about. Of two about the same only the newer one is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subject {
    /// What it tells.
    pub kind: EphemeralKind,
    /// In which guild.
    pub guild: GuildId,
    /// Of whom.
    pub user: UserId,
}

/// Ephemeral events that were dropped, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped([u32; 2]);

impl Dropped {
    /// How many of a kind.
    pub const fn of(&self, kind: EphemeralKind) -> u32 {
        self.0[kind as usize]
    }

    /// How many.
    pub fn total(&self) -> u64 {
        self.0.iter().copied().map(u64::from).sum()
    }

    pub(super) fn count(&mut self, kind: EphemeralKind) {
        self.0[kind.index()] = self.0[kind.index()].saturating_add(1);
    }
}

impl AddAssign for Dropped {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }
}

/// Events in the order in which they came, at most one of a subject.
#[derive(Debug, Default)]
pub(super) struct Late {
    entries: VecDeque<(Subject, Frame)>,
    bytes: usize,
    /// Writes that took something else since they wait.
    passed_over: u8,
}

/// Writes that may pass over what waits: of a client that is never done with the rest, too, it has its turn.
const MOST_PASSED_OVER: u8 = 16;

impl Late {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an event, in place of an older one about the same. Beyond the bounds typing goes first, then the
    /// oldest. Answers what was dropped.
    pub(super) fn put(&mut self, subject: Subject, frame: Frame) -> Dropped {
        let mut dropped = self.drop_where(|other| *other == subject);
        self.bytes += frame.size();
        self.entries.push_back((subject, frame));
        while self.entries.len() > MAX_LATE || self.bytes > MAX_LATE_BYTES {
            let typing = |(subject, _): &(Subject, Frame)| subject.kind == EphemeralKind::Typing;
            let place = self.entries.iter().position(typing).unwrap_or(0);
            let Some((subject, frame)) = self.entries.remove(place) else {
                break;
            };
            self.bytes -= frame.size();
            dropped.count(subject.kind);
        }
        dropped
    }

    /// A write has passed them over; whether that was often enough.
    pub(super) fn is_passed_over(&mut self) -> bool {
        self.passed_over = self.passed_over.saturating_add(1);
        self.passed_over >= MOST_PASSED_OVER
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<(Subject, Frame)> {
        let (subject, frame) = self.entries.pop_front()?;
        self.bytes -= frame.size();
        Some((subject, frame))
    }

    /// Drops what is about such a subject.
    pub(super) fn drop_where(&mut self, drops: impl Fn(&Subject) -> bool) -> Dropped {
        let mut dropped = Dropped::default();
        let bytes = &mut self.bytes;
        self.entries.retain(|(subject, frame)| {
            let goes = drops(subject);
            if goes {
                *bytes -= frame.size();
                dropped.count(subject.kind);
            }
            !goes
        });
        dropped
    }

    pub(super) fn into_parts(self) -> Vec<(Subject, Bytes)> {
        self.entries
            .into_iter()
            .map(|(subject, frame)| (subject, frame.to_bytes()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(kind: EphemeralKind, user: u64) -> Subject {
        Subject {
            kind,
            guild: GuildId::new(1),
            user: UserId::new(user),
        }
    }

    fn frame(len: usize) -> Frame {
        Bytes::from(vec![b'x'; len]).into()
    }

    #[test]
    fn a_newer_event_about_the_same_replaces_the_older() {
        let mut late = Late::default();
        let mut dropped = Dropped::default();
        for n in 0..10 {
            dropped += late.put(subject(EphemeralKind::Typing, n % 2), frame(n as usize + 1));
            dropped += late.put(subject(EphemeralKind::Presence, 7), frame(100));
        }
        assert_eq!(late.len(), 3);
        assert_eq!(dropped.of(EphemeralKind::Typing), 8);
        assert_eq!(dropped.of(EphemeralKind::Presence), 9);
        assert_eq!(late.pop().unwrap().1.size(), 9);
        assert_eq!(late.pop().unwrap().1.size(), 10);
        assert_eq!(late.pop().unwrap().1.size(), 100);
        assert_eq!((late.len(), late.bytes), (0, 0));
    }

    #[test]
    fn i7_late_events_are_bounded_and_typing_goes_before_presences() {
        let mut late = Late::default();
        let mut dropped = Dropped::default();
        for n in 0..MAX_LATE as u64 {
            let kind = if n % 2 == 0 {
                EphemeralKind::Presence
            } else {
                EphemeralKind::Typing
            };
            dropped += late.put(subject(kind, n), frame(10));
        }
        assert_eq!(dropped, Dropped::default());
        for n in 0..MAX_LATE as u64 / 2 {
            dropped += late.put(subject(EphemeralKind::Presence, 10_000 + n), frame(10));
        }
        assert_eq!(dropped.of(EphemeralKind::Typing), MAX_LATE as u32 / 2);
        assert_eq!(dropped.of(EphemeralKind::Presence), 0);
        dropped += late.put(subject(EphemeralKind::Presence, 20_000), frame(10));
        assert_eq!(
            (late.len(), dropped.of(EphemeralKind::Presence)),
            (MAX_LATE, 1)
        );
        late.put(
            subject(EphemeralKind::Presence, 20_001),
            frame(MAX_LATE_BYTES),
        );
        assert_eq!((late.len(), late.bytes), (1, MAX_LATE_BYTES));
    }
}
