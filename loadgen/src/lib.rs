//! Load generator and delivery checker for Guildhall.
//!
//! The way of a run: [`scenario`] says what it is about and [`plan`] what that means message by message, [`provision`] makes users and guilds, [`client`] connects one gateway session per user on a few
//! threads, [`publish`] posts messages at an open-loop rate, [`check`] judges what each session saw, [`report`] says it.
//! [`run`] ties them together, with [`crew`] over several processes. [`compare`] sets several servers side by side, with an engine of its own that does less
//! per message. [`simulate`] needs no server: it is the server's own placement on millions of guilds.
//!
//! Imports run downwards: `clock`, `plan`, `marker` and `check` know nobody (and are pure, but for the clock); `client`
//! and `publish` do not know each other; `crew` carries `client` to other processes; only `run` and `compare` know them all.

pub mod check;
pub mod cli;
pub mod client;
pub mod clock;
pub mod compare;
pub mod crew;
pub mod endpoint;
pub mod fault;
pub mod limits;
pub mod marker;
pub mod measure;
pub mod plan;
pub mod procfs;
pub mod provision;
pub mod publish;
pub mod report;
pub mod rest;
pub mod run;
pub mod scale;
pub mod scenario;
pub mod shared;
pub mod simulate;
pub mod source;
