//! One gateway socket.

use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use super::core::ConnectionCore;
use super::frames::FrameReader;
use super::stream::Stream;
use crate::auth::grant::Grant;
use crate::fanout::batch::Batch;
use crate::fanout::lane::{Flushed, Lane};
use crate::fanout::outbox::Outbox;

/// A connection on its worker.
#[derive(Debug)]
pub struct Connection {
    /// Tells it from a later connection under the same key.
    pub generation: u32,
    /// Its number among the connections of the node; later ones have higher ones.
    pub number: u64,
    /// The socket; its task holds it too.
    pub socket: Rc<Stream>,
    /// The protocol's state.
    pub core: ConnectionCore,
    /// Reads what the client sends.
    pub reader: FrameReader,
    /// The way out.
    pub lane: Lane,
    /// The session's key, once there is one.
    pub session: Option<usize>,
    /// What its token is good for, once it has shown one.
    pub grant: Option<Box<Grant>>,
    /// Wakes the socket's task: to write on when the socket takes more, or to end.
    pub waker: Option<Waker>,
    /// When its session's events were written last, on the worker's clock.
    pub written_at: Duration,
    /// Whether it waits for the next round of writes.
    pub held: bool,
    /// Since when the socket takes nothing, in milliseconds of the worker's clock.
    pub blocked_since_ms: Option<u64>,
    /// The socket failed or is to be dropped: its task ends.
    pub dead: bool,
}

impl Connection {
    /// Writes what is pending, the session's events last.
    pub fn flush(
        &mut self,
        events: Option<&mut Outbox>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Flushed {
        let Ok(flushed) = self.write(events, batch) else {
            self.kill();
            return Flushed::default();
        };
        if !flushed.blocked {
            self.blocked_since_ms = None;
        } else if flushed.writes > 0 || self.blocked_since_ms.is_none() {
            self.blocked_since_ms = Some(now_ms);
            self.wake();
        }
        flushed
    }

    fn write(
        &mut self,
        events: Option<&mut Outbox>,
        batch: &mut Batch,
    ) -> std::io::Result<Flushed> {
        let socket = &self.socket;
        let drained = socket.try_flush()?;
        if !drained.is_empty {
            return Ok(Flushed {
                writes: usize::from(drained.bytes > 0),
                blocked: true,
                ..Flushed::default()
            });
        }
        let mut flushed = self
            .lane
            .flush(events, batch, |bytes| socket.try_write(bytes))?;
        // Taken by TLS, not by the socket.
        flushed.blocked |= socket.has_unsent();
        Ok(flushed)
    }

    /// Ends the connection without another word.
    pub fn kill(&mut self) {
        self.dead = true;
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}
