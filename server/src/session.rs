//! Gateway sessions: sockets, identify, heartbeat, resume.
//!
//! A *connection* is a socket; a *session* is what READY started and outlives the socket. Both live
//! on the HTTP worker thread that accepted the connection, in that thread's [`worker::Worker`]; a
//! session moves to another worker when a Resume arrives there.

pub mod checkpoint;
pub mod connection;
pub mod core;
pub mod elsewhere;
pub mod frames;
pub mod greetings;
pub mod hub_actor;
pub mod id;
pub mod links;
pub mod members_chunk;
mod parcel;
pub mod parked;
pub mod payload;
pub mod refusal;
pub mod report;
pub mod settings;
pub mod shared;
pub mod sink;
pub mod socket;
pub mod state;
pub mod stream;
pub mod trail;
pub mod upgrade;
pub mod wheel;
pub mod worker;
