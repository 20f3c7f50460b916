//! Guildhall: an actor-based message fan-out server that speaks the Discord Gateway protocol.
//!
//! The rooms of the house, lowest first; imports run downwards only:
//!
//! * [`protocol`] — the wire: ids, opcodes, close codes, intents, objects. No I/O.
//! * [`placement`] — the consistent-hash ring that decides which node owns a guild. Pure.
//! * [`clock`] — the one place that asks the system for the time.
//! * [`auth`] — tokens and rate limits.
//! * [`spans`] — where the time of a request goes, told to a collector.
//! * [`counters`] — the figures every room counts into.
//! * [`config`], [`cli`] — settings and the command line.
//! * [`supervision`] — bounded mail between actors.
//! * [`journal`] — the contract of the per-guild log and its implementations.
//! * [`directory`] — users, memberships and which guild a channel belongs to.
//! * [`store`] — both of these on the local disk.
//! * [`cluster`] — both of these on NATS.
//! * [`fanout`] — what a guild hands to the hubs, rooms, outboxes and lanes.
//! * [`guild`] — the guild: pure core, actor, registry, executors, router.
//! * [`session`] — identify, heartbeat, resume; the workers and their sockets.
//! * [`api`] — the REST subset.
//! * [`web`] — the browser chat page.
//! * [`admin`] — what the operator sees. It looks at everything and nothing looks at it.
//! * [`app`] — settings → build → run → drain.

pub mod admin;
pub mod api;
pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod counters;
pub mod dev_banner;
pub mod dev_cluster;
pub mod directory;
pub mod fanout;
#[cfg(any(test, feature = "fuzz-targets"))]
pub mod fuzz;
pub mod guild;
pub mod journal;
pub mod placement;
pub mod protocol;
pub mod session;
pub mod spans;
pub mod store;
pub mod supervision;
pub mod web;
