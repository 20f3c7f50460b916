//! Finding the records about a message: what an append says of each record, and what a read asks for.

use bytes::Bytes;
use smallvec::SmallVec;

use super::Entry;
use crate::protocol::{ChannelId, MessageId};

/// Which messages a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Their channel.
    pub channel: ChannelId,
    /// Their ids.
    pub messages: SmallVec<[MessageId; 1]>,
}

/// A record to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// What is kept.
    pub bytes: Bytes,
    /// The messages through which it can be found again, if any. The bytes tell them too: an index may be made of those later.
    pub about: Option<About>,
}

impl NewRecord {
    /// How many entries an index of messages has for it.
    pub fn mentions(&self) -> usize {
        self.about.as_ref().map_or(0, |about| about.messages.len())
    }
}

/// A record that is about no message.
impl From<Bytes> for NewRecord {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, about: None }
    }
}

/// Messages of one channel to be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The channel.
    pub channel: ChannelId,
    /// The lowest id.
    pub from: MessageId,
    /// The highest id.
    pub to: MessageId,
    /// Whether the highest ids come first.
    pub newest_first: bool,
    /// At most this many messages, at least 1.
    pub limit: usize,
}

impl Span {
    /// One message.
    pub const fn one(channel: ChannelId, id: MessageId) -> Self {
        Self {
            channel,
            from: id,
            to: id,
            newest_first: true,
            limit: 1,
        }
    }

    /// What is left of it after a message; `None` where that is nothing.
    #[must_use]
    pub fn after(self, id: MessageId) -> Option<Self> {
        let rest = if self.newest_first {
            Self {
                to: MessageId::new(id.get().checked_sub(1)?),
                ..self
            }
        } else {
            Self {
                from: MessageId::new(id.get().checked_add(1)?),
                ..self
            }
        };
        (rest.from <= rest.to).then_some(rest)
    }
}

impl Stretch {
    /// Where the next record about a message goes; `None` where that would be the first of a message for
    /// which there is no room: then there is [more](Self::more).
    pub fn entries_of(
        &mut self,
        id: MessageId,
        has_room: impl FnOnce(usize) -> bool,
    ) -> Option<&mut Vec<Entry>> {
        let count = self.messages.len();
        if self.messages.last().is_none_or(|(last, _)| *last != id) {
            if !has_room(count) {
                self.more = true;
                return None;
            }
            self.messages.push((id, Vec::new()));
        }
        self.messages.last_mut().map(|(_, entries)| entries)
    }
}

/// Messages that were found, in the order that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Each message's id with every record about it, by rising position.
    pub messages: Vec<(MessageId, Vec<Entry>)>,
    /// Whether there may be more after the last one.
    pub more: bool,
}
