//! Many nodes: journal and directory on NATS JetStream, the list of nodes, and the ways between them.

pub mod control;
pub mod lease;
pub mod moves;
pub mod nats;
pub mod report;
pub mod sessions;
pub mod view;
pub mod wire;
