//! A Resume of a session that is not on this node.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::note::{Note, read_table};
use super::waiting::Waiting;
use super::{Elsewhere, Inner};
use crate::clock;
use crate::cluster::sessions::{Claimed, Found, Kept, StoreError, Wanted, Yielded};
use crate::counters::ElsewhereOutcome;
use crate::session::links::{HubMail, NotYielded, WantedSession};
use crate::session::parcel;
use crate::session::refusal::Refusal;
use crate::session::state::SessionParts;

/// How often is looked again.
const AGAIN: Duration = Duration::from_millis(100);

/// What to do next.
enum Next {
    /// The session is this node's.
    Got(Box<SessionParts>),
    /// There is no session to go on with, or not from here.
    Not(NotYielded),
    /// It may be there a moment later.
    Again,
}

impl Elsewhere {
    /// Whether this node still has a session that it believes to have, before a connection goes on with it: others may
    /// have claimed it while this node was off the list. Its worker hears what came of it.
    pub fn check(&self, wanted: WantedSession, waiting: Waiting) {
        let this = self.clone();
        self.inner.handle.spawn(async move {
            let parts = this.is_still_here_for(&wanted, &waiting).await;
            this.answer(wanted, parts);
        });
    }

    /// Tells the worker what came of it. Where that is gone, so is the connection.
    fn answer(&self, wanted: WantedSession, parts: Result<Box<SessionParts>, NotYielded>) {
        let is_had = parts.is_ok();
        let links = &self.inner.links;
        let mail = HubMail::Fetched { wanted, parts };
        if !links.post(wanted.to.hub, mail) && is_had {
            links.forget(wanted.session);
        }
    }

    pub(super) async fn is_still_here_for(
        &self,
        wanted: &WantedSession,
        waiting: &Waiting,
    ) -> Result<Box<SessionParts>, NotYielded> {
        let Inner { store, links, .. } = &*self.inner;
        let id = wanted.session;
        let found = store.find(&id.to_string()).await;
        let found = found.map_err(|_| NotYielded::Unknown)?;
        let mine = links.claim_of(id);
        if found.claim.is_none_or(|claim| claim.number == mine) {
            return Err(NotYielded::Here);
        }
        if let Some(hub) = links.find(id) {
            links.post(hub, HubMail::Disown(id));
        }
        self.get_for(wanted, waiting).await
    }

    /// Looks for a session that a connection waits for; its worker hears what came of it.
    pub fn fetch(&self, wanted: WantedSession, waiting: Waiting) {
        let this = self.clone();
        self.inner.handle.spawn(async move {
            let parts = this.get_for(&wanted, &waiting).await;
            this.answer(wanted, parts);
        });
    }

    pub(super) async fn get_for(
        &self,
        wanted: &WantedSession,
        waiting: &Waiting,
    ) -> Result<Box<SessionParts>, NotYielded> {
        let end = Instant::now() + self.inner.settings.patience;
        let mut is_first = true;
        loop {
            let place = self.inner.places.acquire().await;
            // A later connection of the client may have the session meanwhile: it is left alone.
            if place.is_err() || waiting.is_over() {
                return Err(NotYielded::Unknown);
            }
            if std::mem::take(&mut is_first)
                && let Some(parts) = self.parked(wanted).await?
            {
                return Ok(parts);
            }
            let next = match self.inner.store.find(&wanted.session.to_string()).await {
                Ok(found) => self.look((wanted, waiting), &found).await,
                Err(error) => Err(error),
            };
            // Not while it sleeps.
            drop(place);
            match next {
                Ok(Next::Got(parts)) => return Ok(parts),
                Ok(Next::Not(why)) => return Err(why),
                Ok(Next::Again) => {}
                Err(error) => tracing::debug!(%error, "sessions of other nodes cannot be had"),
            }
            if Instant::now() >= end {
                // The client comes again; its session may be there then.
                return Err(NotYielded::Unknown);
            }
            sleep(AGAIN).await;
        }
    }

