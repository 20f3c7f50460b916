//! Bounded mail to actors.
//!
//! An actor's own mailbox counts per clone of its address and `do_send` ignores its capacity, so
//! it is no bound. Here every message carries a permit that is taken from a gauge when the message
//! is posted and given back when the actor has dealt with it, or when the message is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};

use crate::clock;

/// How much mail may wait for one actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailBounds {
    /// Most messages.
    pub count: u32,
    /// Most bytes, by the posters' own account of what a message holds on to.
    pub bytes: u32,
}

/// What waits for one actor; shared by everyone who posts to it.
#[derive(Debug)]
pub struct MailGauge {
    bounds: MailBounds,
    count: AtomicUsize,
    bytes: AtomicUsize,
    refused: AtomicU64,
}

impl MailGauge {
    /// An empty gauge.
    pub const fn new(bounds: MailBounds) -> Self {
        Self {
            bounds,
            count: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Messages that wait now.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Bytes that wait now.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Messages refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Takes room for one message; `None` (and counted) where a bound would be passed.
    ///
    /// A message larger than the byte bound is taken while nothing else waits.
    pub fn take(self: &Arc<Self>, bytes: usize) -> Option<Permit> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let permit = Permit {
            gauge: Arc::clone(self),
            bytes,
            taken: clock::now(),
        };
        let bounds = self.bounds;
        let is_too_much = count > 0 && held + bytes > bounds.bytes as usize;
        if count >= bounds.count as usize || is_too_much {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(permit)
    }

    /// Takes room without regard to the bounds: for control messages, of which the poster has few.
    pub fn take_always(self: &Arc<Self>, bytes: usize) -> Permit {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Permit {
            gauge: Arc::clone(self),
            bytes,
            taken: clock::now(),
        }
    }
}

/// Room taken for one message; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    gauge: Arc<MailGauge>,
    bytes: usize,
    taken: Instant,
}

impl Permit {
    /// How long its message has waited by now.
    pub fn waited(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.taken)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gauge.count.fetch_sub(1, Ordering::Relaxed);
        self.gauge.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A message on its way, with its permit.
#[derive(Debug)]
pub struct Mail<M> {
    /// The message.
    pub message: M,
    /// Released when the actor drops it.
    pub permit: Permit,
}

impl<M> Message for Mail<M> {
    type Result = ();
}

/// The mailbox had no room, or the actor is gone; the message comes back.
#[derive(Debug)]
pub struct Refused<M>(pub M);

/// Posts bounded mail to one actor.
pub struct Mailer<A: Actor> {
    address: Addr<A>,
    gauge: Arc<MailGauge>,
}

impl<A: Actor> Clone for Mailer<A> {
    fn clone(&self) -> Self {
        Self {
            address: self.address.clone(),
            gauge: Arc::clone(&self.gauge),
        }
    }
}

impl<A: Actor> Mailer<A> {
    /// Mail to this address, counted by this gauge.
    pub const fn new(address: Addr<A>, gauge: Arc<MailGauge>) -> Self {
        Self { address, gauge }
    }

    /// What waits for the actor.
    pub const fn gauge(&self) -> &Arc<MailGauge> {
        &self.gauge
    }

    /// Whether the actor still takes mail.
    pub fn is_open(&self) -> bool {
        self.address.connected()
    }

    /// Posts a message that holds on to about `bytes` bytes.
    pub fn post<M>(&self, message: M, bytes: usize) -> Result<(), Refused<M>>
    where
        M: Send + 'static,
        A: Handler<Mail<M>>,
        A::Context: ToEnvelope<A, Mail<M>>,
    {
        if !self.address.connected() {
            return Err(Refused(message));
        }
        match self.gauge.take(bytes) {
            Some(permit) => {
                self.send(Mail { message, permit });
                Ok(())
            }
            None => Err(Refused(message)),
        }
    }

    /// Posts a control message past the bounds; the poster answers for their number.
    pub fn post_control<M>(&self, message: M)
    where
        M: Send + 'static,
        A: Handler<Mail<M>>,
        A::Context: ToEnvelope<A, Mail<M>>,
    {
        let permit = self.gauge.take_always(0);
        self.send(Mail { message, permit });
    }

    #[allow(clippy::disallowed_methods)] // the one place that may: the permit is the bound
    fn send<M>(&self, mail: Mail<M>)
    where
        M: Send + 'static,
        A: Handler<Mail<M>>,
        A::Context: ToEnvelope<A, Mail<M>>,
    {
        self.address.do_send(mail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i7_mail_is_bounded_in_count_and_bytes_and_refusals_are_counted() {
        let gauge = Arc::new(MailGauge::new(MailBounds {
            count: 3,
            bytes: 100,
        }));
        let first = gauge.take(60).unwrap();
        assert!(gauge.take(60).is_none(), "bytes are bounded");
        let _second = gauge.take(10).unwrap();
        let _third = gauge.take(10).unwrap();
        assert!(gauge.take(1).is_none(), "the count is bounded");
        assert_eq!(gauge.refused(), 2);
        drop(first);
        assert_eq!((gauge.count(), gauge.bytes()), (2, 20));
        assert!(gauge.take(70).is_some());
    }

    #[test]
    fn an_oversized_message_passes_when_nothing_waits() {
        let gauge = Arc::new(MailGauge::new(MailBounds {
            count: 3,
            bytes: 100,
        }));
        let big = gauge.take(1_000).unwrap();
        assert!(gauge.take(1).is_none());
        drop(big);
        assert_eq!(gauge.bytes(), 0);
    }
}
