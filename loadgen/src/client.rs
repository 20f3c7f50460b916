//! Light gateway clients: thousands of sessions on a few threads.
//!
//! One [`worker`] is one thread with a current-thread runtime. It owns its sessions' sockets, one read buffer for all of
//! them, a [`crate::check::Checker`] and a latency histogram. A session is a small task that reads ([`connection`]), feeds
//! the bytes to the frame parser ([`frames`]) and the messages to the protocol's state machine ([`session`]).
//!
//! *Invariant:* no session holds a buffer while its socket is quiet; only the rest of a frame that came in part is kept.

mod beats;
pub mod close;
mod connection;
pub mod deaf;
pub mod fleet;
pub mod frames;
pub mod handshake;
pub mod inflate;
pub mod messages;
mod noise;
pub mod outgoing;
pub mod payload;
pub mod scan;
pub mod session;
pub mod storm;
pub mod tally;
mod throttle;
mod worker;
