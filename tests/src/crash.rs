//! Kills a server with SIGKILL again and again under load, and checks what it promised.
//!
//! Publishers retry each request until it is acknowledged, a post always with its nonce; sessions
//! resume where they may. In the end every acknowledged post is in history once, edits, deletes and
//! reactions hold, and what each session saw is history's own order without a gap.

pub mod check;
pub mod faults;
pub mod figures;
pub mod ledger;
pub mod options;
pub mod phase;
pub mod publisher;
pub mod rounds;
pub mod scene;
pub mod stretch;
pub mod subscriber;

pub use faults::Faults;
pub use figures::Figures;
pub use ledger::{Ledger, Post};
pub use options::Options;
pub use phase::Phase;
pub use rounds::run;
pub use scene::Scene;
pub use stretch::Stretch;
