//! What sessions were handed, so that they can be resumed after the process was killed.
//!
//! A client that resumes names the last sequence number that it has. What stands for that number is in
//! this process's memory alone: which guild's record it was, and whether the session saw it. Each
//! worker therefore appends to a file of its own, before anything is written to a socket: who was
//! handed which position of which guild. With that, the journal has all the rest: the next process
//! knows where in each guild a session is after any number, and lets the guild tell it what came since
//! ([`past`]). What is not a guild's record (typing, presence) is not made up for; what is the session's
//! own (a GUILD_CREATE, a chunk of members) and may not have arrived makes the Resume fail (*invariant
//! I10*).
//!
//! Nothing is synced: a killed process loses nothing of it, a machine without power may. A file is of no
//! use after the machine was started anew, and is passed over then.
//!
//! - [`dir`]: the folder; runs of the process, and which of their files are still needed.
//! - [`entry`]: the form of what is appended.
//! - [`writer`]: a worker's [`Trail`].
//! - [`fold`], [`past`]: what a later process makes of it.

pub mod dir;
mod entry;
mod fold;
pub mod past;
mod writer;

pub use dir::TrailDir;
pub use entry::{Image, Standing};
pub use past::Past;
pub use writer::Trail;

#[cfg(test)]
mod tests;
