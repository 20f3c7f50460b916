//! Requests to guilds of other nodes, and what is done about nodes that do not answer them.

use std::time::Duration;

use async_nats::{Request as Asking, RequestErrorKind};
use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::Instant;

use super::gate::{PROBES, Pass, Shut};
use super::{Nats, Peer, Peers};
use crate::cluster::control::Question;
use crate::counters::PeerOutcome;
use crate::guild::command::{Outcome, Reply};
use crate::guild::remote::Asked;
use crate::guild::router::Router;
use crate::placement::NodeName;
use crate::protocol::{ApiError, GuildId};
use crate::supervision::pauses::Pauses;

/// The shortest time that a request to another node is given.
const SHORTEST: Duration = Duration::from_millis(1);
/// Who was given less than that and has not answered says nothing about its node.
const FAIR: Duration = Duration::from_millis(250);
/// What of a request's time is left for the answer's way back: an owner whose guild does not answer says so itself.
const WAY_BACK: Duration = Duration::from_millis(50);

/// What stands before a request: its guild, the number of the list of nodes by which it goes where it goes, and how many
/// milliseconds there are for it.
const HEAD: usize = 8 + 8 + 4;

/// How a reply begins: the guild is not this node's, JSON as it is, or an outcome as JSON.
const NOT_THERE: u8 = 0;
const PLAIN: u8 = 1;
const OUTCOME: u8 = 2;

/// Counts a request while it is under way.
struct UnderWay<'a> {
    nats: &'a Nats,
    _pass: Pass,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.nats.figures().requests_in_flight.dec();
    }
}

impl Peers {
    /// Sends a request to another process, and waits for its answer until `end`.
    pub(super) async fn send(
        &self,
        (node, peer): (&NodeName, &Peer),
        guild: GuildId,
        (text, reads): (&[u8], bool),
        end: Instant,
    ) -> (Asked, PeerOutcome) {
        let unavailable = || Asked::Answered(Err(ApiError::UNAVAILABLE));
        let nats = &self.inner.nats;
        if !nats.is_connected() {
            return (unavailable(), PeerOutcome::Lost);
        }
        let pass = match peer.gate.enter(text.len()) {
            Ok(pass) => pass,
            Err(Shut::Breaker) => return (unavailable(), PeerOutcome::BreakerOpen),
            Err(Shut::Full) => return (unavailable(), PeerOutcome::BulkheadFull),
        };
        nats.figures().requests_in_flight.inc();
        let _under_way = UnderWay { nats, _pass: pass };
        let left = end.saturating_duration_since(Instant::now()).max(SHORTEST);
        let theirs = left.saturating_sub(WAY_BACK).max(left / 2);
        let mut payload = BytesMut::with_capacity(HEAD + text.len());
        payload.put_u64(guild.get());
        payload.put_u64(self.inner.router.get().map_or(0, Router::generation));
        payload.put_u32(u32::try_from(theirs.as_millis()).unwrap_or(u32::MAX));
        payload.put_slice(text);
        let asking = Asking::new().payload(payload.freeze()).timeout(Some(left));
        let to = requests(nats.name(), peer.incarnation);
        let asked = nats.inner.client.send_request(to, asking);
        let answered = tokio::select! {
            answered = asked => answered,
            // Who reads can ask again at once; what else became of a write is not known.
            () = peer.link.gone() => {
                let asked = if reads { Asked::NotThere } else { unavailable() };
                return (asked, PeerOutcome::Lost);
            }
        };
        let error = match answered {
            Ok(reply) => {
                self.answers(node, peer);
                let asked = asked_of(&reply.payload).unwrap_or_else(unavailable);
                let outcome = match asked {
                    Asked::NotThere => PeerOutcome::NotThere,
                    Asked::Answered(_) => PeerOutcome::Answered,
                };
                return (asked, outcome);
            }
            Err(error) => error,
        };
        match error.kind() {
            RequestErrorKind::NoResponders => (Asked::NotThere, PeerOutcome::NotThere),
            // It may have been carried out.
            RequestErrorKind::TimedOut => {
                // Without a connection nobody could answer.
                if left >= FAIR && nats.is_connected() && peer.gate.unanswered() {
                    self.opened(node, peer);
                }
                (unavailable(), PeerOutcome::TimedOut)
            }
            _ => (unavailable(), PeerOutcome::Lost),
        }
    }

    /// A node has answered.
    fn answers(&self, node: &NodeName, peer: &Peer) {
        if peer.gate.answered() {
            tracing::info!(%node, "answers again");
            self.inner.nats.figures().show_breaker(node.as_str(), false);
        }
    }

    /// A node does not answer: it is probed until it does, and asked nothing meanwhile.
    fn opened(&self, node: &NodeName, peer: &Peer) {
        tracing::warn!(%node, "does not answer: it is asked nothing until it does");
        let figures = self.inner.nats.figures();
        figures.breakers_opened.inc();
        figures.show_breaker(node.as_str(), true);
        let (this, node, peer) = (self.clone(), node.clone(), peer.clone());
        self.inner.handle.spawn(async move {
            let mut pauses = Pauses::new(PROBES.0, PROBES.1);
            let probes = async {
                while peer.gate.is_open() {
                    tokio::time::sleep(pauses.pause()).await;
                    if this.question(&node, &Question::Ping).await.is_ok() {
                        this.answers(&node, &peer);
                    }
                }
                // It may have answered before it was shown that it does not.
                let figures = this.inner.nats.figures();
                figures.show_breaker(node.as_str(), peer.gate.is_open());
            };
            tokio::select! {
                () = probes => {}
                () = peer.link.gone() => {}
            }
        });
    }
}

/// Where a process is asked.
pub(super) fn requests(name: &str, process: u64) -> String {
    format!("{name}.ask.{process:016x}")
}

/// A reply as bytes.
pub(super) fn reply_of(asked: &Asked) -> Bytes {
    let mut out = BytesMut::new();
    match asked {
        Asked::NotThere => out.put_u8(NOT_THERE),
        Asked::Answered(Ok(Reply::Json(body))) => {
            out.put_u8(PLAIN);
            out.put_slice(body);
        }
        Asked::Answered(outcome) => {
            out.put_u8(OUTCOME);
            let text = serde_json::to_vec(outcome).expect("outcomes are plain data");
            out.put_slice(&text);
        }
    }
    out.freeze()
}

fn asked_of(reply: &Bytes) -> Option<Asked> {
    let rest = reply.slice(1.min(reply.len())..);
    match *reply.first()? {
        NOT_THERE => Some(Asked::NotThere),
        PLAIN => Some(Asked::Answered(Ok(Reply::Json(rest)))),
        OUTCOME => {
            let outcome: Outcome = serde_json::from_slice(&rest).ok()?;
            Some(Asked::Answered(outcome))
        }
        _ => None,
    }
}
