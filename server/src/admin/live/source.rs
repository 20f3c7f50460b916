//! What all live feeds push: read once a second while there is one, however many there are.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::super::Admin;
use super::super::guilds::{ExecutorAnswer, join, keep_busiest};
use super::super::view::{GuildInfo, NodeInfo};
use crate::clock;
use crate::counters::{Figures, Rates};
use crate::placement::Generation;

/// Time between two readings.
const PERIOD: Duration = Duration::from_secs(1);
/// Most feeds at a time.
const MAX_FEEDS: usize = 32;
/// Guilds in a push.
const BUSIEST: usize = 32;

/// What is pushed.
#[derive(Serialize)]
struct Push<'a> {
    at_ms: u64,
    /// Number of the list of nodes.
    generation: Generation,
    node: NodeInfo,
    /// A line for each thread that is stuck.
    complaints: Vec<String>,
    executors: Vec<ExecutorAnswer<'a>>,
    /// The busiest.
    guilds: Vec<GuildInfo>,
    /// Since the start.
    totals: Figures,
    /// Since the last push, per second.
    per_second: Rates,
}

/// The open feeds and what they are to push. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(in crate::admin) struct Feeds(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    newest: watch::Sender<Arc<str>>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    feeds: usize,
    /// Whether somebody reads the node; it ends when it finds no feed.
    read: bool,
}

/// One open feed; given back when dropped.
pub(in crate::admin) struct Place(Feeds);

impl Feeds {
    /// A place for one more feed; none where there are enough. Call it on a thread of the admin listener.
    pub(in crate::admin) fn take(&self, admin: &actix_web::web::Data<Admin>) -> Option<Place> {
        let mut open = self.open();
        if open.feeds >= MAX_FEEDS {
            return None;
        }
        open.feeds += 1;
        if !open.read {
            open.read = true;
            let reading = Reading {
                feeds: self.clone(),
                ended: false,
            };
            #[allow(clippy::disallowed_methods)] // one at a time; it ends with the last feed
            actix_web::rt::spawn(reading.run(admin.clone()));
        }
        Some(Place(self.clone()))
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(in crate::admin) fn is_read(&self) -> bool {
        self.open().read
    }
}

impl Place {
    /// What is to be pushed: the newest at once where it is fresh, then each as it comes. One that cannot take them all
    /// misses the older ones.
    pub(in crate::admin) fn pushes(&self) -> impl Stream<Item = Arc<str>> + 'static {
        let mut newest = self.0.0.newest.subscribe();
        if !newest.borrow().is_empty() {
            newest.mark_changed();
        }
        unfold(newest, |mut newest| async {
            newest.changed().await.ok()?;
            let text = Arc::clone(&newest.borrow_and_update());
            Some((text, newest))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open().feeds -= 1;
    }
}

/// Reads the node; says so when it ends, also where its thread does.
struct Reading {
    feeds: Feeds,
    ended: bool,
}

impl Reading {
    async fn run(mut self, admin: actix_web::web::Data<Admin>) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = (Figures::read(&admin.counters), clock::uptime());
        loop {
            ticks.tick().await;
            if self.ends() {
                return;
            }
            let text = read(&admin, &mut last);
            self.feeds.0.newest.send_replace(text.into());
        }
    }

    /// Whether there is no feed left; the next one begins anew.
    fn ends(&mut self) -> bool {
        let mut open = self.feeds.open();
        if open.feeds == 0 {
            open.read = false;
            self.ended = true;
            // It would be old then.
            self.feeds.0.newest.send_replace(Arc::default());
        }
        self.ended
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if !self.ended {
            self.feeds.open().read = false;
        }
    }
}

fn read(admin: &Admin, last: &mut (Figures, Duration)) -> String {
    let now = clock::uptime();
    let totals = Figures::read(&admin.counters);
    let seconds = now.saturating_sub(last.1).as_secs_f64();
    let mut guilds = admin.view.guilds();
    let executors = admin.view.executors();
    let executors = join(&executors, &guilds);
    keep_busiest(&mut guilds, BUSIEST);
    let push = Push {
        at_ms: clock::unix_ms(),
        generation: admin.view.placement().snapshot().generation(),
        node: admin.view.node(),
        complaints: admin.view.complaints(),
        executors,
        guilds,
        per_second: totals.rates(&last.0, seconds),
        totals: totals.clone(),
    };
    *last = (totals, now);
    serde_json::to_string(&push).expect("invariant: figures serialize to JSON")
}
