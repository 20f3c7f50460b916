//! What was found to be wrong.

use std::sync::Mutex;

/// How many faults are kept word for word; the rest is counted.
const KEPT: usize = 40;
/// How many are enough to stop the load: history's part of the report is to have room.
const MANY: usize = 20;

/// The faults so far, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    first: Vec<String>,
    count: usize,
}

impl Faults {
    /// Notes a fault.
    pub fn add(&self, fault: impl Into<String>) {
        let mut found = self.0.lock().expect("nobody panics with the lock");
        found.count += 1;
        if found.first.len() < KEPT {
            found.first.push(fault.into());
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.lock().expect("nobody panics with the lock").count
    }

    /// Whether there are more than are worth looking at: time to stop.
    pub fn are_many(&self) -> bool {
        self.count() >= MANY
    }

    /// The first ones, and how many there are.
    pub fn report(&self) -> (Vec<String>, usize) {
        let found = self.0.lock().expect("nobody panics with the lock");
        (found.first.clone(), found.count)
    }
}
