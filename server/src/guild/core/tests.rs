//! The guild from outside: commands in, records and outputs out.

mod attach;
mod messages;
mod pipeline;
mod world;
