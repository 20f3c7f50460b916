//! Guilds of one owner that are talked in.

use std::sync::Arc;

use guildhall_server::guild::command::{Caller, Command, NewMessage, Request};
use guildhall_server::guild::router::Router;
use guildhall_server::protocol::objects::User;
use guildhall_server::protocol::{ChannelId, GuildId};

use crate::requests::create_guild;

/// Makes a guild with one channel.
pub(crate) async fn make(router: &Router, owner: &Arc<User>, guild: u64) {
    let request = create_guild("bench", Arc::clone(owner), channel(guild));
    router.ask(GuildId::new(guild), request).await.unwrap();
}

const fn channel(guild: u64) -> ChannelId {
    ChannelId::new(1_000_000 + guild)
}

/// Sends a message; returns when it is acknowledged.
pub(crate) async fn say(router: &Router, owner: &Arc<User>, guild: u64) {
    let message = NewMessage {
        content: "a message of a common length, as people send them to each other".to_owned(),
        ..NewMessage::default()
    };
    let request = Request {
        caller: Caller::User(Arc::clone(owner)),
        command: Command::CreateMessage(channel(guild), Box::new(message)),
    };
    router.ask(GuildId::new(guild), request).await.unwrap();
}
