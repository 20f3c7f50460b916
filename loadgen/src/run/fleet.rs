//! The session threads of a run, taken together, whichever processes they are in.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Run;
use crate::check::history::Recorder;
use crate::client::fleet::{Charge, Crew, Finished, Fleet, Gauges};
use crate::client::storm::Storm;
use crate::clock::{self, SECOND};
use crate::crew::process::Process;
use crate::crew::wire::Order;
use crate::measure::Watched;
use crate::procfs::resident_bytes;
use crate::shared::Times;

/// How often the sessions that are ready are counted.
const TICK: Duration = Duration::from_millis(10);

/// How long, in microseconds, the workers may take to hear when messages begin.
const INFORMING: u64 = 60 * SECOND;

/// All session threads of a run. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Workers {
    crew: Where,
    gauges: Vec<Arc<Gauges>>,
    storms: watch::Sender<Storm>,
    sessions: u64,
}

#[derive(Debug)]
enum Where {
    Here(Crew),
    Elsewhere(Vec<Process>),
}

impl Workers {
    /// Starts them, in this process or in as many as the run asks for; they connect at once. `charge` is for all of them.
    pub(super) fn start(
        run: &Run<'_>,
        charge: Charge,
        recorder: Option<&Recorder>,
    ) -> Result<Self> {
        let sessions = run.plan.sessions.len() as u64;
        let processes = run.args.workers.get();
        if processes == 1 {
            let own = charge.own_threads();
            let plan = Arc::clone(&run.plan);
            let fleet = Fleet::new(charge, run.scenario, plan, recorder.cloned());
            let crew = Crew::start(&Arc::new(fleet), own)?;
            return Ok(Self {
                gauges: crew.gauges(),
                storms: crew.storms.clone(),
                crew: Where::Here(crew),
                sessions,
            });
        }
        let each = charge.threads / processes;
        let started = (0..processes).map(|number| {
            let charge = Charge {
                first: number * each,
                count: each,
                record: charge.record.as_deref().map(|path| part(path, number)),
                ..charge.clone()
            };
            Process::start(number, charge)
        });
        let started: Vec<Process> = started.collect::<Result<_>>()?;
        let (storms, weather) = watch::channel(Storm::default());
        tokio::spawn(pass_on(
            weather,
            started.iter().map(|process| process.line.clone()).collect(),
        ));
        let gauges = started.iter().flat_map(|process| &process.gauges).cloned();
        Ok(Self {
            gauges: gauges.collect(),
            crew: Where::Elsewhere(started),
            storms,
            sessions,
        })
    }

    /// Begins storms.
    pub(super) fn storms(&self) -> watch::Sender<Storm> {
        self.storms.clone()
    }

    pub(super) fn gauges(&self) -> impl Iterator<Item = &Gauges> {
        self.gauges.iter().map(|gauges| &**gauges)
    }

    fn elsewhere(&self) -> &[Process] {
        match &self.crew {
            Where::Here(_) => &[],
            Where::Elsewhere(processes) => processes,
        }
    }

    /// All processes of the generator, this one first.
    pub(super) fn processes(&self) -> Vec<u32> {
        let others = self.elsewhere().iter().map(Process::pid);
        [std::process::id()].into_iter().chain(others).collect()
    }

    /// Resident bytes of all of them.
    pub(super) fn memory(&self) -> u64 {
        let processes = self.processes().into_iter();
        processes
            .map(|pid| resident_bytes(pid).unwrap_or_default())
            .sum()
    }

    /// The threads, with the names of their processes.
    pub(super) fn watched(&self) -> Vec<Watched> {
        let thread = |name: String, pid, gauges: &Gauges| Watched {
            name,
            pid,
            id: gauges.thread.load(Ordering::Relaxed),
        };
        if let Where::Here(_) = &self.crew {
            let own = std::process::id();
            let threads = self.gauges().enumerate();
            return threads
                .map(|(number, gauges)| thread(format!("sessions-{number}"), own, gauges))
                .collect();
        }
        let mut all = Vec::new();
        for process in self.elsewhere() {
            for (number, gauges) in process.gauges.iter().enumerate() {
                let name = format!("{}/sessions-{number}", process.name);
                all.push(thread(name, process.pid(), gauges));
            }
        }
        all
    }

