//! What passes from a guild's actor to its successor, exactly once.
//!
//! Three may decide how it begins: the actor that leaves, whoever moves the guild, and the watchdog where
//! that actor's thread is stuck. The first one does; the others find that it is decided.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::guild::actor::GuildActor;
use crate::guild::executors::Seat;

/// How a successor begins.
pub(in crate::guild) enum Word {
    /// With what its predecessor was.
    TakeOver(Box<Handover>),
    /// From the journal: the predecessor cannot be waited for.
    Load,
    /// Not at all: the guild stays where it is.
    Stop,
}

/// An actor on its way to another thread.
pub(in crate::guild) struct Handover {
    /// It, with everything that hangs on it.
    pub(in crate::guild) actor: GuildActor,
    /// Its state is not to be trusted and to be read from the journal.
    pub(in crate::guild) recover: bool,
    /// When it had handled its last mail.
    pub(in crate::guild) released: Instant,
}

/// The way to a successor; the first word is the one that counts.
#[derive(Clone)]
pub(in crate::guild) struct Baton(Arc<Mutex<Option<oneshot::Sender<Word>>>>);

impl Baton {
    /// A baton, and where the successor waits for the word.
    pub(in crate::guild) fn new() -> (Self, oneshot::Receiver<Word>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    /// Gives the word; it comes back where another one was first, or where the successor is gone.
    pub(in crate::guild) fn say(&self, word: Word) -> Result<(), Word> {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match sender {
            Some(sender) => sender.send(word),
            None => Err(word),
        }
    }
}

/// What the leaving actor is given: the baton, and the seat that it leaves. Where it is dropped, the
/// successor reads the journal.
pub struct Handing {
    baton: Baton,
    seat: Option<Seat>,
}

impl Handing {
    pub(in crate::guild) const fn new(baton: Baton, seat: Seat) -> Self {
        Self {
            baton,
            seat: Some(seat),
        }
    }

    /// Hands over; it comes back where the successor does not wait for it any more.
    pub(in crate::guild) fn give(mut self, handover: Handover) -> Result<(), Box<Handover>> {
        // First, so that who hears of the move finds the seat free.
        self.seat = None;
        match self.baton.say(Word::TakeOver(Box::new(handover))) {
            Err(Word::TakeOver(handover)) => Err(handover),
            _ => Ok(()),
        }
    }
}

impl Drop for Handing {
    fn drop(&mut self) {
        // Where it was given, this comes too late.
        let _ = self.baton.say(Word::Load);
    }
}

impl fmt::Debug for Handing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handing")
    }
}
