//! A session that reads slowly.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// How often it reads.
const TICK: Duration = Duration::from_millis(100);

/// Lets a tenth of a second's bytes through each tenth of a second.
#[derive(Debug)]
pub(super) struct Throttle {
    part: usize,
    next: Pin<Box<Sleep>>,
}

impl Throttle {
    pub(super) fn new(bytes_per_second: u32) -> Self {
        Self {
            part: (bytes_per_second as usize / 10).max(1),
            next: Box::pin(sleep(TICK)),
        }
    }

    /// How much may be read now, once it may.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        ready!(self.next.as_mut().poll(context));
        // The timer's own, as it is what it counts in.
        self.next.as_mut().reset(Instant::now() + TICK);
        Poll::Ready(self.part)
    }
}
