//! What happens around the bot: the demo users, over plain REST, and the outages of the proxy.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

/// A request that is answered with 429 is sent this often at most.
const ATTEMPTS: usize = 5;

/// A demo user at the REST base URL that leads past the proxy.
pub(crate) struct User {
    http: reqwest::Client,
    channel_url: String,
    base: String,
    token: String,
}

impl User {
    /// The user with `token`, who posts into `channel`.
    pub(crate) fn new(base: &str, channel: u64, token: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            channel_url: format!("{base}/channels/{channel}"),
            base: base.to_owned(),
            token: token.to_owned(),
        }
    }

    /// The user's own id.
    pub(crate) async fn id(&self) -> anyhow::Result<u64> {
        let url = format!("{}/users/@me", self.base);
        id_of(&self.request(Method::GET, &url, None).await?)
    }

    /// Posts a message; returns its id.
    pub(crate) async fn send(&self, content: &str) -> anyhow::Result<u64> {
        let url = format!("{}/messages", self.channel_url);
        let body = json!({ "content": content });
        id_of(&self.request(Method::POST, &url, Some(&body)).await?)
    }

    /// Changes the content of a message.
    pub(crate) async fn edit(&self, message: u64, content: &str) -> anyhow::Result<()> {
        let url = format!("{}/messages/{message}", self.channel_url);
        let body = json!({ "content": content });
        self.request(Method::PATCH, &url, Some(&body)).await?;
        Ok(())
    }

    /// Deletes a message.
    pub(crate) async fn delete(&self, message: u64) -> anyhow::Result<()> {
        let url = format!("{}/messages/{message}", self.channel_url);
        self.request(Method::DELETE, &url, None).await?;
        Ok(())
    }

    /// Adds or removes this user's reaction; `emoji` is percent-encoded.
    pub(crate) async fn react(
        &self,
        message: u64,
        emoji: &str,
        present: bool,
    ) -> anyhow::Result<()> {
        let method = if present { Method::PUT } else { Method::DELETE };
        let url = format!(
            "{}/messages/{message}/reactions/{emoji}/@me",
            self.channel_url
        );
        self.request(method, &url, None).await?;
        Ok(())
    }

    /// Says that this user is typing.
    pub(crate) async fn typing(&self) -> anyhow::Result<()> {
        let url = format!("{}/typing", self.channel_url);
        self.request(Method::POST, &url, None).await?;
        Ok(())
    }

    /// Sends one request; waits and repeats on 429, fails on any other error status.
    async fn request(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        for attempt in 1.. {
            let mut request = self
                .http
                .request(method.clone(), url)
                .header("authorization", &self.token);
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await?;
            let status = response.status();
            let text = response.text().await?;
            if status == StatusCode::TOO_MANY_REQUESTS && attempt < ATTEMPTS {
                let answer: Value = serde_json::from_str(&text)?;
                let seconds = answer["retry_after"].as_f64().context("no retry_after")?;
                sleep(Duration::from_secs_f64(seconds)).await;
                continue;
            }
            ensure!(status.is_success(), "{method} {url}: {status}: {text}");
            if text.is_empty() {
                return Ok(Value::Null);
            }
            return Ok(serde_json::from_str(&text)?);
        }
        bail!("unreachable: the last attempt returns")
    }
}

fn id_of(object: &Value) -> anyhow::Result<u64> {
    let id = object["id"].as_str().context("an object without id")?;
    Ok(id.parse()?)
}

/// The client's side of the proxy's control (see `../proxy.mjs`).
pub(crate) struct Outage {
    http: reqwest::Client,
    control: String,
}

impl Outage {
    /// The proxy whose control listens at `control`.
    pub(crate) fn new(control: String) -> Self {
        Self {
            http: reqwest::Client::new(),
            control,
        }
    }

    /// Resets every connection and holds new ones; unless `server_knows`, the server's side stays
    /// open and unread.
    pub(crate) async fn cut(&self, server_knows: bool) -> anyhow::Result<()> {
        let query = if server_knows { "" } else { "?server=open" };
        let url = format!("{}/cut{query}", self.control);
        let answer: Value = self.http.post(url).send().await?.json().await?;
        ensure!(
            answer["cut"].as_u64() > Some(0),
            "the proxy had no connection to cut"
        );
        Ok(())
    }

    /// Waits until the library has dialled again and is being held.
    pub(crate) async fn dialled_again(&self) -> anyhow::Result<()> {
        let url = format!("{}/state", self.control);
        loop {
            let state: Value = self.http.get(&url).send().await?.json().await?;
            if state["held"].as_u64() > Some(0) {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets held and new connections through.
    pub(crate) async fn release(&self) -> anyhow::Result<()> {
        let url = format!("{}/release", self.control);
        self.http.post(url).send().await?.error_for_status()?;
        Ok(())
    }
}
