//! Waits for the phases of a run, takes its samples and says every few seconds how it goes.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Run;
use super::fleet::Workers;
use super::timeline::Recording;
use crate::clock::{self, SECOND};
use crate::measure::{Snapshot, Watched};
use crate::publish;
use crate::report::{Mark, Sample, Timeline, ratio};

/// How often the run's state is looked at.
const TICK: Duration = Duration::from_millis(20);

/// Time in microseconds between two lines of progress, where they do not replace each other.
const PROGRESS: u64 = 5 * SECOND;

pub(super) struct Progress<'a> {
    run: &'a Run<'a>,
    workers: &'a Workers,
    posts: Arc<publish::Gauges>,
    interrupted: &'a watch::Receiver<bool>,
    /// When the first message was due.
    start: u64,
    recording: Recording,
    /// When the next sample is due.
    next: u64,
    /// When the last line was printed.
    printed: u64,
    is_terminal: bool,
    under_way: UnderWay,
}

/// Messages due and not acknowledged, looked at each tick while it counts.
#[derive(Default)]
struct UnderWay {
    counts: bool,
    sum: u64,
    looks: u64,
}

impl<'a> Progress<'a> {
    pub(super) fn new(
        run: &'a Run<'a>,
        workers: &'a Workers,
        posts: Arc<publish::Gauges>,
        interrupted: &'a watch::Receiver<bool>,
        start: u64,
    ) -> Self {
        Self {
            run,
            workers,
            posts,
            interrupted,
            start,
            recording: Recording::new(&run.plan, start),
            next: start + SECOND,
            printed: clock::now(),
            is_terminal: std::io::stderr().is_terminal(),
            under_way: UnderWay::default(),
        }
    }

    /// Messages under way on average, while they were counted.
    pub(super) fn under_way(&self) -> f64 {
        ratio(self.under_way.sum as f64, self.under_way.looks as f64)
    }

    /// Whether the run is to end early: a signal came, or a worker process is gone.
    pub(super) fn is_interrupted(&self) -> bool {
        *self.interrupted.borrow() || self.workers.have_failed()
    }

    /// Seconds from the first message to this time.
    pub(super) fn seconds_at(&self, time: u64) -> f64 {
        (time as f64 - self.start as f64) / SECOND as f64
    }

    /// Waits until `time`, or until the run was interrupted.
    pub(super) async fn until(&mut self, time: u64) {
        while clock::now() < time && !self.is_interrupted() {
            self.tick().await;
        }
    }

    /// Waits until each message has its outcome.
    pub(super) async fn until_posted(&mut self, publisher: &publish::Handle) {
        while !publisher.is_finished() {
            self.tick().await;
        }
    }

    /// Waits for the end of the measured part and counts in it; gives what is read at its two ends.
    pub(super) async fn measure(
        &mut self,
        end: u64,
        watched: &[Watched],
    ) -> Result<(Snapshot, Snapshot)> {
        let from = self.snapshot(watched)?;
        self.under_way.counts = true;
        self.until(end).await;
        self.under_way.counts = false;
        Ok((from, self.snapshot(watched)?))
    }

    fn snapshot(&self, watched: &[Watched]) -> Result<Snapshot> {
        let (delivered, reads) = (self.workers.delivered(), self.workers.reads());
        let own = self.workers.processes();
        Snapshot::take(watched, &own, self.run.target.pid(), delivered, reads)
            .context("reading cpu times")
    }

    /// Waits a little, and takes a sample if one is due.
    pub(super) async fn tick(&mut self) {
        sleep(TICK).await;
        if self.is_interrupted() {
            self.posts.stop.store(true, Ordering::Relaxed);
        }
        if self.under_way.counts {
            let due = self.posts.due.load(Ordering::Relaxed);
            let acked = self.posts.acked.load(Ordering::Relaxed);
            self.under_way.sum += due.saturating_sub(acked);
            self.under_way.looks += 1;
        }
        let now = clock::now();
        if now < self.next {
            return;
        }
        self.next = now + SECOND;
        let acked = self.posts.acked.load(Ordering::Relaxed);
        let pid = self.run.target.pid();
        let sample = self.recording.sample(now, acked, pid, self.workers);
        let line = line(&sample);
        if self.is_terminal {
            eprint!("\r\x1b[K{line}");
            // Nothing is lost but a line of progress.
            let _ = std::io::stderr().flush();
        } else if now >= self.printed + PROGRESS {
            self.printed = now;
            eprintln!("{line}");
        }
    }

    pub(super) fn into_timeline(self, marks: Vec<Mark>) -> Timeline {
        if self.is_terminal {
            eprintln!();
        }
        let phases = &self.run.scenario.phases;
        let from = phases.ramp_up + phases.warm_up;
        self.recording.finish(marks, (from, from + phases.steady))
    }
}

fn line(sample: &Sample) -> String {
    format!(
        "{:>5.0} s  {:.0} messages/s acknowledged, {:.0} deliveries/s, p99 {:.1} ms, {} violations, {} sessions detached",
        sample.at_s,
        sample.acked_per_s,
        sample.deliveries_per_s,
        sample.p99_ms,
        sample.violations,
        sample.detached,
    )
}
