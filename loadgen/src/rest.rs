//! The REST API for the few requests that are not measured. A 429 is waited for.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::sleep;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Times that a 429 or a broken connection is waited for.
const TRIES: u32 = 20;

/// Wait after a request that could not be carried out.
const BACKOFF: Duration = Duration::from_millis(250);

#[derive(Deserialize)]
struct Limited {
    retry_after: f64,
}

/// A REST API.
#[derive(Debug, Clone)]
pub struct Rest {
    client: Client,
    base: String,
}

impl Rest {
    /// The API at `base`, prefix included.
    pub fn new(base: &str) -> Result<Self> {
        let client = Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Self {
            client,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// Posts and reads the answer.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        token: &str,
        body: &Value,
    ) -> Result<T> {
        let answer = self.send(Method::POST, path, token, Some(body)).await?;
        serde_json::from_slice(&answer).context("an answer of another form than expected")
    }

    /// Carries out a request whose answer does not matter, and gives the answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<Vec<u8>> {
        let mut tries = 0;
        loop {
            let url = format!("{}{path}", self.base);
            let mut request = self.client.request(method.clone(), url);
            request = request.header("authorization", token);
            if let Some(body) = body {
                request = request.json(body);
            }
            tries += 1;
            let response = match request.send().await {
                Ok(response) => response,
                // The server may be about to come back.
                Err(_) if tries < TRIES => {
                    sleep(BACKOFF).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let status = response.status();
            let bytes = response.bytes().await.unwrap_or_default();
            match status.as_u16() {
                200..=299 => return Ok(bytes.to_vec()),
                429 if tries < TRIES => {
                    let limited = serde_json::from_slice::<Limited>(&bytes).ok();
                    let after = limited.map_or(1.0, |limited| limited.retry_after);
                    sleep(Duration::from_secs_f64(after.clamp(0.01, 60.0))).await;
                }
                500..=599 if tries < TRIES => sleep(BACKOFF).await,
                _ => {
                    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]);
                    bail!("{method} {path}: status {status}: {text}");
                }
            }
        }
    }
}
