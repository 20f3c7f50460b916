//! The server of a run: one that is named, or one of the run's own.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::RunArgs;
use super::stage::Stage;
use crate::fault::own::Own;
use crate::fault::{GuildMoves, Victim};

/// Where the server is.
#[derive(Debug)]
pub(super) struct Target {
    /// REST API with its prefix.
    pub(super) api: String,
    /// Admin API.
    pub(super) admin: String,
    pub(super) admin_token: String,
    /// Its process, if it was named.
    pid: Option<u32>,
    /// The server, if it was started for the run.
    pub(super) own: Option<Arc<Own>>,
}

impl Target {
    /// The named server; starts one if none is named.
    pub(super) fn find(args: &RunArgs) -> Result<Self> {
        if let Some(api) = &args.api {
            return Ok(Self {
                api: api.clone(),
                admin: args.admin.clone().context("--admin is missing")?,
                admin_token: args
                    .admin_token
                    .clone()
                    .context("--admin-token is missing")?,
                pid: args.server_pid,
                own: None,
            });
        }
        let own = Own::start(args.server.as_deref(), &args.set)?;
        let line = own.line().clone();
        Ok(Self {
            api: line.api,
            admin: line.admin,
            admin_token: line.admin_token,
            pid: None,
            own: Some(Arc::new(own)),
        })
    }

    /// The server's process now, if it is known.
    pub(super) fn pid(&self) -> Option<u32> {
        self.own.as_ref().map(|own| own.pid()).or(self.pid)
    }

    /// Whom faults are done to.
    pub(super) fn victim(&self, stage: &Stage, seed: u64) -> Result<Victim> {
        let guilds = stage.guild_ids.clone();
        Ok(Victim {
            pid: self.pid,
            own: self.own.clone(),
            proxy: None,
            moves: GuildMoves::new(&self.admin, &self.admin_token, guilds, seed)?,
        })
    }
}
