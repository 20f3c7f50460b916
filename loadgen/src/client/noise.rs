//! Presence updates of random sessions.

use std::io;

use super::frames::Opcode;
use super::outgoing;
use super::worker::{Stage, Worker};
use crate::clock::{self, Alarm, SECOND};

/// Sends `rate` presence updates per second, for ever.
pub(super) async fn run(worker: &Worker, rate: f64) -> io::Result<()> {
    if rate <= 0.0 || worker.slots.is_empty() {
        return std::future::pending().await;
    }
    let alarm = Alarm::new()?;
    let gap = (SECOND as f64 / rate) as u64;
    let mut due = clock::now() + gap;
    loop {
        alarm.until(due).await?;
        due += gap;
        let (index, status) = {
            let mut random = worker.random.borrow_mut();
            let status = ["online", "idle", "dnd"][random.usize(..3)];
            (random.usize(..worker.slots.len()), status)
        };
        if worker.slots[index].stage.get() == Stage::Settled {
            worker.send(index, Opcode::Text, outgoing::presence(status).as_bytes());
        }
    }
}
