//! `tests/cluster`: a cluster under checked load while everything in it fails in turn.

use std::process::ExitCode;

use clap::Parser;
use guildhall_tests::cluster_run::{self, Options};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let options = Options::parse();
    // In a task, so that a panic of the harness comes out as a failed run.
    match tokio::spawn(cluster_run::run(options)).await {
        Ok(faults) if faults.is_empty() => ExitCode::SUCCESS,
        Ok(faults) => {
            for fault in faults {
                eprintln!("FAULT: {fault}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("FAULT: the run ended: {error}");
            ExitCode::FAILURE
        }
    }
}
