//! A worker process: `loadgen worker`, started by the coordinator.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::wire::{self, Left, Order, Shown, Word};
use crate::check::history::Recorder;
use crate::client::fleet::{Charge, Crew, Fleet, Gauges};
use crate::limits;
use crate::plan::Plan;
use crate::scenario::Scenario;

/// How often the worker says how far it is.
const EVERY: Duration = Duration::from_millis(50);

/// Does what standard input says until it ends.
pub fn run() -> Result<()> {
    let mut orders = BufReader::new(std::io::stdin());
    let Some(Order::Take(charge)) = wire::read(&mut orders)? else {
        bail!("a worker is started by a coordinator (`loadgen run --workers N`)");
    };
    let recorder = recorder(&charge)?;
    let crew = start(*charge, recorder.clone())?;
    let is_over = Arc::new(AtomicBool::new(false));
    let shower = {
        let (gauges, is_over) = (crew.gauges(), Arc::clone(&is_over));
        thread::Builder::new()
            .name("shows".to_owned())
            .spawn(move || show(&gauges, &is_over))?
    };
    let is_finished = obey(&mut orders, &crew)?;
    is_over.store(true, Ordering::Relaxed);
    let shown = shower.join();
    if !is_finished {
        // The coordinator is gone.
        return Ok(());
    }
    if let Err(panic) = shown {
        std::panic::resume_unwind(panic);
    }
    let finished = crew.stop()?;
    if let Some(recorder) = recorder {
        recorder.flush()?;
    }
    for finished in finished {
        say(&Word::Finished(Box::new(Left::from(finished))))?;
    }
    Ok(())
}

fn start(charge: Charge, recorder: Option<Recorder>) -> Result<Crew> {
    let scenario: Scenario = toml::from_str(&charge.scenario).context("the scenario")?;
    let plan = Arc::new(Plan::new(&scenario, charge.seed));
    let own = charge.own_threads();
    let sessions = own.clone().map(|thread| {
        let sessions = plan.sessions_of(thread, charge.threads);
        sessions.count() as u64
    });
    limits::reserve_open_files(sessions.sum())?;
    let fleet = Arc::new(Fleet::new(charge, &scenario, plan, recorder));
    Ok(Crew::start(&fleet, own)?)
}

fn recorder(charge: &Charge) -> Result<Option<Recorder>> {
    let Some(path) = &charge.record else {
        return Ok(None);
    };
    let file = File::create(path).with_context(|| path.display().to_string())?;
    Ok(Some(Recorder::part(BufWriter::new(file))))
}

/// Follows orders; says whether the last one was to stop.
fn obey(orders: &mut impl BufRead, crew: &Crew) -> Result<bool> {
    loop {
        match wire::read(orders)? {
            Some(Order::Times(times)) => {
                crew.fleet.window.set(times);
                say(&Word::Informed)?;
            }
            Some(Order::Storm(storm)) => {
                crew.storms.send_replace(storm);
            }
            Some(Order::Stop) => return Ok(true),
            Some(Order::Take(_)) => bail!("sessions were handed out twice"),
            None => return Ok(false),
        }
    }
}

fn show(gauges: &[Arc<Gauges>], is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(EVERY);
        let shown = gauges.iter().map(|gauges| Shown::take(gauges));
        // The coordinator is gone, which standard input shows as well.
        let _ = say(&Word::Shown(shown.collect()));
    }
}

fn say(word: &Word) -> std::io::Result<()> {
    wire::write(&mut std::io::stdout().lock(), word)
}
