//! One worker process, as the coordinator sees it.

use std::io::BufReader;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, bail};

use super::wire::{self, Order, Word};
use crate::client::fleet::{Charge, Finished, Gauges};

/// A running worker process. Dropping it ends it.
#[derive(Debug)]
pub struct Process {
    /// What it is called in reports: `worker-1` and so on.
    pub name: String,
    /// What its threads show, 50 ms late at most.
    pub gauges: Vec<Arc<Gauges>>,
    /// How it is spoken to.
    pub line: Line,
    child: Child,
    state: Arc<State>,
    reader: Option<JoinHandle<Result<Vec<Finished>>>>,
}

/// The way to a worker; may be used from several places.
#[derive(Debug, Clone)]
pub struct Line(Arc<Mutex<ChildStdin>>);

#[derive(Debug, Default)]
struct State {
    is_informed: AtomicBool,
    has_failed: AtomicBool,
}

impl Line {
    /// Says something to the worker.
    pub fn tell(&self, order: &Order) -> std::io::Result<()> {
        let mut stdin = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wire::write(&mut *stdin, order)
    }
}

impl Process {
    /// Starts worker number `number`, counted from 0, with these sessions; they connect at once.
    pub fn start(number: u32, charge: Charge) -> Result<Self> {
        let name = format!("worker-{}", number + 1);
        let (threads, rooms) = (charge.count, charge.planned.len());
        let mut child = Command::new(std::env::current_exe()?)
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What a terminal's keys do is the coordinator's business.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("{name} has no standard streams");
        };
        let gauges: Vec<Arc<Gauges>> = (0..threads).map(|_| Arc::new(Gauges::new(rooms))).collect();
        let state = Arc::new(State::default());
        let reader = {
            let (gauges, state, name) = (gauges.clone(), Arc::clone(&state), name.clone());
            std::thread::Builder::new()
                .name(format!("from-{name}"))
                .spawn(move || {
                    let listened = listen(stdout, &gauges, &state).with_context(|| name);
                    if listened.is_err() {
                        state.has_failed.store(true, Ordering::Relaxed);
                    }
                    listened
                })?
        };
        let process = Self {
            name,
            gauges,
            line: Line(Arc::new(Mutex::new(stdin))),
            child,
            state,
            reader: Some(reader),
        };
        process
            .line
            .tell(&Order::Take(Box::new(charge)))
            .with_context(|| process.name.clone())?;
        Ok(process)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it knows when messages begin.
    pub fn is_informed(&self) -> bool {
        self.state.is_informed.load(Ordering::Relaxed)
    }

    /// Whether it ended before its time, or said something that makes no sense.
    pub fn has_failed(&self) -> bool {
        self.state.has_failed.load(Ordering::Relaxed)
    }

    /// Waits for what it observed, after [`Order::Stop`].
    pub fn join(mut self) -> Result<Vec<Finished>> {
        let reader = self.reader.take().context("joined twice")?;
        match reader.join() {
            Ok(finished) => finished,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already, mostly: it ends by itself once it was told to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes what the worker says, to its end; gives what is left of its threads.
fn listen(stdout: ChildStdout, gauges: &[Arc<Gauges>], state: &State) -> Result<Vec<Finished>> {
    let mut lines = BufReader::with_capacity(64 << 10, stdout);
    let mut finished = Vec::new();
    while finished.len() < gauges.len() {
        match wire::read(&mut lines)? {
            Some(Word::Shown(shown)) => {
                for (shown, gauges) in shown.into_iter().zip(gauges) {
                    shown.put(gauges);
                }
            }
            Some(Word::Informed) => state.is_informed.store(true, Ordering::Relaxed),
            Some(Word::Finished(left)) => finished.push((*left).into()),
            None => bail!("ended before its time"),
        }
    }
    Ok(finished)
}
