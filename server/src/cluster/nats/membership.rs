//! Who is on the list of nodes: joining it, staying on it, taking dead nodes off.
//!
//! The list is one message, changed by compare-and-set. A node tells the others that it lives with a beat
//! on a subject of its own, and finds out that it still is heard by reading the list from its leader over the same
//! connection right after: when that is answered, the beat was taken as well. Only then is its lease
//! renewed. Others take it off when they have not heard it for longer than the lease lasts, and only while
//! they themselves are connected.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Subscriber;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot, watch};

use super::chunks::fresh;
use super::{Nats, NatsError, Written, last};
use crate::clock;
use crate::cluster::lease::Lease;
use crate::cluster::view::{Node, View};
use crate::placement::NodeName;
use crate::supervision::pauses::Pauses;

/// How often a change is tried where others make one at the same time.
const ATTEMPTS: usize = 64;
/// The first and the longest pause before a list is read again that others have written but that is not there yet.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LONGEST_LOOK: Duration = Duration::from_millis(80);
/// For how long such a list is looked for. The next beat brings it in any case.
const LOOKED_FOR: Duration = Duration::from_millis(300);

/// What a node says of itself, and how patient it is.
#[derive(Debug, Clone)]
pub struct MembershipSettings {
    /// Its name.
    pub name: NodeName,
    /// Its number in ids.
    pub number: u16,
    /// Its share relative to the others.
    pub weight: f64,
    /// What may fail together with it; empty where that is not known.
    pub zone: String,
    /// Where clients reach its gateway.
    pub gateway: String,
    /// What the shared secret looks like, without telling it.
    pub secret: String,
    /// Points on the ring of a node of weight 1.
    pub virtual_nodes: u32,
    /// How often it beats.
    pub heartbeat: Duration,
    /// For how long another one is not heard before it is taken off.
    pub dead_after: Duration,
}

impl MembershipSettings {
    /// How long a lease lasts: it ends a heartbeat before the others may take the node for dead.
    pub fn lease(&self) -> Duration {
        self.dead_after.saturating_sub(self.heartbeat)
    }
}

/// Changes of the list that wait.
const MAX_ORDERS: usize = 256;

/// What the list is to be instead; `None` where nothing is to be done.
type Change = Box<dyn Fn(&View) -> Option<View> + Send + Sync>;

/// A change that somebody wants, and who is told that it was made.
struct Order {
    change: Change,
    done: oneshot::Sender<Result<(), NatsError>>,
}

/// Changes the list of nodes. Cheap to clone.
#[derive(Clone)]
pub struct List {
    orders: mpsc::Sender<Order>,
}

/// What is to be changed, for who does it.
pub struct Orders(mpsc::Receiver<Order>);

impl List {
    /// A way to the list, and its end for [`Membership::join`].
    pub fn new() -> (Self, Orders) {
        let (orders, wanted) = mpsc::channel(MAX_ORDERS);
        (Self { orders }, Orders(wanted))
    }

    /// Changes the list; where `change` answers `None`, nothing is to be done. The answer comes when this node follows the
    /// list in which it is so.
    ///
    /// Errors: NATS does not answer. It may be changed nevertheless.
    pub async fn change(
        &self,
        change: impl Fn(&View) -> Option<View> + Send + Sync + 'static,
    ) -> Result<(), NatsError> {
        let (done, is_done) = oneshot::channel();
        let order = Order {
            change: Box::new(change),
            done,
        };
        let gone = || NatsError("this node has left".to_owned());
        self.orders.send(order).await.map_err(|_| gone())?;
        is_done.await.map_err(|_| gone())?
    }
}

/// What to do about the list's changes; called on the cluster's runtime.
pub trait OnView: Send + Sync + 'static {
    /// This is the list now. `on_it` says whether this process is on it.
    fn changed(&self, view: &View, on_it: bool);
    /// A beat has passed.
    fn beat(&self);
}

/// A node's place on the list.
pub struct Membership {
    stop: Option<oneshot::Sender<()>>,
    left: watch::Receiver<bool>,
}

