//! `loadgen`: puts load on a gateway and judges what it delivered.
//!
//! Exit status: 0 when every check held, 1 when a check was violated, 2 when the run could not be carried out.

use std::process::ExitCode;

use clap::Parser as _;
use guildhall_loadgen::{cli, report, run};

fn main() -> ExitCode {
    let cli::Command::Run(args) = cli::Cli::parse().command;
    match run::run(&args) {
        Ok(report) => report::print(&report, args.json),
        Err(error) => {
            eprintln!("loadgen: {error:#}");
            ExitCode::from(2)
        }
    }
}
