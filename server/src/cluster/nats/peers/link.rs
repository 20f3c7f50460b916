//! The way to one process of another node: what is posted waits here until it is sent, in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::{Notify, watch};

use crate::cluster::nats::Nats;
use crate::cluster::wire::{self, Parcel};
use crate::counters::Way;
use crate::fanout::mail::{GuildNews, HubLink};

/// Most parcels that wait, as in a hub's mailbox.
const MAX_COUNT: usize = 65_536;
/// Most bytes of them.
const MAX_BYTES: usize = 128 << 20;
/// How far back is looked for the same news to another hub of the node.
const LOOK_BACK: usize = 8;
/// Most bytes of a parcel in one message.
const PIECE: usize = 512 << 10;
/// Its place in the parcel, who sends, the message's number.
pub(super) const HEAD: usize = 1 + 8 + 8;

/// Where a message stands in its parcel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// It begins it.
    pub(super) first: bool,
    /// Others follow.
    pub(super) more: bool,
}

impl Place {
    pub(super) const fn of(byte: u8) -> Self {
        Self {
            first: byte & 1 == 0,
            more: byte & 2 != 0,
        }
    }

    const fn byte(self) -> u8 {
        (!self.first) as u8 | (self.more as u8) << 1
    }
}

/// Parcels that wait to be sent to one process.
pub(super) struct Link {
    subject: String,
    me: u64,
    waiting: Mutex<Waiting>,
    wake: Notify,
    closed: watch::Sender<bool>,
    nats: Nats,
}

#[derive(Default)]
struct Waiting {
    parcels: VecDeque<(Parcel, usize)>,
    bytes: usize,
}

impl Link {
    /// A link to a process, served on the runtime of the caller until it is [closed](Self::close).
    pub(super) fn open(nats: Nats, me: u64, peer: u64) -> Arc<Self> {
        let link = Arc::new(Self {
            subject: subject(nats.name(), peer),
            me,
            waiting: Mutex::default(),
            wake: Notify::new(),
            closed: watch::Sender::new(false),
            nats,
        });
        #[allow(clippy::disallowed_methods)] // one for each link, ended by `close`
        tokio::spawn(Arc::clone(&link).run());
        link
    }

    /// Nothing is sent any more.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = Waiting::default();
        drop(waiting);
        self.wake.notify_one();
    }

    /// Done once the process is gone.
    pub(super) async fn gone(&self) {
        // An end of the link is an end as well.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Posts a parcel; gives it back where too much waits. Past the bounds where it is `control`.
    #[allow(clippy::result_large_err)] // what cannot be posted is given back as it came
    pub(super) fn post(&self, parcel: Parcel, bytes: usize, control: bool) -> Result<(), Parcel> {
        if *self.closed.borrow() {
            return Ok(());
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(parcel) = waiting.join(parcel) else {
            return Ok(());
        };
        let full = waiting.parcels.len() >= MAX_COUNT || waiting.bytes + bytes > MAX_BYTES;
        if full && !control && !waiting.parcels.is_empty() {
            self.nats.figures().parcels_refused.inc();
            return Err(parcel);
        }
        waiting.bytes += bytes;
        waiting.parcels.push_back((parcel, bytes));
        drop(waiting);
        self.wake.notify_one();
        Ok(())
    }

    fn take(&self) -> Option<Parcel> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (parcel, bytes) = waiting.parcels.pop_front()?;
        waiting.bytes -= bytes;
        Some(parcel)
    }

    async fn run(self: Arc<Self>) {
        let nats = &self.nats;
        let mut number = 0;
        while !*self.closed.borrow() {
            let Some(parcel) = self.take() else {
                self.wake.notified().await;
                continue;
            };
            let Some(bytes) = wire::encode(&parcel) else {
                tracing::error!(?parcel, "this does not travel");
                continue;
            };
            let size = PIECE.min(nats.max_payload() - HEAD);
            let last = bytes.len().div_ceil(size).max(1) - 1;
            for n in 0..=last {
                number += 1;
                let piece = &bytes[n * size..bytes.len().min((n + 1) * size)];
                let place = Place {
                    first: n == 0,
                    more: n < last,
                };
                let message = self.message(place, number, piece);
                let figures = nats.figures();
                figures.messages.of(Way::Sent).inc();
                figures.bytes.of(Way::Sent).inc_by(message.len() as u64);
                let sent = nats.inner.client.publish(self.subject.clone(), message);
                if let Err(error) = sent.await {
                    // The receiver sees the gap.
                    tracing::warn!(%error, "nothing can be sent to another node");
                }
            }
        }
    }

    fn message(&self, place: Place, number: u64, piece: &[u8]) -> Bytes {
        let mut message = BytesMut::with_capacity(HEAD + piece.len());
        message.put_u8(place.byte());
        message.put_u64(self.me);
        message.put_u64(number);
        message.put_slice(piece);
        message.freeze()
    }
}

