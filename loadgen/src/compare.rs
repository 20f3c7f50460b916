//! Servers side by side: the same connections, messages and rates, taken in turns on the same core.
//!
//! Every run has a fresh server on one core and the generator on another. Every delivery is accounted for: a run in
//! which one is lost or comes twice, or in which the generator was the limit, does not count.
//!
//! [`peer`] knows what can be started, [`driver`] how it is spoken to, [`engine`] puts the load on it, [`round`] ties one
//! run together, [`summary`] takes the rounds together, [`report`] says it.

mod actix_chat;
mod args;
mod driver;
mod engine;
mod floor;
mod footprint;
mod highest;
mod instead;
mod machine;
mod nearness;
mod peer;
mod pinned;
mod report;
mod round;
mod sample;
mod server;
mod shot;
mod summary;
mod tally;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};

pub use args::{CompareArgs, OwnPeer, PeerArgs};
pub use footprint::Footprint;
pub use highest::Highest;
pub use pinned::PinnedArgs;
pub use report::Report;
pub use sample::Sample;
pub use shot::Shots;
pub use summary::{Row, Spread};

use crate::limits;
use machine::Machine;
use nearness::Watch;
use peer::Peer;
use round::Stage;

/// On which cores things run; none leaves it to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cores {
    server: Option<usize>,
    load: Option<usize>,
}

impl Cores {
    /// As asked for, or the first two of those allowed; with but one, nothing is pinned.
    fn choose(args: &CompareArgs, allowed: &[usize]) -> Self {
        match allowed {
            [first, second, ..] => Self {
                server: Some(args.server_cpu.unwrap_or(*first)),
                load: Some(args.load_cpu.unwrap_or(*second)),
            },
            _ => Self {
                server: args.server_cpu,
                load: args.load_cpu,
            },
        }
    }
}

/// Is one of the servers that loadgen brings along, until the process is ended.
pub fn serve(args: PeerArgs) -> Result<()> {
    limits::reserve_open_files(64)?;
    match args.which {
        OwnPeer::Floor => floor::serve(),
        OwnPeer::ActixChat => actix_chat::serve(),
    }
}

/// Becomes a command on a core of its own.
pub fn exec_pinned(args: &PinnedArgs) -> Result<Infallible> {
    pinned::exec(args)
}

/// Carries out the comparison, prints it and writes the JSON. The exit status is 1 if there is no server to compare.
pub fn run(args: &CompareArgs) -> Result<ExitCode> {
    let places = args.places()?;
    let mut report = Report::new(args, Machine::now());
    let mut peers = Vec::new();
    for peer in args.chosen()? {
        match peer.missing(&places) {
            None => peers.push(peer),
            Some(why) => {
                eprintln!("{} is skipped: {why}", peer.name());
                report.skip(peer, why);
            }
        }
    }
    ensure!(!peers.is_empty(), "there is no server to compare");
    // The generator's connections, and as many again where it is the server.
    limits::reserve_open_files(u64::from(args.receivers()) + 256)?;
    let cores = Cores::choose(args, &pinned::allowed()?);
    report.cores(cores);
    if let Some(cpu) = cores.load {
        pinned::pin(cpu).with_context(|| format!("running on core {cpu}"))?;
    }
    // Only runs at a rate tell of it.
    let watch = if args.spread.is_none() && args.memory.is_none() {
        Watch::start(cores).context("watching the cores")?
    } else {
        None
    };
    let stage = Stage {
        args,
        places,
        cores,
        watch,
    };
    let versions = if args.spread.is_some() {
        let (mut shots, versions) = instead::measure(&stage, &peers, &mut report);
        shot::set_against_floor(&mut shots);
        report.shots = shots;
        versions
    } else if args.memory.is_some() {
        let (footprints, versions) = instead::measure(&stage, &peers, &mut report);
        report.footprints = footprints;
        versions
    } else if args.highest {
        highest(&stage, &peers, &mut report)
    } else {
        rounds(&stage, &peers, &mut report)
    };
    for peer in peers {
        report.compared(peer, versions.get(peer.name()).cloned());
    }
    report.finish(Machine::now());
    print!("{}", report.table());
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report)?;
        fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The versions seen, by the servers' names.
type Versions = BTreeMap<&'static str, String>;

/// The servers in the order of round number `round`, so that none always comes after the same.
fn rotated(peers: &[Peer], round: u32) -> Vec<Peer> {
    let mut peers = peers.to_vec();
    let by = round as usize % peers.len();
    peers.rotate_left(by);
    peers
}

fn rounds(stage: &Stage<'_>, peers: &[Peer], report: &mut Report) -> Versions {
    let mut versions = Versions::new();
    for round in 0..stage.args.rounds.get() {
        for rate in &stage.args.rates {
            for peer in rotated(peers, round) {
                match stage.run(peer, *rate, round + 1, stage.args.seconds) {
                    Ok((sample, version)) => {
                        eprintln!("{}", report::progress(&sample));
                        versions.insert(peer.name(), version);
                        report.samples.push(sample);
                    }
                    // A server that falls over is a finding, not the end of the comparison.
                    Err(error) => report.failed(peer, *rate, &error),
                }
            }
        }
    }
    report.rows = summary::rows(&report.samples, &stage.args.base);
    versions
}

fn highest(stage: &Stage<'_>, peers: &[Peer], report: &mut Report) -> Versions {
    let first = stage.args.rates.first().copied().unwrap_or(50.0);
    let mut versions = Versions::new();
    for _ in 0..stage.args.rounds.get() {
        for peer in peers {
            let found = highest::search(stage, *peer, first, |sample| {
                eprintln!("{}", report::progress(sample));
            });
            match found {
                Ok(found) => {
                    versions.extend(found.version.clone().map(|seen| (peer.name(), seen)));
                    report.highest.push(found);
                }
                Err(error) => report.failed(*peer, first, &error),
            }
        }
    }
    versions
}