    /// The session may be from before this node's last start, and nobody else's since.
    async fn parked(
        &self,
        wanted: &WantedSession,
    ) -> Result<Option<Box<SessionParts>>, NotYielded> {
        let id = wanted.session;
        let Some(session) = self.take_parked(id, wanted.user, wanted.seq) else {
            return Ok(None);
        };
        match self.claim_parked(wanted, session.claim).await {
            Ok(true) => Ok(Some(Box::new(session.parts))),
            Ok(false) => Ok(None),
            Err(error) => {
                tracing::warn!(session = ?id, %error, "a session cannot be claimed");
                self.inner.links.parked.fill([session]);
                Err(NotYielded::Unknown)
            }
        }
    }

    /// Claims a session that was here by the claim `former`; false where another node has claimed it since.
    async fn claim_parked(&self, wanted: &WantedSession, former: u64) -> Result<bool, StoreError> {
        let found = self.inner.store.find(&wanted.session.to_string()).await?;
        // Claims are forgotten after a while: later than a session is over that was parked before them.
        if found.claim.is_some_and(|claim| claim.number != former) {
            return Ok(false);
        }
        self.claim(wanted, found.number()).await
    }

    /// Claims the session for this process; false where another one was first.
    async fn claim(&self, wanted: &WantedSession, former: u64) -> Result<bool, StoreError> {
        let inner = &self.inner;
        let id = wanted.session;
        let process = inner.settings.process;
        let claimed = inner.store.claim(&id.to_string(), former, process).await?;
        if let Claimed::Yes(number) = claimed {
            inner.links.set_claim(id, number);
            return Ok(true);
        }
        Ok(false)
    }

    async fn look(
        &self,
        (wanted, waiting): (&WantedSession, &Waiting),
        found: &Found,
    ) -> Result<Next, StoreError> {
        if waiting.is_over() {
            return Ok(Next::Again);
        }
        let Inner {
            settings, holders, ..
        } = &*self.inner;
        let asked = Wanted {
            session: wanted.session.to_string(),
            user: wanted.user,
            seq: wanted.seq,
        };
        let Some(process) = found.process() else {
            return self
                .ask_all((wanted, waiting), &asked, ElsewhereOutcome::Unknown)
                .await;
        };
        if let Some(kept) = found.current().filter(|kept| kept.is_final) {
            return self.take((wanted, waiting), found, kept).await;
        }
        if process == settings.process {
            // It came here by another connection, and may not be with its worker yet; or it has ended.
            return Ok(if self.is_coming(wanted.session) {
                Next::Again
            } else {
                Next::Not(NotYielded::Here)
            });
        }
        if !holders.is_there(process) {
            let next = match found.current() {
                Some(kept) => self.take_noted((wanted, waiting), found, kept).await?,
                None => Err(ElsewhereOutcome::Unknown),
            };
            return match next {
                Ok(next) => Ok(next),
                // The node may be back, with what its own disk says of the session.
                Err(why) => self.ask_all((wanted, waiting), &asked, why).await,
            };
        }
        match holders.ask(process, asked).await {
            Some(Yielded::Gone) => {
                // It may have gone on to a third node meanwhile.
                let now = self.inner.store.find(&wanted.session.to_string()).await?;
                let is_same = now.claim == found.claim && now.kept == found.kept;
                Ok(if is_same {
                    self.none(ElsewhereOutcome::Ended)
                } else {
                    Next::Again
                })
            }
            Some(Yielded::Kept) => self.take_kept((wanted, waiting)).await,
            None => Ok(Next::Again),
        }
    }