impl Membership {
    /// Puts the node on the list, tells `on_view`, and stays on it.
    ///
    /// Errors: NATS does not answer, or the node does not fit to the others.
    pub async fn join(
        nats: Nats,
        settings: MembershipSettings,
        incarnation: u64,
        lease: Arc<Lease>,
        (on_view, orders): (Arc<dyn OnView>, Orders),
    ) -> Result<Self, NatsError> {
        let name = nats.name();
        let failed = |error| NatsError::new("nodes cannot be heard", &error);
        let client = &nats.inner.client;
        let beats = client.subscribe(format!("{name}.beat.*")).await;
        let changes = client.subscribe(format!("{name}.head.nodes")).await;
        let (beats, changes) = (beats.map_err(failed)?, changes.map_err(failed)?);
        let mut keeper = Keeper {
            nats,
            settings,
            incarnation,
            lease,
            on_view,
            known: None,
            heard: HashMap::new(),
            connected: clock::now(),
            renewed: clock::now(),
        };
        keeper.join().await?;
        let (stop, stopped) = oneshot::channel();
        let (leaves, left) = watch::channel(false);
        #[allow(clippy::disallowed_methods)] // one, ended by `stop`
        tokio::spawn(async move {
            keeper.run(beats, changes, orders, stopped).await;
            // Who waits may be gone.
            let _ = leaves.send(true);
        });
        Ok(Self {
            stop: Some(stop),
            left,
        })
    }

    /// Takes the node off the list.
    pub async fn leave(mut self) {
        drop(self.stop.take());
        // An end of the task is an end as well.
        let _ = self.left.wait_for(|left| *left).await;
    }
}

struct Keeper {
    nats: Nats,
    settings: MembershipSettings,
    incarnation: u64,
    lease: Arc<Lease>,
    on_view: Arc<dyn OnView>,
    /// The newest list that is known, by its number.
    known: Option<View>,
    /// When each process was last heard, or first seen on the list.
    heard: HashMap<u64, Instant>,
    /// Since when this node has been connected without a pause.
    connected: Instant,
    /// When the last renewal began.
    renewed: Instant,
}

/// A list that was written, but not kept yet by most of the servers that keep it.
#[derive(Debug, Clone)]
struct Late {
    generation: u64,
    /// When it is looked for again.
    at: Instant,
    pauses: Pauses,
    /// When it is given up.
    end: Instant,
}

impl Late {
    fn of(written: &[u8]) -> Option<Self> {
        let view: View = serde_json::from_slice(written).ok()?;
        let now = clock::now();
        Some(Self {
            generation: view.generation,
            at: now,
            pauses: Pauses::new(FIRST_LOOK, LONGEST_LOOK),
            end: now + LOOKED_FOR,
        })
    }

    /// The next look, where the list is at `generation` now.
    fn next(mut self, generation: u64) -> Option<Self> {
        if generation >= self.generation {
            return None;
        }
        self.at = clock::now() + self.pauses.pause();
        (self.at < self.end).then_some(self)
    }
}

/// Waits until it is looked again for a list that is late; for ever where there is none.
async fn again(late: Option<&Late>) {
    match late {
        Some(late) => tokio::time::sleep_until(late.at.into()).await,
        None => std::future::pending().await,
    }
}

impl Keeper {
    fn subject(&self) -> String {
        format!("{}.head.nodes", self.nats.name())
    }

    async fn read(&self) -> Result<(View, u64), NatsError> {
        let Some(stored) = last(&self.nats.inner.heads, &self.subject()).await? else {
            return Ok((View::default(), 0));
        };
        let view = serde_json::from_slice(&stored.payload)
            .map_err(|error| NatsError::new("the list of nodes is damaged", &error))?;
        Ok((view, stored.sequence))
    }

