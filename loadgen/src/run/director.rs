//! Makes storms and faults happen at their times, and notes when they did.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::Run;
use super::progress::Progress;
use crate::client::storm::Storm;
use crate::clock;
use crate::fault::{FaultSpec, Victim};
use crate::report::Mark;

/// How often it is looked whether the director is ready.
const TICK: Duration = Duration::from_millis(20);

enum Event {
    Storm(Storm),
    Fault(FaultSpec),
}

/// A running director.
pub(super) struct Director {
    task: JoinHandle<()>,
    marks: Arc<Mutex<Vec<Noted>>>,
}

/// Where events happen.
#[derive(Clone)]
struct Stage {
    victim: Victim,
    storms: watch::Sender<Storm>,
    marks: Arc<Mutex<Vec<Noted>>>,
}

impl Stage {
    /// Makes an event happen at its time, and notes it.
    async fn perform(self, at: u64, event: Event) {
        sleep(Duration::from_micros(at.saturating_sub(clock::now()))).await;
        let from = clock::now();
        let (label, result) = match event {
            Event::Storm(storm) => {
                self.storms.send_replace(storm);
                let label = format!("storm, back within {} ms", storm.jitter_ms);
                (label, Ok(()))
            }
            Event::Fault(spec) => (spec.label(), self.victim.strike(&spec).await),
        };
        let error = result.err().map(|error| format!("{error:#}"));
        if let Some(error) = &error {
            eprintln!("loadgen: warning: {label}: {error}");
        }
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.push(Noted {
            from,
            to: clock::now(),
            label,
            error,
        });
    }
}

/// A mark in the run's own time.
struct Noted {
    /// Microseconds of the clock.
    from: u64,
    to: u64,
    label: String,
    error: Option<String>,
}

impl Director {
    /// Storms and faults of a run whose steady phase begins at `steady`.
    pub(super) fn start(
        run: &Run<'_>,
        victim: Victim,
        storms: watch::Sender<Storm>,
        steady: u64,
    ) -> Self {
        let mut random = fastrand::Rng::with_seed(run.seed ^ 0x6661_756c_7473);
        let mut events: Vec<(f64, Event)> = Vec::new();
        if let Some(storm) = &run.scenario.storm {
            for (number, at) in (1..).zip(&storm.at) {
                let last = storm.jitter.last().copied().unwrap_or_default();
                let jitter = storm
                    .jitter
                    .get(number as usize - 1)
                    .copied()
                    .unwrap_or(last);
                let storm = Storm {
                    number,
                    jitter_ms: (jitter * 1_000.0) as u64,
                    resumes: storm.resume,
                };
                events.push((*at, Event::Storm(storm)));
            }
        }
        for spec in &run.args.fault {
            let spec = spec.drawn(run.scenario.phases.steady, &mut random);
            let at = spec.at.unwrap_or_default();
            eprintln!("loadgen: {} at {at:.2} s of the steady phase", spec.label());
            events.push((at, Event::Fault(spec)));
        }
        events.sort_by(|a, b| a.0.total_cmp(&b.0));
        let marks = Arc::new(Mutex::new(Vec::new()));
        let stage = Stage {
            victim,
            storms,
            marks: Arc::clone(&marks),
        };
        // Each by itself: one may begin while another lasts.
        let task = tokio::spawn(async move {
            let mut tasks = JoinSet::new();
            for (at, event) in events {
                let at = steady + clock::from_seconds(at);
                tasks.spawn(stage.clone().perform(at, event));
            }
            while tasks.join_next().await.is_some() {}
        });
        Self { task, marks }
    }

    /// Waits for what is under way; gives what happened, in seconds from the first message.
    pub(super) async fn end(self, progress: &mut Progress<'_>) -> Vec<Mark> {
        while !self.task.is_finished() && !progress.is_interrupted() {
            progress.tick().await;
            sleep(TICK).await;
        }
        self.task.abort();
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.sort_by_key(|mark| mark.from);
        let marks = marks.iter().map(|mark| Mark {
            from_s: progress.seconds_at(mark.from),
            to_s: progress.seconds_at(mark.to),
            label: mark.label.clone(),
            error: mark.error.clone(),
        });
        marks.collect()
    }
}
