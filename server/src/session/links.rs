//! The ways between workers, and which worker a session is on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use tokio::sync::oneshot;

use super::elsewhere::Leaving;
use super::hub_actor::HubActor;
use super::id::SessionId;
use super::parked::{Parked, ParkedSessions};
use super::refusal::Refusal;
use super::report::SessionReport;
use super::state::SessionParts;
use crate::fanout::HubId;
use crate::fanout::mail::{GuildNews, HubLink, HubLinks};
use crate::protocol::UserId;
use crate::supervision::lifeline::Lifelines;
use crate::supervision::mail::{MailGauge, Mailer};

/// What reaches a worker's hub.
#[derive(Debug)]
pub enum HubMail {
    /// From a guild.
    News(GuildNews),
    /// From the worker's own timer: hand out what was gathered.
    HandOut,
    /// From another worker: a Resume for a session of this one arrived there.
    Yield(WantedSession),
    /// The answer to `Yield`.
    Yielded {
        /// What was asked for.
        wanted: WantedSession,
        /// Where the session was.
        from: HubId,
        /// What guilds know it by there.
        name: u64,
        /// The session.
        parts: Result<Box<SessionParts>, NotYielded>,
    },
    /// The operator looks at a session.
    Report {
        /// The session.
        session: SessionId,
        /// Takes what there is to see; `None` where the session is not here.
        reply: oneshot::Sender<Option<SessionReport>>,
    },
    /// The operator looks at the sessions that are furthest behind.
    FurthestBehind {
        /// How many at most.
        limit: usize,
        /// Takes what there is to see of each, the furthest behind first.
        reply: oneshot::Sender<Vec<SessionReport>>,
    },
    /// Ask every client to reconnect.
    Reconnect,
    /// Close every connection.
    CloseAll,
    /// What came of the search for a session on other nodes.
    Fetched {
        /// What was looked for.
        wanted: WantedSession,
        /// The session.
        parts: Result<Box<SessionParts>, NotYielded>,
    },
    /// A session is another node's: end what is left of it here.
    Disown(SessionId),
    /// Let a session go that is wanted on another node.
    LetOneGo {
        /// The session.
        session: SessionId,
        /// Who asks.
        user: UserId,
        /// What the client has seen.
        seq: u64,
        /// Takes it; `None` where it cannot be had.
        reply: oneshot::Sender<Option<Box<Parked>>>,
    },
    /// Let those sessions go whose moment is in this share of the time, from 0 to 1.
    LetGo {
        /// The share.
        share: f64,
        /// Takes them.
        reply: oneshot::Sender<Vec<Leaving>>,
    },
    /// Ask these clients to reconnect: connections' keys and generations.
    AskToReconnect {
        /// The connections.
        connections: Vec<(usize, u32)>,
    },
    /// Hand over every session for the next start; none is taken afterwards.
    Checkpoint {
        /// Takes them.
        reply: oneshot::Sender<Vec<Parked>>,
    },
}

/// A session that a connection of another worker waits for.
#[derive(Debug, Clone, Copy)]
pub struct WantedSession {
    /// The session.
    pub session: SessionId,
    /// Who asks.
    pub user: UserId,
    /// What the client has seen.
    pub seq: u64,
    /// Where the connection is.
    pub to: Caller,
}

/// Why a worker does not hand a session over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotYielded {
    /// It cannot be resumed, or there is none.
    Gone(Refusal),
    /// Its client has resumed it over a later connection.
    Overtaken,
    /// It has come to this node meanwhile.
    Here,
    /// Nobody can tell now: the client may come again.
    Unknown,
}

/// A connection that waits for a session of another worker.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Its worker's hub.
    pub hub: HubId,
    /// Its key there.
    pub connection: usize,
    /// Its generation.
    pub generation: u32,
    /// Its number among the connections of the node.
    pub number: u64,
}