    /// Changes the list; where `change` answers `None`, nothing is to be done.
    async fn change(
        &self,
        change: impl Fn(&View) -> Result<Option<View>, NatsError>,
    ) -> Result<View, NatsError> {
        for _ in 0..ATTEMPTS {
            let (view, sequence) = self.read().await?;
            let Some(next) = change(&view)? else {
                return Ok(view);
            };
            let text = serde_json::to_vec(&next).expect("the list is plain data");
            let written = self
                .nats
                .publish(self.subject(), Bytes::from(text), Some(sequence));
            match written.await {
                Written::At(_) => return Ok(next),
                // Where it may be there the list shows it. Should it still be on its way, what is written next
                // has it refused.
                Written::Refused | Written::Unknown(_) => {}
                Written::Not(why) => return Err(NatsError(why)),
            }
        }
        Err(NatsError(
            "others change the list of nodes all the time".to_owned(),
        ))
    }

    async fn join(&mut self) -> Result<(), NatsError> {
        let began = clock::now();
        let settings = &self.settings;
        let node = Node {
            incarnation: self.incarnation,
            number: settings.number,
            weight: settings.weight,
            leaving: false,
            zone: settings.zone.clone(),
            gateway: settings.gateway.clone(),
        };
        let form = View {
            secret: settings.secret.clone(),
            virtual_nodes: settings.virtual_nodes,
            ..View::default()
        };
        self.beat().await?;
        let joined = self
            .change(|view| {
                let next = view.with(&settings.name, &node, &form);
                next.map(Some).map_err(|error| NatsError(error.to_string()))
            })
            .await?;
        self.renew(began);
        self.take(joined);
        Ok(())
    }

    fn renew(&mut self, began: Instant) {
        if began.saturating_duration_since(self.renewed) > self.settings.heartbeat * 3 {
            // The beats of others may not have been heard either.
            self.connected = began;
        }
        self.renewed = began;
        self.lease.renew(began);
        self.nats.figures().lease_renewals.inc();
        self.nats.figures().lease_held.set(1);
    }

    /// After a heartbeat: whether it is held, and whether this one renewed it.
    fn note_lease(&self) {
        let figures = self.nats.figures();
        figures.lease_held.set(i64::from(self.lease.is_held()));
        if self.renewed.elapsed() >= self.settings.heartbeat {
            figures.lease_failures.inc();
        }
    }

    async fn beat(&self) -> Result<(), NatsError> {
        let mut payload = BytesMut::with_capacity(8);
        payload.put_u64(self.incarnation);
        let subject = format!("{}.beat.{:016x}", self.nats.name(), self.incarnation);
        let sent = self.nats.inner.client.publish(subject, payload.freeze());
        sent.await
            .map_err(|error| NatsError::new("no beat can be sent", &error))
    }

    /// Makes a newer list known.
    fn take(&mut self, view: View) {
        let is_newer = |known: &View| known.generation < view.generation;
        if !self.known.as_ref().is_none_or(is_newer) {
            return;
        }
        let now = clock::now();
        self.heard
            .retain(|process, _| view.nodes.values().any(|node| node.incarnation == *process));
        for node in view.nodes.values() {
            self.heard.entry(node.incarnation).or_insert(now);
        }
        let mine = view.nodes.get(&self.settings.name);
        let on_it = mine.is_some_and(|node| node.incarnation == self.incarnation);
        if !on_it {
            self.lease.lose();
        }
        let nodes: Vec<&NodeName> = view.nodes.keys().collect();
        tracing::info!(generation = view.generation, ?nodes, "nodes");
        let generation = i64::try_from(view.generation);
        let figures = self.nats.figures();
        figures.list_generation.set(generation.unwrap_or(i64::MAX));
        self.on_view.changed(&view, on_it);
        self.known = Some(view);
    }

    async fn run(
        mut self,
        mut beats: Subscriber,
        mut changes: Subscriber,
        mut orders: Orders,
        mut stopped: oneshot::Receiver<()>,
    ) {
        let mut tick = tokio::time::interval(self.settings.heartbeat);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut late = None;
        loop {
            let done = tokio::select! {
                biased;
                _ = &mut stopped => break,
                Some(beat) = beats.next() => {
                    let mut payload = beat.payload;
                    if let Ok(process) = payload.try_get_u64() {
                        self.heard.insert(process, clock::now());
                    }
                    continue;
                }
                // What is written is only tried, and may not be kept yet: the list itself is read.
                Some(change) = changes.next() => {
                    late = Late::of(&change.payload);
                    self.look_for(&mut late).await
                }
                () = again(late.as_ref()) => self.look_for(&mut late).await,
                Some(order) = orders.0.recv() => self.carry_out(order).await,
                _ = tick.tick() => {
                    let ticked = self.tick().await;
                    self.note_lease();
                    ticked
                }
            };
            if let Err(error) = done {
                tracing::warn!(%error, "the list of nodes cannot be read");
            }
        }
        if let Err(error) = self.leave().await {
            tracing::warn!(%error, "the node stays on the list until others take it off");
        }
    }

