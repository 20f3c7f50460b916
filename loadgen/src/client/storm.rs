//! All connections of a worker break at once.

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::worker::Worker;

/// One storm; a new number begins it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Storm {
    /// 0 before the first.
    pub number: u32,
    /// Sessions come back after a random time up to this, in milliseconds.
    pub jitter_ms: u64,
    /// Whether they resume; otherwise they identify anew.
    pub resumes: bool,
}

/// Breaks connections when it is told to, for ever.
pub(super) async fn run(worker: &Worker, mut storms: watch::Receiver<Storm>) {
    while storms.changed().await.is_ok() {
        let storm = *storms.borrow_and_update();
        for index in 0..worker.slots.len() {
            let wait = worker.random_within(0, storm.jitter_ms);
            worker.drop_connection(index, wait, storm.resumes);
        }
    }
    // Nobody is left who could give orders.
    std::future::pending::<()>().await;
}
