//! Guilds are moved from executor to executor, promoted and demoted, through the admin API.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// Wait between two moves.
const PAUSE: Duration = Duration::from_millis(100);

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Moves the guilds of a run.
#[derive(Debug, Clone)]
pub struct Moves {
    client: Client,
    base: String,
    token: String,
    guilds: Vec<u64>,
    seed: u64,
}

impl Moves {
    /// Of these guilds, through the admin API at `base`.
    pub fn new(base: &str, token: &str, guilds: Vec<u64>, seed: u64) -> Result<Self> {
        Ok(Self {
            client: Client::builder().timeout(TIMEOUT).no_proxy().build()?,
            base: base.trim_end_matches('/').to_owned(),
            token: token.to_owned(),
            guilds,
            seed,
        })
    }

    /// Moves a random guild every now and then; fails if no request was accepted.
    pub(super) async fn back_and_forth(&self, time: Duration) -> Result<()> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        // The timer's own clock.
        let end = Instant::now() + time;
        let executors = self.executors().await?;
        let (mut done, mut refused) = (0_u32, String::new());
        while Instant::now() < end {
            let guild = self.guilds[random.usize(..self.guilds.len())];
            let (verb, body) = match random.u32(..4) {
                0 => ("promote", json!({})),
                1 => ("demote", json!({})),
                _ => ("move", json!({"executor": random.usize(..executors)})),
            };
            match self.order(guild, verb, &body).await {
                Ok(()) => done += 1,
                Err(error) => refused = format!("{error:#}"),
            }
            sleep(PAUSE).await;
        }
        if done == 0 {
            bail!("no guild was moved: {refused}");
        }
        Ok(())
    }

    async fn executors(&self) -> Result<usize> {
        let url = format!("{}/admin/v1/executors", self.base);
        let request = self.client.get(url).bearer_auth(&self.token);
        let response = request.send().await?.error_for_status()?;
        let value: Value = response.json().await?;
        let list = value.get("executors").unwrap_or(&value).as_array();
        let count = list.context("no list of executors")?.len();
        Ok(count.max(1))
    }

    async fn order(&self, guild: u64, verb: &str, body: &Value) -> Result<()> {
        let url = format!("{}/admin/v1/guilds/{guild}/{verb}", self.base);
        let request = self.client.post(url).bearer_auth(&self.token).json(body);
        let response = request.send().await?;
        let status = response.status();
        if !status.is_success() {
            let text = response.text().await.unwrap_or_default();
            bail!("{verb}: status {status}: {text}");
        }
        Ok(())
    }
}