    async fn carry_out(&mut self, order: Order) -> Result<(), NatsError> {
        let changed = self.change(|view| Ok((order.change)(view))).await;
        let done = changed.map(|view| self.take(view));
        // Who wanted it may be gone.
        let _ = order.done.send(done.clone());
        done
    }

    /// Reads the list, and says when to do so again where it is not as new as somebody has made it.
    async fn look_for(&mut self, late: &mut Option<Late>) -> Result<(), NatsError> {
        let (view, _) = self.read().await?;
        let generation = view.generation;
        self.take(view);
        *late = late.take().and_then(|late| late.next(generation));
        Ok(())
    }

    async fn tick(&mut self) -> Result<(), NatsError> {
        if !self.nats.is_connected() {
            return Ok(());
        }
        let began = clock::now();
        self.beat().await?;
        let (view, _) = self.read().await?;
        let mine = view.nodes.get(&self.settings.name);
        match mine.map(|node| node.incarnation) {
            Some(process) if process == self.incarnation => {
                self.take(view);
                self.renew(began);
            }
            Some(_) => {
                // The newest process has the name; which of the two is not wanted only the operator knows.
                tracing::error!(name = %self.settings.name, "another process has this node's name");
                self.take(view);
                return Ok(());
            }
            None => {
                tracing::warn!("this node was taken off the list, and joins it again");
                self.take(view);
                return self.join().await;
            }
        }
        self.on_view.beat();
        self.bury().await
    }

    /// Takes those off that are not heard.
    async fn bury(&mut self) -> Result<(), NatsError> {
        let now = clock::now();
        let Some(view) = &self.known else {
            return Ok(());
        };
        let patience = self.settings.dead_after;
        let silent = |process: u64| {
            let heard = self.heard.get(&process).copied().unwrap_or(now);
            now.saturating_duration_since(heard.max(self.connected)) > patience
        };
        let dead: Vec<(NodeName, u64)> = view
            .nodes
            .iter()
            .filter(|(name, node)| **name != self.settings.name && silent(node.incarnation))
            .map(|(name, node)| (name.clone(), node.incarnation))
            .collect();
        for (name, process) in dead {
            tracing::warn!(node = %name, "not heard for too long: taken off the list");
            let left = self.change(|view| Ok(view.without(&name, process))).await?;
            self.take(left);
        }
        Ok(())
    }

    async fn leave(&mut self) -> Result<(), NatsError> {
        let (name, process) = (self.settings.name.clone(), self.incarnation);
        let left = self.change(|view| Ok(view.without(&name, process))).await?;
        self.take(left);
        Ok(())
    }
}

/// A number for a process that no other has.
pub fn new_incarnation() -> u64 {
    // The upper bit stays free, and 0 means nobody.
    (fresh() as u64 >> 1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_late_is_looked_for_soon_and_not_for_ever() {
        let began = clock::now();
        let written = View {
            generation: 7,
            ..View::default()
        };
        let written = serde_json::to_vec(&written).unwrap();
        let mut late = Late::of(&written).unwrap();
        assert!(late.at <= clock::now());
        let mut looks = 0;
        while let Some(next) = late.clone().next(6) {
            assert!(next.at < began + 2 * LOOKED_FOR);
            looks += 1;
            // Instead of waiting.
            let waited = next.at.saturating_duration_since(clock::now());
            let end = next.end.checked_sub(waited).unwrap_or(began);
            late = Late { end, ..next };
        }
        assert!((3..100).contains(&looks), "{looks}");
        assert!(Late::of(&written).unwrap().next(7).is_none(), "it is there");
        assert!(Late::of(b"no list").is_none());
    }
}
