//! Hubs and sessions that come back with a past, and what they missed.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::load::items_between;
use super::{GuildActor, GuildMail};
use crate::fanout::mail::GuildNews;
use crate::fanout::{HubId, Item};
use crate::guild::core::Attach;
use crate::guild::seldom::Blank;
use crate::guild::stats::Health;
use crate::journal::JournalError;
use crate::protocol::{ApiError, Position};

/// Most records read back for who was away.
const MAX_MISSED: Position = 50_000;
/// Most that wait for records to be read back.
const MAX_PARKED: usize = 65_536;

/// Who comes back with a past.
#[derive(Default)]
pub(super) struct Returns {
    /// Sessions that are being attached, by hub: the position that they have.
    pub(super) sessions: BTreeMap<(HubId, u64), Position>,
    /// Who waits for records to be read back, with the position that they have.
    pub(super) parked: Vec<(Position, Parked)>,
}

/// Who waits for records to be read back.
#[derive(Debug)]
pub(super) enum Parked {
    Session(Attach),
    Hub(HubId, Vec<Attach>),
}

impl Blank for Returns {
    const BLANK: &'static Self = &Self {
        sessions: BTreeMap::new(),
        parked: Vec::new(),
    };

    fn is_blank(&self) -> bool {
        self.sessions.is_empty() && self.parked.is_empty()
    }
}

impl Parked {
    pub(super) const fn hub(&self) -> HubId {
        match self {
            Self::Session(attach) => attach.hub,
            Self::Hub(hub, _) => *hub,
        }
    }
}

impl GuildActor {
    /// Attaches a session that has everything up to `since`.
    pub(super) fn reattach(&mut self, attach: Attach, since: Position, ctx: &mut Context<Self>) {
        if since < self.recent.complete_after() {
            self.park(since, Parked::Session(attach), ctx);
            return;
        }
        self.returns(attach.hub, attach.session, since);
        self.attach(&attach);
    }

    /// Takes a hub back that has everything up to `since`.
    pub(super) fn rejoin(
        &mut self,
        hub: HubId,
        since: Position,
        sessions: Vec<Attach>,
        ctx: &mut Context<Self>,
    ) {
        let Some(missed) = self.recent.since(since) else {
            self.park(since, Parked::Hub(hub, sessions), ctx);
            return;
        };
        for attach in &sessions {
            self.core.restore(attach);
        }
        let Some(link) = self.tools.hubs.get(hub) else {
            return;
        };
        let news = GuildNews::Rejoined {
            guild: self.id,
            missed: Some(missed),
        };
        link.post_control(news);
        self.subscribe(hub);
    }

    /// Lets somebody wait until what they missed is read back.
    fn park(&mut self, since: Position, who: Parked, ctx: &mut Context<Self>) {
        let too_long = self.recent.complete_after() - since > MAX_MISSED;
        if too_long || self.returns.parked.len() >= MAX_PARKED {
            self.refuse_parked(who);
            return;
        }
        let is_first = self.returns.parked.is_empty();
        self.returns.parked.push((since, who));
        // The others are looked at again when the read that is under way has ended.
        if is_first {
            self.fetch(ctx);
        }
    }

    /// Those who wait, who then do no more.
    pub(super) fn take_parked(&mut self) -> Vec<(Position, Parked)> {
        let returns = self.returns.made();
        returns.map_or_else(Vec::new, |it| std::mem::take(&mut it.parked))
    }

    /// Begins to read what those who wait need, where somebody does.
    pub(super) fn fetch(&mut self, ctx: &mut Context<Self>) {
        let Some(since) = self.returns.parked.iter().map(|(since, _)| *since).min() else {
            return;
        };
        let until = self.recent.complete_after();
        let journal = Arc::clone(&self.tools.journal);
        let scope = self.core.scope();
        let fetch = items_between(
            journal,
            scope,
            (since, until),
            self.tools.settings.core.clone(),
        );
        let life = self.life;
        ctx.spawn(fetch.into_actor(self).map(move |fetched, actor, ctx| {
            if actor.life != life {
                return;
            }
            match fetched {
                Ok(items) => actor.fetched(since, until, items, ctx),
                Err(error) => {
                    if let JournalError::Trimmed { .. } = error {
                        tracing::info!(guild = %actor.id, %error, "what was missed is gone");
                    } else {
                        tracing::error!(guild = %actor.id, %error, "what was missed cannot be read");
                    }
                    for (_, who) in actor.take_parked() {
                        actor.refuse_parked(who);
                    }
                }
            }
        }));
    }

    fn fetched(
        &mut self,
        since: Position,
        until: Position,
        items: Vec<Item>,
        ctx: &mut Context<Self>,
    ) {
        self.recent.extend_back(since, until, items);
        for (since, who) in self.take_parked() {
            match who {
                Parked::Session(attach) => self.reattach(attach, since, ctx),
                Parked::Hub(hub, sessions) => self.rejoin(hub, since, sessions, ctx),
            }
        }
        self.advance(ctx);
    }

    /// The whole stretch cannot be had (*invariant I10*).
    fn refuse_parked(&mut self, who: Parked) {
        match who {
            Parked::Session(attach) => {
                // Attached all the same, so that the answer finds the session: it may not go on.
                self.returns(attach.hub, attach.session, 0);
                self.attach(&attach);
            }
            Parked::Hub(hub, _) => {
                if let Some(link) = self.tools.hubs.get(hub) {
                    let news = GuildNews::Rejoined {
                        guild: self.id,
                        missed: None,
                    };
                    link.post_control(news);
                }
            }
        }
    }

    /// Answers mail that the guild cannot deal with now.
    pub(super) fn refuse(&mut self, mail: GuildMail) {
        let error = ApiError::UNAVAILABLE;
        match mail {
            GuildMail::Ask { reply, .. } => {
                self.tools.counters.guild_answered(Err(error.status));
                // The asker may be gone.
                let _ = reply.send(Err(error));
            }
            GuildMail::Rejoin { hub, .. } if self.stats.health() == Health::Quarantined => {
                if let Some(link) = self.tools.hubs.get(hub) {
                    link.post_control(GuildNews::Unavailable { guild: self.id });
                }
            }
            // They ask again until the guild serves.
            GuildMail::Attach(_)
            | GuildMail::Reattach(..)
            | GuildMail::Rejoin { .. }
            | GuildMail::Detach { .. }
            | GuildMail::HubGone(_)
            | GuildMail::Presence { .. }
            | GuildMail::Wake
            | GuildMail::Restart
            | GuildMail::Release(_)
            | GuildMail::Depart(_)
            | GuildMail::Evicted => {}
        }
    }
}
