//! The step list of the script.

use std::{process, time::Duration};

use tokio::time::timeout;

/// A step may take this long.
const STEP_LIMIT: Duration = Duration::from_secs(20);

/// Numbers the steps and prints `ok …` for each that passed.
#[derive(Default)]
pub(crate) struct Steps {
    number: usize,
    name: &'static str,
}

impl Steps {
    /// Awaits `body` as the next step, for at most 20 s.
    pub(crate) async fn run<T>(
        &mut self,
        name: &'static str,
        body: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        self.number += 1;
        self.name = name;
        let value = timeout(STEP_LIMIT, body)
            .await
            .map_err(|_| anyhow::anyhow!("took more than {} s", STEP_LIMIT.as_secs()))??;
        println!("ok {} - {name}", self.number);
        Ok(value)
    }

    /// Prints the plan, or the failure of the last step, and ends the process.
    pub(crate) fn finish(self, outcome: anyhow::Result<()>) -> ! {
        match outcome {
            Ok(()) => {
                println!("1..{}", self.number);
                process::exit(0)
            }
            Err(error) => {
                println!("not ok {} - {}: {error:#}", self.number, self.name);
                process::exit(1)
            }
        }
    }
}
