//! Which append is about which message: made in memory of a guild's log when it is first asked for.

use std::collections::BTreeSet;

use super::frame::Head;
use crate::journal::{NewRecord, Span};
use crate::protocol::{ChannelId, MessageId, Position};

/// What is known of a guild's log up to a message of it.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Up to which sequence number of the stream it was read.
    through: u64,
    /// Channel, message, position, and where the append is in the stream.
    entries: BTreeSet<(ChannelId, MessageId, Position, u64)>,
}

impl Index {
    /// The first sequence number that was not read.
    pub(super) const fn next(&self) -> u64 {
        self.through + 1
    }

    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes an append in.
    pub(super) fn add(&mut self, sequence: u64, head: Head, records: &[NewRecord]) {
        for (record, position) in records.iter().zip(head.first..) {
            let Some(about) = &record.about else {
                continue;
            };
            let ids = about.messages.iter();
            self.entries
                .extend(ids.map(|id| (about.channel, *id, position, sequence)));
        }
        self.through = sequence;
    }

    /// Forgets what was trimmed.
    pub(super) fn trim(&mut self, through: Position, messages: MessageId) {
        self.entries
            .retain(|(_, id, position, _)| *position > through && *id > messages);
    }

    /// Messages of a span in the order that is asked for: id, position and sequence number of each
    /// record about them, those of one message by rising position.
    pub(super) fn find(&self, span: Span) -> Vec<(MessageId, Vec<(Position, u64)>)> {
        let range =
            (span.channel, span.from, 0, 0)..=(span.channel, span.to, Position::MAX, u64::MAX);
        let found = self.entries.range(range);
        let mut messages = Vec::new();
        // One more than asked for tells that there are more.
        let most = span.limit.saturating_add(1);
        if span.newest_first {
            gather(found.rev(), most, &mut messages);
            for (_, places) in &mut messages {
                places.reverse();
            }
        } else {
            gather(found, most, &mut messages);
        }
        messages
    }
}

fn gather<'i>(
    found: impl Iterator<Item = &'i (ChannelId, MessageId, Position, u64)>,
    most: usize,
    messages: &mut Vec<(MessageId, Vec<(Position, u64)>)>,
) {
    for (_, id, position, sequence) in found {
        let count = messages.len();
        match messages.last_mut() {
            Some((last, places)) if last == id => places.push((*position, *sequence)),
            _ if count == most => return,
            _ => messages.push((*id, vec![(*position, *sequence)])),
        }
    }
}
