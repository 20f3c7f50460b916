//! Private channels, made through the REST API by the guilds' owners.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::payload::Snowflake;
use crate::rest::Rest;

/// `VIEW_CHANNEL`.
const VIEW: &str = "1024";

#[derive(Deserialize)]
struct Made {
    id: Snowflake,
}

/// Makes a text channel of `guild` that nobody may see but its owner, whose token it is, and `insiders`.
pub async fn make_private_channel(
    rest: &Rest,
    owner: &str,
    guild: u64,
    insiders: &[u64],
) -> Result<u64> {
    let everyone = json!({"id": guild.to_string(), "type": 0, "deny": VIEW, "allow": "0"});
    let insider = |id: &u64| json!({"id": id.to_string(), "type": 1, "allow": VIEW, "deny": "0"});
    let overwrites: Vec<Value> = [everyone]
        .into_iter()
        .chain(insiders.iter().map(insider))
        .collect();
    let body = json!({"name": "private", "type": 0, "permission_overwrites": overwrites});
    let path = format!("/guilds/{guild}/channels");
    let made: Made = rest
        .post(&path, owner, &body)
        .await
        .context("making a private channel")?;
    Ok(made.id.0)
}