/// What a worker answers within a time. An answer is either had, or its worker knows that it was not.
pub(super) async fn within<T>(longest: Duration, mut answer: oneshot::Receiver<T>) -> Option<T> {
    let answered = tokio::time::timeout(longest, &mut answer).await;
    answered.map_or_else(
        |_| {
            answer.close();
            answer.try_recv().ok()
        },
        Result::ok,
    )
}

struct GuildLink(Mailer<HubActor>);

impl HubLink for GuildLink {
    fn post(&self, news: GuildNews) -> Result<(), GuildNews> {
        let bytes = news.bytes();
        self.0
            .post(HubMail::News(news), bytes)
            .map_err(|refused| match refused.0 {
                HubMail::News(news) => news,
                _ => unreachable!("what was posted comes back"),
            })
    }

    fn post_control(&self, news: GuildNews) {
        self.0.post_control(HubMail::News(news));
    }
}

/// The hubs of this node and the sessions on them. Cheap to clone.
#[derive(Clone, Default)]
pub struct WorkerLinks {
    hubs: Arc<DashMap<HubId, Mailer<HubActor>>>,
    sessions: Arc<DashMap<SessionId, HubId>>,
    next: Arc<AtomicU32>,
    connections: Arc<AtomicUsize>,
    accepted: Arc<AtomicU64>,
    draining: Arc<AtomicBool>,
    /// Where sessions that begin now are to be resumed; none where the settings say so.
    resume_url: Arc<ArcSwapOption<Arc<str>>>,
    /// Whether this node was off the list of nodes since it came.
    was_away: Arc<AtomicBool>,
    /// Sessions that no worker has any more, and whose final state is not kept yet.
    leaving: Arc<DashMap<SessionId, ()>>,
    /// By which claim sessions are here that began on another node.
    claims: Arc<DashMap<SessionId, u64>>,
    /// Sessions from before a restart.
    pub parked: ParkedSessions,
    /// The same hubs as guilds see them.
    pub guild_side: HubLinks,
    /// The workers' threads, and others that the watchdog looks at.
    pub lines: Lifelines,
}

