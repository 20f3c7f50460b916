//! Users and guilds for a run, through the admin API, and their removal.

pub mod private;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::time::Duration;

use crate::client::payload::Snowflake;

/// Users that one request may make.
const USERS_PER_REQUEST: usize = 10_000;

/// Guilds made or removed at a time.
const GUILDS_AT_A_TIME: usize = 8;

/// How long one request may take; one that makes 10,000 users is slow.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The admin API.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
    base: String,
    token: String,
}

/// A user made for the run.
#[derive(Debug, Clone)]
pub struct User {
    /// Snowflake.
    pub id: u64,
    /// What it logs in with.
    pub token: Box<str>,
}

/// A guild made for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guild {
    /// Snowflake.
    pub id: u64,
    /// Its text channel.
    pub channel: u64,
}

#[derive(Deserialize)]
struct Identified {
    id: Snowflake,
}

#[derive(Deserialize)]
struct MadeUsers {
    users: Vec<MadeUser>,
}

#[derive(Deserialize)]
struct MadeUser {
    user: Identified,
    token: Box<str>,
}

#[derive(Deserialize)]
struct MadeGuild {
    guild: Identified,
    channels: Vec<Identified>,
}

impl Admin {
    /// The admin API at `base`, such as `http://127.0.0.1:9090`.
    pub fn new(base: &str, token: &str) -> Result<Self> {
        let client = Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Self {
            client,
            base: base.trim_end_matches('/').to_owned(),
            token: token.to_owned(),
        })
    }

    /// Makes `count` users whose names begin with `prefix`.
    pub async fn make_users(&self, count: usize, prefix: &str) -> Result<Vec<User>> {
        let mut users = Vec::with_capacity(count);
        while users.len() < count {
            let part = (count - users.len()).min(USERS_PER_REQUEST);
            let prefix = format!("{prefix}-{}", users.len());
            let body = json!({"count": part, "prefix": prefix, "bot": false});
            let request = self
                .client
                .post(format!("{}/admin/v1/users", self.base))
                .json(&body);
            let made: MadeUsers = self.send(request).await.context("making users")?;
            ensure!(
                made.users.len() == part,
                "making users: asked for {part}, got {}",
                made.users.len()
            );
            users.extend(made.users.into_iter().map(|made| User {
                id: made.user.id.0,
                token: made.token,
            }));
        }
        Ok(users)
    }

    /// Makes one guild for each list of members, in the order of the lists; the first member owns it.
    ///
    /// Those that were made are in `made` even if a later one fails, so that they can be removed.
    pub async fn make_guilds(
        &self,
        members: &[Vec<u64>],
        name: &str,
        made: &mut Vec<Guild>,
    ) -> Result<()> {
        let requests = members.iter().enumerate().map(|(index, members)| {
            let name = format!("{name}-{index}");
            async move { self.make_guild(&name, members).await }
        });
        let mut requests = stream::iter(requests).buffered(GUILDS_AT_A_TIME);
        while let Some(guild) = requests.try_next().await? {
            made.push(guild);
        }
        Ok(())
    }

    async fn make_guild(&self, name: &str, members: &[u64]) -> Result<Guild> {
        let [owner, others @ ..] = members else {
            bail!("making guild {name}: it would have no members");
        };
        let others: Vec<String> = others.iter().map(u64::to_string).collect();
        let body = json!({
            "name": name,
            "owner_id": owner.to_string(),
            "member_ids": others,
            "channels": [{"name": "general", "type": 0}],
        });
        let request = self
            .client
            .post(format!("{}/admin/v1/guilds", self.base))
            .json(&body);
        let made: MadeGuild = self.send(request).await.context("making a guild")?;
        let channel = made.channels.first().context("a guild without channel")?;
        Ok(Guild {
            id: made.guild.id.0,
            channel: channel.id.0,
        })
    }

    /// Removes guilds.
    ///
    /// # Errors
    /// The first reason and the number of those that are left; the others are removed all the same.
    pub async fn remove_guilds(&self, guilds: &[Guild]) -> Result<()> {
        let requests = guilds.iter().map(|guild| async move {
            let url = format!("{}/admin/v1/guilds/{}", self.base, guild.id);
            let response = self
                .client
                .delete(url)
                .bearer_auth(&self.token)
                .send()
                .await?;
            response.error_for_status()?;
            anyhow::Ok(())
        });
        let results: Vec<Result<()>> = stream::iter(requests)
            .buffer_unordered(GUILDS_AT_A_TIME)
            .collect()
            .await;
        let failed = results.iter().filter(|result| result.is_err()).count();
        match results.into_iter().find_map(Result::err) {
            Some(error) => Err(error.context(format!("removing guilds: {failed} are left"))),
            None => Ok(()),
        }
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let response = request.bearer_auth(&self.token).send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        if !status.is_success() {
            let body = String::from_utf8_lossy(&body[..body.len().min(300)]);
            bail!("status {status}: {body}");
        }
        serde_json::from_slice(&body).context("an answer of another form than expected")
    }
}

/// The gateway's URL, as the REST API at `api` (with its prefix) says.
pub async fn gateway_url(api: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Gateway {
        url: String,
    }
    let url = format!("{}/gateway", api.trim_end_matches('/'));
    let client = Client::builder().timeout(TIMEOUT).no_proxy().build()?;
    let response = client.get(&url).send().await?.error_for_status()?;
    let gateway: Gateway = response.json().await.with_context(|| url)?;
    Ok(gateway.url)
}
