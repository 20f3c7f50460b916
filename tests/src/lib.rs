//! End-to-end tests: the harness.
//!
//! A test starts a server process of its own, on free ports and in a directory of its own, and talks
//! to it over real sockets. Nothing here waits for a fixed time: what is awaited is a condition, up to
//! an overall [`DEADLINE`]. A promise that does not hold panics, which is how a test fails.

pub mod account;
pub mod admin;
pub mod binary;
pub mod bystander;
pub mod cluster;
pub mod cluster_run;
pub mod compressed;
pub mod crash;
pub mod deadline;
pub mod flood;
pub mod gateway;
pub mod identity;
pub mod inflate;
pub mod jwt;
pub mod limits;
pub mod nats;
pub mod numbered;
pub mod payload;
pub mod ports;
pub mod process;
pub mod raw;
pub mod reader;
pub mod rest;
pub mod server;
pub mod session;
pub mod small_disk;
pub mod wire;
pub mod world;

pub use account::Account;
pub use admin::Admin;
pub use bystander::Bystander;
pub use deadline::{DEADLINE, eventually, within};
pub use gateway::{Gateway, Received};
pub use identity::Identity;
pub use nats::NatsServer;
pub use payload::Payload;
pub use raw::RawSocket;
pub use reader::Reader;
pub use rest::{Answer, Rest};
pub use server::{Server, Setup};
pub use session::{Cut, Session};
pub use small_disk::SmallDisk;
pub use world::World;

/// Every intent that the server knows, and some that it does not.
pub const ALL_INTENTS: u64 = 53_608_447;
