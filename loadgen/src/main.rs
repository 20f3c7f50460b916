//! `loadgen`: puts load on a gateway and judges what it delivered.
//!
//! Exit status: 0 when every check held, 1 when a check was violated, 2 when the run could not be carried out.

use std::process::ExitCode;

use clap::Parser as _;
use guildhall_loadgen::cli::{Cli, Command};
use guildhall_loadgen::{check, compare, crew, report, run, scale, simulate};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(&args).and_then(|result| {
            if let Some(path) = &args.html {
                let name = result.scenario.name.clone();
                report::html::write(path, &[(name, result.clone())])?;
            }
            Ok(report::print(&result, args.json))
        }),
        Command::Check(args) => check::command::run(&args),
        Command::Report(args) => report::side::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Compare(args) => compare::run(&args),
        Command::Scale(args) => scale::run(&args).map(|violations| {
            if violations == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(1)
            }
        }),
        Command::Simulate(args) => simulate::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Worker => crew::worker::run().map(|()| ExitCode::SUCCESS),
        Command::Peer(args) => compare::serve(args).map(|()| ExitCode::SUCCESS),
        Command::Pinned(args) => compare::exec_pinned(&args).map(|never| match never {}),
    };
    done.unwrap_or_else(|error| {
        eprintln!("loadgen: {error:#}");
        ExitCode::from(2)
    })
}
