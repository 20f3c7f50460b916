//! `tests/crash`: kills the server again and again under load, and checks what it promised.

use std::process::ExitCode;

use clap::Parser;
use guildhall_tests::crash::{self, Options};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let options = Options::parse();
    // In a task, so that a panic of the harness comes out as a failed run with what was seen.
    match tokio::spawn(crash::run(options)).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("FAULT: the run ended: {error}");
            ExitCode::FAILURE
        }
    }
}
