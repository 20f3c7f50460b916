//! Whether a connection still waits for a session that is looked for: nothing is asked or claimed for one that is gone.

use std::sync::{Arc, Weak};

/// A connection keeps this for as long as it waits.
#[derive(Debug)]
pub struct Waits {
    _alive: Arc<()>,
}

/// Tells whether a connection still waits.
#[derive(Debug)]
pub struct Waiting(Weak<()>);

impl Waits {
    /// What a connection keeps, and what tells others that it does.
    pub fn new() -> (Self, Waiting) {
        let alive = Arc::new(());
        let waiting = Waiting(Arc::downgrade(&alive));
        (Self { _alive: alive }, waiting)
    }
}

impl Waiting {
    /// Whether nobody waits any more.
    pub fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }
}
