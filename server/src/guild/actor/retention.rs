//! Letting old history go, and the log of a guild that was deleted.
//!
//! First a record says up to which message history is gone, so that every replay agrees. Once a snapshot
//! contains that, the journal may drop the records that neither the snapshot nor what is left of
//! history needs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::GuildActor;
use crate::clock;
use crate::guild::core::Retention;
use crate::guild::seldom::Blank;
use crate::journal::{Journal, JournalError, Snapshot, Span};
use crate::protocol::{ChannelId, GuildId, MessageId};

/// How much history is kept, and how often that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct RetentionSettings {
    /// What is kept.
    pub keep: Retention,
    /// The shortest time between two looks.
    pub every: Duration,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self {
            keep: Retention::default(),
            every: Duration::from_secs(3_600),
        }
    }
}

/// Where the letting go stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Trimming {
    /// Nothing is to be dropped.
    #[default]
    Idle,
    /// The journal still has to drop what belongs to messages up to this one.
    Due(MessageId),
    /// It is being done, for messages up to this one.
    UnderWay(MessageId),
    /// The log of a deleted guild was dropped.
    Forgotten,
}

/// The letting go of old history.
#[derive(Default)]
pub(super) struct Trims {
    pub(super) stage: Trimming,
    /// When it was last looked which messages are over.
    looked_at: Option<Instant>,
}

impl Blank for Trims {
    const BLANK: &'static Self = &Self {
        stage: Trimming::Idle,
        looked_at: None,
    };

    fn is_blank(&self) -> bool {
        self.stage == Trimming::Idle && self.looked_at.is_none()
    }
}

impl GuildActor {
    /// Lets go what is over; called now and then.
    pub(super) fn trim_history(&mut self, ctx: &mut Context<Self>) {
        if !self.claimed || !self.tools.journal.accepts_writes() {
            return;
        }
        let settings = self.tools.settings.retention;
        let looked_at = self.trims.looked_at;
        let is_time =
            !settings.keep.is_whole() && looked_at.is_none_or(|at| at.elapsed() >= settings.every);
        if self.trims.stage == Trimming::Idle && is_time {
            self.trims.looked_at = Some(clock::now());
            if let Some(through) = self.core.trim_history(&self.moment(), &settings.keep) {
                tracing::info!(guild = %self.id, %through, "old history goes");
                self.trims.stage = Trimming::Due(through);
                self.advance(ctx);
            }
        }
        if let Trimming::Due(through) = self.trims.stage {
            self.take_snapshot(Some(through), ctx);
        }
    }

    /// What was being dropped is to be dropped again: whoever did it is gone.
    pub(super) fn trim_again(&mut self) {
        if let Trimming::UnderWay(through) = self.trims.stage {
            self.trims.stage = if self.core.exists() {
                Trimming::Due(through)
            } else {
                Trimming::Idle
            };
        }
    }

    /// Drops the log of a deleted guild but for what says that it was there: its id is not used again.
    /// Tells whether that is done.
    pub(super) fn forget_deleted(&mut self, ctx: &mut Context<Self>) -> bool {
        match self.trims.stage {
            Trimming::Forgotten => return true,
            Trimming::UnderWay(_) => return false,
            Trimming::Idle | Trimming::Due(_) => {}
        }
        if self.core.position() == 0 || !self.tools.journal.accepts_writes() {
            return true;
        }
        let everything = MessageId::new(u64::MAX);
        let snapshot = self.image();
        self.drop_records(snapshot, everything, Vec::new(), Trimming::Forgotten, ctx);
        false
    }

    /// Hands the journal a snapshot that is wholly acknowledged, and has it drop what neither that nor messages after `through`
    /// need.
    pub(super) fn drop_records(
        &mut self,
        snapshot: Snapshot,
        through: MessageId,
        channels: Vec<ChannelId>,
        then: Trimming,
        ctx: &mut Context<Self>,
    ) {
        let (journal, id) = (Arc::clone(&self.tools.journal), self.id);
        let dropped =
            async move { drop_records(&*journal, id, snapshot, through, &channels).await };
        self.trims.stage = Trimming::UnderWay(through);
        let life = self.life;
        ctx.spawn(dropped.into_actor(self).map(move |dropped, actor, _| {
            if actor.life != life {
                return;
            }
            actor.trims.stage = then;
            if let Err(error) = dropped {
                // The next time takes what is left with it.
                tracing::warn!(guild = %actor.id, %error, "old records were not dropped");
            }
        }));
    }
}

async fn drop_records(
    journal: &dyn Journal,
    guild: GuildId,
    snapshot: Snapshot,
    through: MessageId,
    channels: &[ChannelId],
) -> Result<(), JournalError> {
    let mut last = snapshot.position;
    journal.put_snapshot(guild, snapshot).await?;
    // Ids rise in the order of positions: what is left begins with the oldest of its messages.
    for channel in channels {
        let Some(from) = through.get().checked_add(1) else {
            break;
        };
        let span = Span {
            channel: *channel,
            from: MessageId::new(from),
            to: MessageId::new(u64::MAX),
            newest_first: false,
            limit: 1,
        };
        let oldest = journal.about(guild, span).await?;
        let first = oldest
            .messages
            .first()
            .and_then(|(_, entries)| entries.first());
        if let Some(first) = first {
            last = last.min(first.position - 1);
        }
    }
    while !journal.trim(guild, last, through).await? {
        tokio::task::yield_now().await;
    }
    Ok(())
}