    /// Whether a worker process is gone or confused: the run cannot be judged any more.
    pub(super) fn have_failed(&self) -> bool {
        self.elsewhere().iter().any(Process::has_failed)
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
        seconds: f64,
        interrupted: &watch::Receiver<bool>,
    ) -> Result<()> {
        let deadline = clock::now() + clock::from_seconds(seconds);
        loop {
            let ready = self.sum(|gauges| u64::from(gauges.ready.load(Ordering::Relaxed)));
            let lost = self.sum(|gauges| u64::from(gauges.lost.load(Ordering::Relaxed)));
            if ready == self.sessions {
                return Ok(());
            }
            self.goes_on(interrupted)?;
            if lost > 0 || clock::now() > deadline {
                let why = self.errors();
                bail!(
                    "{ready} of {} sessions connected in {seconds} s, {lost} were given up: {why}",
                    self.sessions
                );
            }
            sleep(TICK).await;
        }
    }

    fn goes_on(&self, interrupted: &watch::Receiver<bool>) -> Result<()> {
        if *interrupted.borrow() {
            bail!("interrupted");
        }
        if let Some(process) = self.elsewhere().iter().find(|other| other.has_failed()) {
            bail!("{} ended before its time", process.name);
        }
        Ok(())
    }

    /// Tells all threads when messages begin; returns once all know.
    pub(super) async fn announce(
        &self,
        times: Times,
        interrupted: &watch::Receiver<bool>,
    ) -> Result<()> {
        match &self.crew {
            Where::Here(crew) => crew.fleet.window.set(times),
            Where::Elsewhere(processes) => {
                for process in processes {
                    let told = process.line.tell(&Order::Times(times));
                    told.with_context(|| process.name.clone())?;
                }
                let deadline = clock::now() + INFORMING;
                while !processes.iter().all(Process::is_informed) {
                    self.goes_on(interrupted)?;
                    if clock::now() > deadline {
                        bail!("a worker does not answer");
                    }
                    sleep(TICK).await;
                }
            }
        }
        Ok(())
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

    /// Closes all sessions and gives what they observed, by thread.
    pub(super) fn stop(self) -> Result<Vec<Finished>> {
        let processes = match self.crew {
            Where::Here(crew) => return crew.stop().context("a session thread failed"),
            Where::Elsewhere(processes) => processes,
        };
        for process in &processes {
            let told = process.line.tell(&Order::Stop);
            told.with_context(|| process.name.clone())?;
        }
        let mut finished = Vec::new();
        for process in processes {
            finished.extend(process.join()?);
        }
        Ok(finished)
    }
}

/// Where worker number `number` keeps its part of the history.
fn part(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".part-{}", number + 1));
    name.into()
}

/// Puts the parts of `workers` processes into the history at `path`.
pub(super) fn collect_parts(recorder: &Recorder, path: &Path, workers: u32) -> Result<()> {
    for number in 0..workers {
        let part = part(path, number);
        let taken = File::open(&part).and_then(|file| recorder.append(file));
        taken.with_context(|| part.display().to_string())?;
        fs::remove_file(&part)?;
    }
    Ok(())
}

/// Tells worker processes of storms.
async fn pass_on(mut weather: watch::Receiver<Storm>, lines: Vec<crate::crew::process::Line>) {
    while weather.changed().await.is_ok() {
        let storm = *weather.borrow_and_update();
        for line in &lines {
            // One that is gone is noticed by who listens to it.
            let _ = line.tell(&Order::Storm(storm));
        }
    }
}
