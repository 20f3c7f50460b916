//! Which thread of a node runs which guild: pure, numbers in and decisions out.

mod choice;
mod smooth;

pub use choice::{Candidate, choose};
pub use smooth::Smooth;
