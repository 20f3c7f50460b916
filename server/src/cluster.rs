//! What a node shares with others: journal and directory on NATS JetStream.

pub mod nats;
