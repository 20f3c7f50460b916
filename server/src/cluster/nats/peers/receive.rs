//! What other nodes send.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_nats::Subscriber;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::asking::reply_of;
use super::link::{HEAD, Place};
use super::{Inner, Peer};
use crate::cluster::wire::{self, Parcel};
use crate::counters::Way;
use crate::fanout::HubId;
use crate::fanout::mail::GuildNews;
use crate::guild::actor::GuildMail;
use crate::guild::command::Request;
use crate::guild::core::Attach;
use crate::guild::remote::Asked;
use crate::protocol::{ApiError, GuildId};

/// Requests of other nodes that are under way.
const MAX_REQUESTS: usize = 8_192;
/// The largest parcel, in bytes.
const MAX_PARCEL: usize = 256 << 20;
/// How long mail that is early waits for the list that says so.
const EARLY: Duration = Duration::from_millis(500);
/// How often is looked for it.
const LOOK: Duration = Duration::from_millis(5);

/// What was heard of a process.
#[derive(Default)]
struct Heard {
    /// The number of its last message.
    number: u64,
    /// What came of a parcel so far.
    part: BytesMut,
    /// The rest of that parcel is of no use: something in it was not heard.
    broken: bool,
}

impl Heard {
    /// Takes a message in: the parcel that is complete with it, and whether something is missing before it.
    fn take(&mut self, place: Place, number: u64, piece: &[u8]) -> (Option<Bytes>, bool) {
        let more = place.more;
        let gap = number != self.number + 1;
        self.number = number;
        if gap {
            self.part.clear();
            self.broken = !place.first;
        }
        self.part.extend_from_slice(piece);
        let too_long = self.part.len() > MAX_PARCEL;
        if more {
            self.broken |= too_long;
            return (None, gap);
        }
        let parcel = std::mem::take(&mut self.part).freeze();
        let broken = std::mem::take(&mut self.broken);
        ((!broken && !too_long).then_some(parcel), gap)
    }
}

/// Takes parcels to where they are addressed, in the order of each sender.
pub(super) async fn parcels(inner: Weak<Inner>, mut messages: Subscriber) {
    let mut heard: HashMap<u64, Heard> = HashMap::new();
    while let Some(message) = messages.next().await {
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let mut payload = message.payload;
        if payload.len() < HEAD {
            continue;
        }
        let figures = inner.nats.figures();
        figures.messages.of(Way::Received).inc();
        figures.bytes.of(Way::Received).inc_by(payload.len() as u64);
        let place = Place::of(payload.get_u8());
        let (sender, number) = (payload.get_u64(), payload.get_u64());
        let Some(peer) = inner.wait_for_peer(sender).await else {
            heard.remove(&sender);
            continue;
        };
        if heard.len() > 1_024 {
            heard.retain(|sender, _| inner.peer_of(*sender).is_some());
        }
        let (parcel, gap) = heard
            .entry(sender)
            .or_default()
            .take(place, number, &payload);
        if gap {
            tracing::warn!(sender = %format!("{sender:016x}"), number, "a message of another node was not heard");
            inner.nats.figures().gaps.inc();
            inner.lost_from(sender);
            // Never refused.
            let _ = peer.link.post(Parcel::Resync, 64, true);
        }
        match parcel.map(wire::decode) {
            Some(Ok(parcel)) => inner.deliver(&peer, parcel).await,
            Some(Err(error)) => tracing::error!(%error, "a parcel is passed over"),
            None => {}
        }
    }
}