impl WorkerLinks {
    /// A fresh name for a hub.
    pub fn next_hub(&self) -> HubId {
        HubId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes a hub known.
    pub fn insert(&self, hub: HubId, mailer: Mailer<HubActor>) {
        self.guild_side
            .insert(hub, Arc::new(GuildLink(mailer.clone())));
        self.hubs.insert(hub, mailer);
    }

    /// The node is going down: no session is started or resumed any more, also not by a hub that
    /// starts only now.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether the node is going down.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Posts control mail to a hub; false where there is no such hub.
    pub fn post(&self, hub: HubId, mail: HubMail) -> bool {
        self.hubs.get(&hub).is_some_and(|mailer| {
            mailer.post_control(mail);
            true
        })
    }

    /// Says where sessions that begin from now on are to be resumed.
    pub fn set_resume_url(&self, url: Option<&str>) {
        self.resume_url.store(url.map(|url| Arc::new(url.into())));
    }

    /// Where sessions that begin now are to be resumed, if not where the settings say.
    pub fn resume_url(&self) -> Option<Arc<str>> {
        self.resume_url.load().as_deref().cloned()
    }

    /// This node is off the list of nodes: others may claim its sessions.
    pub fn set_away(&self) {
        self.was_away.store(true, Ordering::SeqCst);
    }

    /// Whether it has been off the list.
    pub fn was_away(&self) -> bool {
        self.was_away.load(Ordering::SeqCst)
    }

    /// The hubs there are, in no order.
    pub fn hubs(&self) -> Vec<HubId> {
        self.hubs.iter().map(|hub| *hub.key()).collect()
    }

    /// Posts to every hub.
    pub fn post_all(&self, mail: impl Fn() -> HubMail) {
        for mailer in self.hubs.iter() {
            mailer.post_control(mail());
        }
    }

    /// Notes where a session is.
    pub fn place(&self, session: SessionId, hub: HubId) {
        self.sessions.insert(session, hub);
    }

    /// Sends a session to another hub and notes that it is there; false where there is no such hub. Who
    /// looks for it meanwhile waits, so that what is asked of the new hub comes after the session.
    pub fn send(&self, session: SessionId, to: HubId, mail: HubMail) -> bool {
        let place = self.sessions.entry(session);
        let sent = self.post(to, mail);
        if sent {
            place.insert(to);
        }
        sent
    }

    /// Forgets a session.
    pub fn forget(&self, session: SessionId) {
        self.sessions.remove(&session);
        self.claims.remove(&session);
    }

    /// Notes by which claim a session is here.
    pub fn set_claim(&self, session: SessionId, claim: u64) {
        self.claims.insert(session, claim);
    }

    /// A session is about to be kept for other nodes.
    pub fn set_leaving(&self, session: SessionId) {
        self.leaving.insert(session, ());
    }

    /// It is kept, or that has failed.
    pub fn has_left(&self, session: SessionId) {
        self.leaving.remove(&session);
    }

    /// Sessions were taken out, and nobody waits for them any more: they are this node's again, for clients that come back.
    pub fn take_back(&self, sessions: impl IntoIterator<Item = Parked>) {
        for session in sessions {
            let id = session.parts.id;
            self.parked.fill([session]);
            self.has_left(id);
        }
    }

    /// Whether a session is about to be kept for other nodes.
    pub fn is_leaving(&self, session: SessionId) -> bool {
        self.leaving.contains_key(&session)
    }

    /// By which claim a session is here; 0 where it began here.
    pub fn claim_of(&self, session: SessionId) -> u64 {
        self.claims.get(&session).map_or(0, |claim| *claim)
    }

    /// Takes those sessions out of all hubs whose moment is in this share of the time. Waits for each hub at most as long as
    /// said.
    pub async fn let_go(&self, share: f64, longest: Duration) -> Vec<(HubId, Leaving)> {
        let mut answers = Vec::new();
        for hub in self.hubs.iter() {
            let (reply, answer) = oneshot::channel();
            hub.post_control(HubMail::LetGo { share, reply });
            answers.push((*hub.key(), answer));
        }
        let mut all = Vec::new();
        for (hub, answer) in answers {
            if let Some(leaving) = within(longest, answer).await {
                all.extend(leaving.into_iter().map(|it| (hub, it)));
            } else {
                tracing::error!(hub = hub.0, "a hub did not let its sessions go");
            }
        }
        all
    }

    /// Where a session is.
    pub fn find(&self, session: SessionId) -> Option<HubId> {
        self.sessions.get(&session).map(|hub| *hub)
    }

    /// How many sessions there are, those from before a restart included.
    pub fn sessions(&self) -> usize {
        self.sessions.len() + self.parked.len()
    }

    /// Takes every session from every hub, and those that no hub had. Waits for each hub at most
    /// as long as said.
    pub async fn checkpoint(&self, longest: Duration) -> Vec<Parked> {
        let mut answers = Vec::new();
        for hub in self.hubs.iter() {
            let (reply, answer) = oneshot::channel();
            hub.post_control(HubMail::Checkpoint { reply });
            answers.push((*hub.key(), answer));
        }
        let mut all = self.parked.take_whole();
        for (hub, answer) in answers {
            if let Ok(Ok(sessions)) = tokio::time::timeout(longest, answer).await {
                all.extend(sessions);
            } else {
                tracing::error!(hub = hub.0, "a hub did not hand over its sessions");
            }
        }
        all
    }

    /// A connection was taken; answers its number, which rises from one to the next.
    pub fn connected(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.accepted.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection is gone.
    pub fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// What waits for each hub.
    pub fn gauges(&self) -> Vec<(HubId, Arc<MailGauge>)> {
        self.hubs
            .iter()
            .map(|hub| (*hub.key(), Arc::clone(hub.gauge())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_comes_late_is_given_back() {
        let (reply, answer) = oneshot::channel();
        reply.send(1).unwrap();
        assert_eq!(within(Duration::ZERO, answer).await, Some(1));
        let (reply, answer) = oneshot::channel();
        assert_eq!(within(Duration::ZERO, answer).await, None);
        assert_eq!(reply.send(2), Err(2));
    }
}
