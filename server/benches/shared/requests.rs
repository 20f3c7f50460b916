//! What is asked of guilds before they are measured.

use std::sync::Arc;

use guildhall_server::guild::command::{
    Caller, ChannelEdit, Command, NewChannel, NewGuild, Request,
};
use guildhall_server::protocol::ChannelId;
use guildhall_server::protocol::objects::{ChannelType, User};

/// Makes a guild with its owner and one text channel.
pub(crate) fn create_guild(name: &str, owner: Arc<User>, channel: ChannelId) -> Request {
    let fields = ChannelEdit {
        name: Some("general".to_owned()),
        ..ChannelEdit::default()
    };
    let new = NewGuild {
        name: name.to_owned(),
        owner,
        members: Vec::new(),
        channels: vec![NewChannel {
            id: channel,
            kind: ChannelType::Text,
            fields,
        }],
        direct: false,
    };
    Request {
        caller: Caller::Operator,
        command: Command::CreateGuild(Box::new(new)),
    }
}