impl Inner {
    /// The process, also where the list with it has not come yet.
    async fn wait_for_peer(&self, sender: u64) -> Option<Peer> {
        let end = Instant::now() + EARLY;
        loop {
            let peer = self.peer_of(sender);
            if peer.is_some() || self.strangers.contains_key(&sender) {
                return peer;
            }
            if Instant::now() >= end {
                self.note_stranger(sender);
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn deliver(&self, peer: &Peer, parcel: Parcel) {
        match parcel {
            Parcel::News { hubs, news } => self.tell(&hubs, news),
            Parcel::Mail {
                guild,
                generation,
                mail,
            } => self.post(peer, guild, generation, mail).await,
            Parcel::Resync => {
                self.nats.figures().resyncs.inc();
                self.lost_from(peer.incarnation);
            }
            Parcel::Beat => {}
            Parcel::Moved(moved) => {
                if let Some(control) = self.control.get() {
                    control.moved(moved);
                }
            }
        }
    }

    fn tell(&self, hubs: &[u32], news: GuildNews) {
        let tell = |hub: HubId, news: GuildNews| {
            let Some(link) = self.hubs.get(hub).filter(|_| hub.is_local()) else {
                return;
            };
            let guild = news.guild();
            if link.post(news).is_err() {
                link.post_control(GuildNews::Lost { guild });
            }
        };
        match news {
            GuildNews::Items { guild, items } => {
                for hub in hubs {
                    let items = Arc::clone(&items);
                    tell(HubId(*hub), GuildNews::Items { guild, items });
                }
            }
            GuildNews::Joined { guild, user } => {
                self.hubs.tell_local(|| GuildNews::Joined { guild, user });
            }
            news => {
                // Addressed to one hub each.
                if let [hub] = hubs {
                    tell(HubId(*hub), news);
                }
            }
        }
    }

    async fn post(&self, peer: &Peer, guild: GuildId, generation: u64, mut mail: GuildMail) {
        let Some(router) = self.router.get() else {
            return;
        };
        knows(generation, || router.generation()).await;
        let name = |attach: &mut Attach| attach.hub = self.hub_of(peer, attach.hub);
        match &mut mail {
            GuildMail::Attach(attach) | GuildMail::Reattach(attach, _) => name(attach),
            GuildMail::Rejoin { hub, sessions, .. } => {
                sessions.iter_mut().for_each(name);
                *hub = self.hub_of(peer, *hub);
            }
            GuildMail::Detach { hub, .. } => *hub = self.hub_of(peer, *hub),
            _ => {}
        }
        // Who sent it to the wrong node hears of the owner and asks again.
        let _ = router.post_here(guild, mail);
    }
}

/// Waits a moment for the list of nodes by which somebody else has sent something here: it may not have come yet.
async fn knows(generation: u64, known: impl Fn() -> u64) {
    let end = Instant::now() + EARLY;
    while known() < generation && Instant::now() < end {
        tokio::time::sleep(LOOK).await;
    }
}

/// Answers requests.
pub(super) async fn requests(inner: Weak<Inner>, mut messages: Subscriber) {
    let places = Arc::new(Semaphore::new(MAX_REQUESTS));
    while let Some(message) = messages.next().await {
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let (Some(reply), Some(router)) = (message.reply, inner.router.get()) else {
            continue;
        };
        let client = inner.nats.inner.client.clone();
        let mut payload = message.payload;
        let guild = payload.try_get_u64().map_or(0, |guild| guild);
        let generation = payload.try_get_u64().map_or(0, |generation| generation);
        let left = payload.try_get_u32().map_or(0, |left| left);
        let end = Instant::now() + Duration::from_millis(left.into());
        let request: Option<Request> = serde_json::from_slice(&payload).ok();
        let place = Arc::clone(&places).try_acquire_owned().ok();
        if place.is_none() {
            inner.nats.figures().requests_turned_away.inc();
        }
        let router = router.clone();
        inner.handle.spawn(async move {
            let unavailable = Asked::Answered(Err(ApiError::UNAVAILABLE));
            let asked = match (request, place.is_some()) {
                (Some(request), true) => {
                    knows(generation, || router.generation()).await;
                    router.ask_here(GuildId::new(guild), request, end).await
                }
                _ => unavailable,
            };
            let mut answer = reply_of(&asked);
            if answer.len() > client.max_payload().max(1 << 20) {
                tracing::warn!(
                    guild,
                    bytes = answer.len(),
                    "an answer is too large for NATS"
                );
                answer = reply_of(&Asked::Answered(Err(ApiError::UNAVAILABLE)));
            }
            if let Err(error) = client.publish(reply, answer).await {
                tracing::warn!(%error, "an answer cannot be sent");
            }
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn what_was_sent_by_a_newer_list_waits_for_that_list_and_not_for_ever() {
        let known = Cell::new(1);
        let waits = async {
            knows(2, || known.get()).await;
            assert_eq!(known.get(), 2);
        };
        let comes = async {
            tokio::time::sleep(3 * LOOK).await;
            known.set(2);
        };
        tokio::join!(waits, comes);
        let began = Instant::now();
        knows(1, || known.get()).await;
        assert!(began.elapsed() < EARLY, "an older one is not waited for");
        knows(3, || known.get()).await;
        assert!(began.elapsed() >= EARLY);
    }

    #[test]
    fn parcels_are_put_together_and_gaps_are_seen() {
        let mut heard = Heard::default();
        let whole = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
        let place = |first, more| Place { first, more };
        let (only, first, last) = (place(true, false), place(true, true), place(false, false));
        assert_eq!(heard.take(only, 1, b"one"), (whole("one"), false));
        assert_eq!(heard.take(first, 2, b"tw"), (None, false));
        assert_eq!(heard.take(last, 3, b"o"), (whole("two"), false));
        // Before a beginning, a middle and an end.
        assert_eq!(heard.take(first, 5, b"th"), (None, true));
        assert_eq!(heard.take(last, 6, b"ree"), (whole("three"), false));
        assert_eq!(heard.take(place(false, true), 8, b"x"), (None, true));
        assert_eq!(heard.take(last, 9, b"y"), (None, false));
        assert_eq!(heard.take(last, 12, b"z"), (None, true));
        assert_eq!(heard.take(only, 13, b"four"), (whole("four"), false));
        // In the middle of one.
        assert_eq!(heard.take(first, 14, b"fi"), (None, false));
        assert_eq!(heard.take(only, 16, b"six"), (whole("six"), true));
    }
}
