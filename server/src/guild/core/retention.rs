//! How much history a guild keeps, and which messages are over.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{GuildCore, Moment};
use crate::guild::event::Event;
use crate::guild::seldom::Blank;
use crate::protocol::MessageId;
use crate::protocol::ids::DISCORD_EPOCH_MS;

/// How much history is kept; all of it where nothing is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retention {
    /// Messages older than this go, in milliseconds.
    pub max_age_ms: Option<u64>,
    /// The oldest go beyond this number, deleted ones counted. Up to a 32nd more are kept.
    pub max_messages: Option<u64>,
}

impl Retention {
    /// Whether all of it is kept.
    pub const fn is_whole(&self) -> bool {
        self.max_age_ms.is_none() && self.max_messages.is_none()
    }
}

/// Marks that are kept; with one more, every second goes.
const MAX_MARKS: usize = 64;

/// Which message was the n-th: exact for some of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Milestones {
    /// Messages so far.
    total: u64,
    /// Every message whose number this divides is marked.
    step: u64,
    /// Numbers and ids, oldest first.
    marks: VecDeque<(u64, MessageId)>,
}

impl Default for Milestones {
    fn default() -> Self {
        Self::new()
    }
}

impl Blank for Milestones {
    const BLANK: &'static Self = &Self::new();

    fn is_blank(&self) -> bool {
        self.total == 0
    }
}

impl Milestones {
    const fn new() -> Self {
        Self {
            total: 0,
            step: 1,
            marks: VecDeque::new(),
        }
    }

    /// Counts a new message.
    pub(super) fn note(&mut self, id: MessageId) {
        self.total += 1;
        if self.total.is_multiple_of(self.step) {
            self.marks.push_back((self.total, id));
        }
        if self.marks.len() > MAX_MARKS {
            self.step *= 2;
            let step = self.step;
            self.marks.retain(|(number, _)| number.is_multiple_of(step));
        }
    }

    /// The newest marked message that is not among the last `keep`.
    fn beyond(&self, keep: u64) -> Option<MessageId> {
        let last = self.total.checked_sub(keep)?;
        let over = self.marks.iter().rev().find(|(number, _)| *number <= last);
        over.map(|(_, id)| *id)
    }

    /// Drops what is gone.
    pub(super) fn trim(&mut self, through: MessageId) {
        self.marks.retain(|(_, id)| *id > through);
    }
}

impl GuildCore {
    /// Lets the messages go that are over by now; answers up to which one. The oldest is never kept
    /// longer because a newer one is.
    pub fn trim_history(&mut self, at: &Moment, keep: &Retention) -> Option<MessageId> {
        let guild = self.state.guild().ok()?;
        let by_age = keep.max_age_ms.and_then(|age| {
            let since = at.now_ms.checked_sub(age)?.checked_sub(DISCORD_EPOCH_MS)?;
            (since << 22).checked_sub(1).map(MessageId::new)
        });
        let by_number = keep
            .max_messages
            .and_then(|keep| guild.milestones.beyond(keep));
        let through = by_age.max(by_number)?.min(guild.last_message_id);
        guild.memory.has_any_through(through).then(|| {
            self.emit(Event::HistoryTrimmed { through });
            through
        })
    }

    /// Up to which message history is gone; `None` where it is whole.
    pub fn trimmed(&self) -> Option<MessageId> {
        let trimmed = self.state.guild().ok()?.memory.trimmed();
        (trimmed > MessageId::new(0)).then_some(trimmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_marks_tell_which_messages_are_over_nearly_exactly() {
        let mut milestones = Milestones::default();
        for n in 1..=100_000_u64 {
            milestones.note(MessageId::new(n * 10));
            assert!(milestones.marks.len() <= MAX_MARKS);
            for keep in [100, 5_000] {
                let over = milestones.beyond(keep).map_or(0, |id| id.get() / 10);
                assert!(over <= n.saturating_sub(keep), "too much goes");
                assert!(n - over <= keep + n / 32 + 1, "too much stays: {n} {over}");
            }
        }
        milestones.trim(MessageId::new(900_000));
        assert_eq!(milestones.beyond(20_000), None);
        assert!(milestones.beyond(100).is_some());
    }

    #[test]
    fn a_guild_that_is_trimmed_again_and_again_keeps_its_count() {
        let mut milestones = Milestones::default();
        for n in 1..=50_000_u64 {
            milestones.note(MessageId::new(n));
            if let Some(over) = milestones.beyond(1_000) {
                milestones.trim(over);
            }
            assert!(milestones.marks.len() <= MAX_MARKS);
        }
        let first = milestones.marks[0].1.get();
        assert!((48_900..=49_100).contains(&first), "{first}");
    }
}
