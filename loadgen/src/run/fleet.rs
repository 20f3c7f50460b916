//! The session threads of a run, taken together.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::client::fleet::{Finished, Fleet, Gauges, Handle, Orders};
use crate::client::storm::Storm;
use crate::clock::{self, SECOND};
use crate::plan::Plan;

/// How often the sessions that are ready are counted.
const TICK: Duration = Duration::from_millis(10);

/// All workers of a run. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Workers {
    handles: Vec<Handle>,
    stop: watch::Sender<bool>,
    storms: watch::Sender<Storm>,
}

impl Workers {
    /// Starts them; they connect at once.
    pub(super) fn start(fleet: &Arc<Fleet>) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (storms, weather) = watch::channel(Storm::default());
        let orders = Orders {
            stop: stopped,
            storms: weather,
        };
        let start = |number| Handle::start(Arc::clone(fleet), number, orders.clone());
        let handles = (0..fleet.workers).map(start);
        Ok(Self {
            handles: handles.collect::<std::io::Result<_>>()?,
            stop,
            storms,
        })
    }

    /// Begins storms.
    pub(super) fn storms(&self) -> watch::Sender<Storm> {
        self.storms.clone()
    }

    pub(super) fn gauges(&self) -> impl Iterator<Item = &Gauges> {
        self.handles.iter().map(|handle| &*handle.gauges)
    }

    fn sum(&self, value: impl Fn(&Gauges) -> u64) -> u64 {
        self.gauges().map(value).sum()
    }

    /// Publishes that came to a session.
    pub(super) fn delivered(&self) -> u64 {
        self.sum(|gauges| gauges.delivered.load(Ordering::Relaxed))
    }

    /// Reads that brought something.
    pub(super) fn reads(&self) -> u64 {
        self.sum(|gauges| gauges.reads.load(Ordering::Relaxed))
    }

    /// Violations so far.
    pub(super) fn violations(&self) -> u64 {
        self.sum(|gauges| gauges.violations.load(Ordering::Relaxed))
    }

    /// Sessions that were ready and have no working connection now.
    pub(super) fn detached(&self) -> u64 {
        self.sum(|gauges| u64::from(gauges.detached.load(Ordering::Relaxed)))
    }

    /// Waits until each session has all its guilds.
    pub(super) async fn wait_until_ready(
        &self,
        plan: &Plan,
        seconds: f64,
        interrupted: &watch::Receiver<bool>,
    ) -> Result<()> {
        let deadline = clock::now() + (seconds * SECOND as f64) as u64;
        loop {
            let ready = self.sum(|gauges| u64::from(gauges.ready.load(Ordering::Relaxed)));
            let lost = self.sum(|gauges| u64::from(gauges.lost.load(Ordering::Relaxed)));
            if ready == plan.sessions.len() as u64 {
                return Ok(());
            }
            if *interrupted.borrow() {
                bail!("interrupted");
            }
            if lost > 0 || clock::now() > deadline {
                let why = self.errors();
                bail!(
                    "{ready} of {} sessions connected in {seconds} s, {lost} were given up: {why}",
                    plan.sessions.len()
                );
            }
            sleep(TICK).await;
        }
    }

    /// What the workers can say about sessions that did not connect.
    fn errors(&self) -> String {
        let errors = self.gauges().filter_map(|gauges| {
            let error = gauges.last_error.lock();
            error.ok().and_then(|error| error.clone())
        });
        let errors: Vec<String> = errors.collect();
        if errors.is_empty() {
            "no connection failed, the others got no READY or not all their guilds".to_owned()
        } else {
            errors.join("; ")
        }
    }

    /// Closes all sessions and gives what they observed.
    pub(super) fn stop(self) -> Result<Vec<Finished>> {
        self.stop.send_replace(true);
        let joined = self.handles.into_iter().map(Handle::join);
        joined
            .collect::<std::io::Result<_>>()
            .context("a session thread failed")
    }
}
