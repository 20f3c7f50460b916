//! An event as it waits in outboxes: a body that many sessions share, or what one session's body is made of.

use std::fmt;
use std::rc::Rc;

use bytes::Bytes;

use super::late::Subject;

/// A body that is of one session alone, kept as what it is made of: that is a fraction of its bytes, and most
/// of it is shared.
pub trait Compose: fmt::Debug {
    /// Appends the body (see [`super::envelope`]); always the same bytes.
    fn compose(&self, out: &mut Vec<u8>);
    /// About how many bytes that is; what the event counts as against bounds.
    fn estimate(&self) -> usize;
}

/// An event's body, counted by the worker's own thread. As large as a pointer: each session has one for each
/// event that waits or is kept, or one for a [`Run`] of them.
#[derive(Debug, Clone)]
pub struct Frame(Rc<Body>);

/// Events that many sessions are owed, one right after the other, [`Run::MOST`] at most. As large as a [`Frame`].
#[derive(Debug, Clone)]
pub struct Run(Frame);

/// What a [`Frame`] holds.
#[derive(Debug)]
enum Body {
    /// Serialized, and shared by every session that gets it.
    Shared(Bytes),
    /// The same, of an event that a newer one about the same may replace before it has a number.
    Ephemeral(Box<(Bytes, Subject)>),
    /// Made anew each time that it is written.
    Made(Box<dyn Compose>),
    /// The frames of a run, and their bytes in all.
    Run(Box<[Frame]>, usize),
}

impl Frame {
    /// A body that is made when it is written.
    pub fn made(compose: impl Compose + 'static) -> Self {
        Self(Rc::new(Body::Made(Box::new(compose))))
    }

    /// A shared body of an ephemeral event.
    pub fn ephemeral(bytes: Bytes, subject: Subject) -> Self {
        Self(Rc::new(Body::Ephemeral(Box::new((bytes, subject)))))
    }

    /// What it is about, if it is ephemeral.
    pub fn subject(&self) -> Option<Subject> {
        match &*self.0 {
            Body::Ephemeral(ephemeral) => Some(ephemeral.1),
            _ => None,
        }
    }

    /// Whether its body is serialized already, for every session that gets it.
    pub fn is_shared(&self) -> bool {
        !matches!(&*self.0, Body::Made(_))
    }

    /// Whether it is the same one, not only an equal one.
    pub fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it is a shared body of this text.
    pub fn is_text(&self, text: &[u8]) -> bool {
        matches!(&*self.0, Body::Shared(bytes) if bytes == text)
    }

    /// Bytes that it counts as: exact for a shared body.
    pub fn size(&self) -> usize {
        match &*self.0 {
            Body::Shared(bytes) => bytes.len(),
            Body::Ephemeral(ephemeral) => ephemeral.0.len(),
            Body::Made(compose) => compose.estimate(),
            Body::Run(_, size) => *size,
        }
    }

    /// The body's bytes.
    pub fn to_bytes(&self) -> Bytes {
        match &*self.0 {
            Body::Shared(bytes) => bytes.clone(),
            Body::Ephemeral(ephemeral) => ephemeral.0.clone(),
            Body::Made(compose) => {
                let mut bytes = Vec::new();
                compose.compose(&mut bytes);
                bytes.into()
            }
            Body::Run(frames, _) => frames.iter().flat_map(Self::to_bytes).collect(),
        }
    }

    /// Whether it stands for the events of a run.
    pub(super) fn is_run(&self) -> bool {
        matches!(&*self.0, Body::Run(..))
    }

    /// The events that it stands for: itself, or those of a run.
    pub(super) fn events(&self) -> &[Self] {
        match &*self.0 {
            Body::Run(frames, _) => frames,
            _ => std::slice::from_ref(self),
        }
    }
}

impl Run {
    /// Most events.
    pub const MOST: usize = u8::MAX as usize;

    /// These events, in order.
    ///
    /// # Panics
    ///
    /// With more than [`Self::MOST`] of them.
    pub fn new(frames: impl IntoIterator<Item = Frame>) -> Self {
        let frames: Box<[Frame]> = frames.into_iter().collect();
        assert!(frames.len() <= Self::MOST, "{} events", frames.len());
        let size = frames.iter().map(Frame::size).sum();
        Self(Frame(Rc::new(Body::Run(frames, size))))
    }

    /// Bytes that its events count as.
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// Its events, in order.
    pub fn events(&self) -> &[Frame] {
        self.0.events()
    }

    /// As what stands for its events in a queue.
    pub(super) const fn as_frame(&self) -> &Frame {
        &self.0
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Self {
        Self(Rc::new(Body::Shared(bytes)))
    }
}