    /// Nobody is known to have the session: it has not been noted yet, or there is none.
    async fn ask_all(
        &self,
        (wanted, waiting): (&WantedSession, &Waiting),
        asked: &Wanted,
        without: ElsewhereOutcome,
    ) -> Result<Next, StoreError> {
        if waiting.is_over() {
            return Ok(Next::Again);
        }
        let holders = &self.inner.holders;
        let others = holders.others().into_iter();
        let answers = join_all(others.map(|process| holders.ask(process, asked.clone()))).await;
        if answers.contains(&Some(Yielded::Kept)) {
            self.take_kept((wanted, waiting)).await
        } else if answers.contains(&None) {
            Ok(Next::Again)
        } else {
            Ok(self.none(without))
        }
    }

    /// Takes a session that was let go for this node.
    async fn take_kept(
        &self,
        (wanted, waiting): (&WantedSession, &Waiting),
    ) -> Result<Next, StoreError> {
        let now = self.inner.store.find(&wanted.session.to_string()).await?;
        match now.current().filter(|kept| kept.is_final) {
            Some(kept) => self.take((wanted, waiting), &now, kept).await,
            None => Ok(Next::Again),
        }
    }

    /// There is no session to go on with.
    fn none(&self, why: ElsewhereOutcome) -> Next {
        self.count(why);
        Next::Not(NotYielded::Gone(Refusal::Unknown))
    }

    fn count(&self, outcome: ElsewhereOutcome) {
        self.inner.counters.resumes_elsewhere.of(outcome).inc();
    }

    /// Takes a session of a process that is gone, by its last note: whole where the client has just what the note says.
    async fn take_noted(
        &self,
        (wanted, waiting): (&WantedSession, &Waiting),
        found: &Found,
        kept: &Kept,
    ) -> Result<Result<Next, ElsewhereOutcome>, StoreError> {
        let Ok(note) = serde_json::from_slice::<Note>(&kept.state) else {
            return Ok(Err(ElsewhereOutcome::Ended));
        };
        if note.user.id != wanted.user {
            return Ok(Err(ElsewhereOutcome::Ended));
        }
        match wanted.seq.cmp(&note.seq) {
            std::cmp::Ordering::Equal => {}
            // What each of these numbers stood for only that process knew.
            std::cmp::Ordering::Greater => return Ok(Err(ElsewhereOutcome::Later)),
            std::cmp::Ordering::Less => return Ok(Err(ElsewhereOutcome::Earlier)),
        }
        let mut tables = Vec::with_capacity(note.guilds.len());
        for place in &note.guilds {
            let json = self.inner.store.table(place.guild, place.table).await?;
            let Some(table) = json.and_then(|json| read_table(place.table, &json)) else {
                return Ok(Err(ElsewhereOutcome::Unknown));
            };
            tables.push(table);
        }
        if waiting.is_over() || !self.claim(wanted, found.number()).await? {
            return Ok(Ok(Next::Again));
        }
        self.count(ElsewhereOutcome::Noted);
        let parts = note.into_parts(wanted.session, tables);
        Ok(Ok(Next::Got(Box::new(parts))))
    }

    /// Takes a session that nobody uses, whole or not at all.
    async fn take(
        &self,
        (wanted, waiting): (&WantedSession, &Waiting),
        found: &Found,
        kept: &Kept,
    ) -> Result<Next, StoreError> {
        let session = match parcel::unpack(&kept.state) {
            Ok(session) => session,
            Err(error) => {
                tracing::warn!(session = ?wanted.session, %error, "a session of another node cannot be read");
                return Ok(self.none(ElsewhereOutcome::Ended));
            }
        };
        let parts = session.parts;
        let window_ms = self.inner.settings.resume_window.as_millis() as u64;
        let is_over = session.detached_ms.saturating_add(window_ms) <= clock::unix_ms();
        let is_own = parts.id == wanted.session && parts.user.id == wanted.user;
        if is_over || !is_own || !parts.outbox.reaches(wanted.seq) {
            return Ok(self.none(ElsewhereOutcome::Ended));
        }
        if waiting.is_over() || !self.claim(wanted, found.number()).await? {
            return Ok(Next::Again);
        }
        self.count(ElsewhereOutcome::LetGo);
        Ok(Next::Got(Box::new(parts)))
    }
}
