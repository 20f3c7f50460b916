//! The guild from outside: commands in, records and outputs out.

mod attach;
mod channels;
mod guilds;
mod members;
mod messages;
mod pipeline;
mod properties;
mod reactions;
mod roles;
mod world;
