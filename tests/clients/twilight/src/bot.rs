//! The bot: HTTP client and shard, pointed at the server, and the demo users around it.

use anyhow::{Context, ensure};
use serde::Deserialize;
use twilight_gateway::{ConfigBuilder, Intents, Shard, ShardId};
use twilight_http::Client;
use twilight_model::id::{
    Id,
    marker::{ChannelMarker, GuildMarker, UserMarker},
};

use crate::{
    gateway::{Watch, is_ready},
    others::{Outage, User},
    variable,
};

/// The line that `guildhall dev --json` prints, as far as it is needed.
#[derive(Deserialize)]
pub(crate) struct Dev {
    api: String,
    gateway: String,
    admin: String,
    admin_token: String,
    guild_id: Id<GuildMarker>,
    channel_id: Id<ChannelMarker>,
    bot_token: String,
    user_tokens: [String; 2],
}

/// A bot that is logged in.
pub(crate) struct Bot {
    dev: Dev,
    /// The library's REST client.
    pub(crate) http: Client,
    /// What the shard reports.
    pub(crate) gateway: Watch,
    /// The bot's own user id.
    pub(crate) id: Id<UserMarker>,
    /// The demo users.
    pub(crate) users: [User; 2],
    /// Their ids.
    pub(crate) user_ids: [Id<UserMarker>; 2],
    /// The proxy between the library and the server.
    pub(crate) outage: Outage,
}

impl Bot {
    /// Logs in as the demo bot and waits for READY.
    pub(crate) async fn log_in() -> anyhow::Result<Self> {
        let dev: Dev = serde_json::from_str(&variable("GUILDHALL_DEV")?)?;
        let direct = variable("GUILDHALL_DIRECT")?;
        let users = dev
            .user_tokens
            .each_ref()
            .map(|token| User::new(&direct, dev.channel_id.get(), token));
        let user_ids = [users[0].id().await?, users[1].id().await?].map(Id::new);

        let http = dev.http(&dev.bot_token)?;
        let info = http.gateway().authed().await?.model().await?;
        ensure!(info.shards >= 1, "no shard is recommended");
        let me = http.current_user().await?.model().await?;
        ensure!(me.bot, "the bot is not marked as one");

        let gateway = Watch::start(dev.shard(&dev.bot_token));
        gateway
            .until("READY", |record| (record.count(is_ready) > 0).then_some(()))
            .await?;
        Ok(Self {
            http,
            gateway,
            id: me.id,
            users,
            user_ids,
            outage: Outage::new(variable("GUILDHALL_PROXY")?),
            dev,
        })
    }

    /// The demo guild.
    pub(crate) fn guild(&self) -> Id<GuildMarker> {
        self.dev.guild_id
    }

    /// Its text channel.
    pub(crate) fn channel(&self) -> Id<ChannelMarker> {
        self.dev.channel_id
    }

    /// The shard's connection is a compressed one: the server says so.
    pub(crate) async fn is_compressed(&self) -> anyhow::Result<()> {
        let request = reqwest::Client::new()
            .get(format!("{}/metrics", self.dev.admin))
            .bearer_auth(&self.dev.admin_token);
        let metrics = request.send().await?.error_for_status()?.text().await?;
        let mut lines = metrics.lines();
        ensure!(
            lines.any(|line| line == "guildhall_compressed_connections 1"),
            "the connection is not compressed"
        );
        Ok(())
    }

    /// The addresses and tokens.
    pub(crate) fn dev(&self) -> &Dev {
        &self.dev
    }

    /// Posts a message as the bot; returns its id.
    pub(crate) async fn send(&self, content: &str) -> anyhow::Result<u64> {
        let request = self.http.create_message(self.channel()).content(content);
        Ok(request.await?.model().await?.id.get())
    }
}

impl Dev {
    /// The library's REST client for `token`.
    pub(crate) fn http(&self, token: &str) -> anyhow::Result<Client> {
        let host = self
            .api
            .strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix("/api/v10"))
            .context("unexpected form of the API address")?;
        Ok(Client::builder()
            .token(token.to_owned())
            .proxy(host.to_owned(), true)
            .build())
    }

    /// A shard for `token`, not yet connected.
    pub(crate) fn shard(&self, token: &str) -> Shard {
        let intents = Intents::GUILDS
            | Intents::GUILD_MEMBERS
            | Intents::GUILD_MESSAGES
            | Intents::GUILD_MESSAGE_REACTIONS
            | Intents::GUILD_MESSAGE_TYPING
            | Intents::MESSAGE_CONTENT;
        let config = ConfigBuilder::new(token.to_owned(), intents)
            .proxy_url(self.gateway.clone())
            .build();
        Shard::with_config(ShardId::ONE, config)
    }

    /// A token for the bot's id with a signature that is none.
    pub(crate) fn wrong_token(&self) -> String {
        let id = self.bot_token.split('.').next().unwrap_or_default();
        format!("{id}.AAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAA")
    }
}
