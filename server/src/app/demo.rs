//! What `guildhall dev` offers: a guild with #general, a bot and two users.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{App, StartError, data_error};
use crate::clock;
use crate::guild::command::{Caller, ChannelEdit, Command, NewChannel, NewGuild, Request};
use crate::protocol::objects::{ChannelType, User};
use crate::protocol::{ApiError, ChannelId, GuildId, UserId};

/// How often the guild is made where it does not answer, and the pause between.
const ATTEMPTS: u32 = 20;
const TRY_AGAIN: Duration = Duration::from_millis(100);
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

/// Makes the demo or finds it. Its ids are kept before anything of it is made: a start that is
/// killed at any moment is taken up by the next one with the same ids.
pub(super) async fn prepare(app: &App) -> Result<Demo, StartError> {
    let path = app.config.store.dir.join(FILE);
    let ids = match read(&path)? {
        Some(ids) if is_gone(app, &ids).await? => fresh(app, &path)?,
        Some(ids) => ids,
        None => fresh(app, &path)?,
    };
    if !is_made(app, &ids).await? {
        make(app, &ids).await?;
    }
    let sign = |user: UserId, bot| app.tokens.sign(user.get(), bot, ids.signed_at);
    Ok(Demo {
        api: app.public_url().api(),
        gateway: app.public_url().gateway(),
        admin: app.admin_url()?,
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
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(data_error(path, &error)),
    }
}

/// Whether the guild was made: it then has records, be it that it was deleted.
async fn is_made(app: &App, ids: &Ids) -> Result<bool, StartError> {
    let last = app.storage.journal.last_position(ids.guild).await;
    let last = last.map_err(|error| StartError::Demo(error.to_string()))?;
    Ok(last > 0)
}

/// Whether the guild was made and deleted since. Members are noted before a guild is made.
async fn is_gone(app: &App, ids: &Ids) -> Result<bool, StartError> {
    let member = app.storage.directory.is_member(ids.users[0], ids.guild);
    Ok(!member && is_made(app, ids).await?)
}

/// Chooses ids and keeps them.
fn fresh(app: &App, path: &Path) -> Result<Ids, StartError> {
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
    let text = serde_json::to_string(&ids).expect("ids serialize to JSON");
    write(path, &text).map_err(|error| data_error(path, &error))?;
    Ok(ids)
}

/// Puts a file in its place as a whole, on the disk.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("json.new");
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Makes accounts and guild, or what of them is not there yet.
async fn make(app: &App, ids: &Ids) -> Result<(), StartError> {
    let account = |id, name: &str, bot| Arc::new(User::new(id, name, bot));
    let alice = account(ids.users[0], "alice", false);
    let others = vec![
        account(ids.users[1], "bob", false),
        account(ids.bot, "demo-bot", true),
    ];
    let failed = |error: &dyn std::fmt::Display| StartError::Demo(error.to_string());
    let directory = &app.storage.directory;
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
    let mut attempts = 1;
    while let Err(error) = app.router.ask(ids.guild, request.clone()).await {
        if is_made(app, ids).await? {
            break;
        }
        // In a cluster a guild that is just being read may change its node, as this one joins.
        if error.status != ApiError::UNAVAILABLE.status || attempts >= ATTEMPTS {
            return Err(failed(&error));
        }
        attempts += 1;
        tokio::time::sleep(TRY_AGAIN).await;
    }
    Ok(())
}