/// What a process hears.
pub(super) fn subject(name: &str, process: u64) -> String {
    format!("{name}.node.{process:016x}")
}

impl Waiting {
    /// *Invariant I5*: what a guild tells several hubs of a node is sent once. Gives the parcel back
    /// where it is not the same as one that waits.
    fn join(&mut self, parcel: Parcel) -> Option<Parcel> {
        let Parcel::News {
            hubs,
            news: GuildNews::Items { guild, items },
        } = &parcel
        else {
            return Some(parcel);
        };
        for (waiting, _) in self.parcels.iter_mut().rev().take(LOOK_BACK) {
            if let Parcel::News {
                hubs: listed,
                news:
                    GuildNews::Items {
                        guild: of,
                        items: same,
                    },
            } = waiting
                && of == guild
            {
                if Arc::ptr_eq(same, items) {
                    listed.extend(hubs);
                    return None;
                }
                break;
            }
        }
        Some(parcel)
    }
}

/// A hub of another node, as guilds see it.
pub(super) struct RemoteHub {
    pub(super) link: Arc<Link>,
    /// Its number there.
    pub(super) hub: u32,
}

impl RemoteHub {
    fn parcel(&self, news: GuildNews) -> (Parcel, usize) {
        let bytes = news.bytes();
        let hubs = vec![self.hub];
        (Parcel::News { hubs, news }, bytes)
    }
}

impl HubLink for RemoteHub {
    fn post(&self, news: GuildNews) -> Result<(), GuildNews> {
        let (parcel, bytes) = self.parcel(news);
        self.link
            .post(parcel, bytes, false)
            .map_err(|parcel| match parcel {
                Parcel::News { news, .. } => news,
                _ => unreachable!("what was posted comes back"),
            })
    }

    fn post_control(&self, news: GuildNews) {
        let (parcel, bytes) = self.parcel(news);
        // Never refused.
        let _ = self.link.post(parcel, bytes, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fanout::Item;
    use crate::protocol::GuildId;

    fn items(guild: u64, items: &Arc<[Item]>, hub: u32) -> Parcel {
        Parcel::News {
            hubs: vec![hub],
            news: GuildNews::Items {
                guild: GuildId::new(guild),
                items: Arc::clone(items),
            },
        }
    }

    #[test]
    fn i5_what_a_guild_tells_several_hubs_of_a_node_is_sent_once() {
        let mut waiting = Waiting::default();
        let (first, second): (Arc<[Item]>, Arc<[Item]>) =
            (Arc::new([]), [Item::Deleted { position: 1 }].into());
        for (guild, batch, hub) in [
            (1, &first, 0),
            (2, &first, 0),
            (1, &first, 1),
            (1, &second, 0),
            (1, &second, 1),
        ] {
            if let Some(parcel) = waiting.join(items(guild, batch, hub)) {
                waiting.parcels.push_back((parcel, 1));
            }
        }
        let hubs: Vec<Vec<u32>> = waiting
            .parcels
            .iter()
            .map(|(parcel, _)| match parcel {
                Parcel::News { hubs, .. } => hubs.clone(),
                _ => vec![],
            })
            .collect();
        assert_eq!(hubs, [vec![0, 1], vec![0], vec![0, 1]]);
    }
}
