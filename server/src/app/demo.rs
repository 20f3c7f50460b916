//! What `guildhall dev` offers: a guild with #general, a bot and two users.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{App, StartError, data_error};
use crate::clock;
use crate::directory::Directory;
use crate::guild::command::{Caller, ChannelEdit, Command, NewChannel, NewGuild, Request};
use crate::protocol::objects::{ChannelType, User};
use crate::protocol::{ChannelId, GuildId, UserId};

/// File in the data directory that keeps which guild and accounts are the demo's.
const FILE: &str = "demo.json";

/// What `dev --json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Demo {
    /// Base of the REST API.
    pub api: String,
    /// The gateway.
    pub gateway: String,
    /// The admin API.
    pub admin: String,
    /// The demo guild.
    pub guild_id: GuildId,
    /// Its #general.
    pub channel_id: ChannelId,
    /// The bot's token.
    pub bot_token: String,
    /// The users' tokens.
    pub user_tokens: [String; 2],
    /// The operator's token.
    pub admin_token: String,
}

impl Demo {
    /// What the chat page is told: everything but the operator's token.
    pub fn page(&self) -> serde_json::Value {
        let mut page = serde_json::to_value(self).expect("strings serialize to JSON");
        if let Some(fields) = page.as_object_mut() {
            fields.remove("admin_token");
            fields.remove("admin");
        }
        page
    }
}

/// The demo's ids, kept so that a second start has the same guild and tokens.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Ids {
    guild: GuildId,
    channel: ChannelId,
    bot: UserId,
    users: [UserId; 2],
    /// When the tokens were signed, in seconds since the Unix epoch.
    signed_at: u64,
}

/// Makes the demo or finds it.
pub(super) async fn prepare(app: &App) -> Result<Demo, StartError> {
    let path = app.config.store.dir.join(FILE);
    let ids = match read(&path)? {
        // The file is written last; without the guild it tells of a data directory gone wrong.
        Some(ids) if app.directory.is_member(ids.users[0], ids.guild) => ids,
        _ => {
            let ids = make(app).await?;
            let text = serde_json::to_string(&ids).expect("ids serialize to JSON");
            std::fs::write(&path, text).map_err(|error| data_error(&path, &error))?;
            ids
        }
    };
    let sign = |user: UserId, bot| app.tokens.sign(user.get(), bot, ids.signed_at);
    Ok(Demo {
        api: app.public_url().api(),
        gateway: app.public_url().gateway(),
        admin: format!("http://{}", app.admin_address()?),
        guild_id: ids.guild,
        channel_id: ids.channel,
        bot_token: sign(ids.bot, true),
        user_tokens: ids.users.map(|user| sign(user, false)),
        admin_token: app.admin_token().to_owned(),
    })
}

fn read(path: &Path) -> Result<Option<Ids>, StartError> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| data_error(path, &error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(data_error(path, &error)),
    }
}

async fn make(app: &App) -> Result<Ids, StartError> {
    let now_ms = clock::unix_ms();
    let ids = Ids {
        guild: GuildId::new(app.ids.next(now_ms)),
        channel: ChannelId::new(app.ids.next(now_ms)),
        bot: UserId::new(app.ids.next(now_ms)),
        users: [
            UserId::new(app.ids.next(now_ms)),
            UserId::new(app.ids.next(now_ms)),
        ],
        signed_at: now_ms / 1_000,
    };
    let account = |id, name: &str, bot| Arc::new(User::new(id, name, bot));
    let alice = account(ids.users[0], "alice", false);
    let others = vec![
        account(ids.users[1], "bob", false),
        account(ids.bot, "demo-bot", true),
    ];
    let failed = |error: &dyn std::fmt::Display| StartError::Demo(error.to_string());
    let directory = &app.directory;
    for user in others.iter().chain([&alice]) {
        directory
            .put_user(Arc::clone(user))
            .await
            .map_err(|error| failed(&error))?;
    }
    let members = vec![ids.users[0], ids.users[1], ids.bot];
    directory
        .add_members(ids.guild, members)
        .await
        .map_err(|error| failed(&error))?;
    let channels = vec![ids.channel];
    directory
        .add_channels(ids.guild, channels)
        .await
        .map_err(|error| failed(&error))?;
    let general = ChannelEdit {
        name: Some("general".to_owned()),
        ..ChannelEdit::default()
    };
    let command = Command::CreateGuild(Box::new(NewGuild {
        name: "Guildhall demo".to_owned(),
        owner: alice,
        members: others,
        channels: vec![NewChannel {
            id: ids.channel,
            kind: ChannelType::Text,
            fields: general,
        }],
        direct: false,
    }));
    let request = Request {
        caller: Caller::Operator,
        command,
    };
    app.router
        .ask(ids.guild, request)
        .await
        .map_err(|error| failed(&error))?;
    Ok(ids)
}
