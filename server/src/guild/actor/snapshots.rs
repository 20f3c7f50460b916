//! Snapshots: when the state is taken, and when the journal is handed it.
//!
//! A busy guild always has records on their way to the journal, and its state is ahead of what is acknowledged. So the state is
//! taken as it is, and kept back until the journal has all that made it: a snapshot never holds what is not in the log.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::GuildActor;
use super::retention::Trimming;
use crate::journal::Snapshot;
use crate::protocol::MessageId;

/// Bytes of records after a snapshot from which on another one is worth its while.
const SNAPSHOT_TAIL: usize = 256 << 10;

/// A state that is kept back until all of it is acknowledged. It goes with the guild's state where that is thrown away.
pub(super) struct Unripe {
    snapshot: Snapshot,
    /// What the tail had when it was taken.
    tail_bytes: usize,
    /// Old history that it no longer has, up to this message: records go with it.
    without: Option<MessageId>,
}

impl GuildActor {
    /// Has a snapshot taken where the tail has grown as large as the last one.
    pub(super) fn look_at_tail(&mut self, ctx: &mut Context<Self>) {
        if self.tail_bytes >= SNAPSHOT_TAIL.max(self.snapshot_bytes) {
            self.take_snapshot(None, ctx);
        }
    }

    /// Takes the state as it is. The journal is handed it once all of it is acknowledged, and drops the records of old
    /// messages that the state no longer has, where that is said. One at a time: another one waits for its next chance.
    pub(super) fn take_snapshot(&mut self, without: Option<MessageId>, ctx: &mut Context<Self>) {
        if self.unripe.is_some() {
            return;
        }
        self.unripe = Some(Box::new(Unripe {
            snapshot: self.image(),
            tail_bytes: self.tail_bytes,
            without,
        }));
        self.keep_snapshot(ctx);
    }

    /// Hands the journal the state that was taken, if all of it is acknowledged by now.
    pub(super) fn keep_snapshot(&mut self, ctx: &mut Context<Self>) {
        let acknowledged = self.core.acknowledged();
        let ripe = |unripe: &mut Box<Unripe>| unripe.snapshot.position <= acknowledged;
        let Some(unripe) = self.unripe.take_if(ripe) else {
            return;
        };
        self.tail_bytes = self.tail_bytes.saturating_sub(unripe.tail_bytes);
        self.snapshot_bytes = unripe.snapshot.bytes.len();
        if let Some(through) = unripe.without {
            let channels = self.core.channel_ids().collect();
            self.drop_records(unripe.snapshot, through, channels, Trimming::Idle, ctx);
            return;
        }
        let put = self.tools.journal.put_snapshot(self.id, unripe.snapshot);
        ctx.spawn(put.into_actor(self).map(|put, actor, _| {
            if let Err(error) = put {
                tracing::warn!(guild = %actor.id, %error, "a snapshot was not kept");
            }
        }));
    }

    /// The state as it is, acknowledged or not.
    pub(super) fn image(&self) -> Snapshot {
        Snapshot {
            position: self.core.position(),
            bytes: self.core.image(),
        }
    }
}
