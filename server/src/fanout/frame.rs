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
/// event that waits or is kept.
#[derive(Debug, Clone)]
pub struct Frame(Rc<Body>);

/// What a [`Frame`] holds.
#[derive(Debug)]
enum Body {
    /// Serialized, and shared by every session that gets it.
    Shared(Bytes),
    /// The same, of an event that a newer one about the same may replace before it has a number.
    Ephemeral(Box<(Bytes, Subject)>),
    /// Made anew each time that it is written.
    Made(Box<dyn Compose>),
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

    /// Bytes that it counts as: exact for a shared body.
    pub fn size(&self) -> usize {
        match &*self.0 {
            Body::Shared(bytes) => bytes.len(),
            Body::Ephemeral(ephemeral) => ephemeral.0.len(),
            Body::Made(compose) => compose.estimate(),
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
        }
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Self {
        Self(Rc::new(Body::Shared(bytes)))
    }
}
