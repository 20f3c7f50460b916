//! Reading messages back from the journal.

use std::collections::HashSet;

use super::core::{Covered, Recollection, Remembered, record};
use crate::journal::{Journal, JournalError, Span};
use crate::protocol::{ChannelId, GuildId, MessageId};

/// Fewest messages asked for at a time: some of them may turn out to be deleted.
const LEAST: usize = 8;

/// Reads what is wanted, and with each message the one that it replies to.
pub async fn recall(
    journal: &dyn Journal,
    guild: GuildId,
    wanted: &[Span],
) -> Result<Recollection, JournalError> {
    let mut read = Recollection::default();
    let mut looked_for = HashSet::new();
    for span in wanted {
        looked_for.insert((span.channel, span.from, span.to));
        read_span(journal, guild, *span, &mut read).await?;
        tokio::task::yield_now().await;
    }
    let referenced: Vec<(ChannelId, MessageId)> = read
        .messages
        .iter()
        .filter_map(Remembered::reference)
        .collect();
    for (channel, id) in referenced {
        if looked_for.insert((channel, id, id)) {
            read_span(journal, guild, Span::one(channel, id), &mut read).await?;
        }
    }
    Ok(read)
}

/// Reads as many messages of a span as are wanted and were not deleted.
async fn read_span(
    journal: &dyn Journal,
    guild: GuildId,
    span: Span,
    read: &mut Recollection,
) -> Result<(), JournalError> {
    let mut left = span.limit;
    let mut rest = Some(span);
    let mut last = None;
    while let Some(next) = rest.take().filter(|_| left > 0) {
        let next = Span {
            limit: left.max(LEAST),
            ..next
        };
        let stretch = journal.about(guild, next).await?;
        rest = match stretch.messages.last() {
            Some((id, _)) if stretch.more => next.after(*id),
            _ => None,
        };
        for (id, entries) in stretch.messages {
            if left == 0 {
                // Read, but not wanted: what is known ends before it.
                break;
            }
            let events = entries.iter().map(|entry| {
                let damaged = |error: record::RecordError| JournalError::Damaged(error.to_string());
                record::decode(&entry.record).map_err(damaged)
            });
            let events: Vec<_> = events.collect::<Result<_, _>>()?;
            if let Some(message) = Remembered::fold(events) {
                read.messages.push(message);
                left -= 1;
                last = Some(id);
            }
        }
        tokio::task::yield_now().await;
    }
    let mut covered = Covered {
        channel: span.channel,
        from: span.from,
        to: span.to,
    };
    // As many as were wanted: there may be more beyond the last one.
    if let Some(last) = last.filter(|_| left == 0) {
        if span.newest_first {
            covered.from = last;
        } else {
            covered.to = last;
        }
    }
    read.covered.push(covered);
    Ok(())
}
