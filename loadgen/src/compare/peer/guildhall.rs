//! Guildhall as its users run it: default settings but for free ports, one guild with one member per receiver.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{Cores, Scratch, Server, Started, version_of};
use crate::compare::driver::gateway::Gateway;
use crate::endpoint::Endpoint;
use crate::provision::Admin;

/// What `guildhall dev --json` prints.
#[derive(Debug, Deserialize)]
struct Line {
    api: String,
    gateway: String,
    admin: String,
    admin_token: String,
}

/// Starts it and makes the users and their guild.
pub(super) fn start(
    binary: &Path,
    durability: &str,
    cores: Cores,
    receivers: u32,
) -> Result<Started> {
    let scratch = Scratch::new()?;
    let data = scratch.path().join("data");
    let mut command = vec![binary.as_os_str().to_owned(), "dev".into()];
    command.extend(["--json", "--port", "0", "--admin-port", "0", "--data"].map(Into::into));
    command.push(data.into_os_string());
    command.push("--set".into());
    command.push(format!("store.durability={durability}").into());
    let mut server = Server::start(&command, cores, scratch)?;
    let line = server.first_line()?;
    let line: Line = serde_json::from_str(&line).context("reading the server's first line")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (tokens, channel) = runtime.block_on(async {
        let admin = Admin::new(&line.admin, &line.admin_token)?;
        let users = admin.make_users(receivers as usize, "compare").await?;
        let members = users.iter().map(|user| user.id).collect();
        let mut guilds = Vec::new();
        admin
            .make_guilds(&[members], "compare", &mut guilds)
            .await?;
        let tokens: Vec<Box<str>> = users.into_iter().map(|user| user.token).collect();
        anyhow::Ok((tokens, guilds[0].channel))
    })?;
    let gateway = Endpoint::parse(&line.gateway, "ws")?;
    let api = Endpoint::parse(&line.api, "http")?;
    Ok(Started {
        server,
        driver: Box::new(Gateway::new(gateway, api, channel, tokens)),
        version: version_of(binary)?,
    })
}
