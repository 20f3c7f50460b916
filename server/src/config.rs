//! Every setting: its key, default, unit and bounds, and where its value comes from.
//!
//! A value comes from a flag, else from the environment (`GUILDHALL_SECTION__KEY`), else from the
//! TOML file, else it is the default. Unknown keys are refused, and all faults are reported at
//! once. `guildhall config` prints what is in force.

pub mod admin;
pub mod auth;
mod check;
pub mod cluster;
mod error;
pub mod gateway;
pub mod guild;
pub mod limits;
pub mod listen;
pub mod log;
mod nats_address;
pub mod node;
mod page;
pub mod placement;
mod public_url;
mod reader;
pub mod secret;
mod setting;
mod sources;
pub mod store;
mod suggest;
#[cfg(test)]
mod tests;
mod value;

pub use error::{ConfigError, ConfigErrors, EXIT_BAD_CONFIG, Origin};
pub use log::LogFormat;
pub use nats_address::{NatsAddress, NatsLogin};
pub use page::page;
pub use public_url::{API_PATH, GATEWAY_PATH, InvalidPublicUrl, PublicUrl};
pub use secret::{Secret, SecretFileError};
pub use setting::{Setting, Unit};
pub use sources::{ENV_PREFIX, Flag, Sources};

use std::collections::BTreeMap;
use std::fmt;

/// The settings in force.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// Who this process is and what it runs on.
    pub node: node::Node,
    /// The main port.
    pub listen: listen::Listen,
    /// The operator's listener.
    pub admin: admin::Admin,
    /// Where data is kept.
    pub store: store::Store,
    /// The NATS servers that keep it instead.
    pub cluster: cluster::Cluster,
    /// What tokens are signed with.
    pub auth: auth::Auth,
    /// Sessions and their connections.
    pub gateway: gateway::Gateway,
    /// What one guild may hold.
    pub guild: guild::Guild,
    /// The ring.
    pub placement: placement::Placement,
    /// What one client may ask for.
    pub limits: limits::Limits,
    /// The log.
    pub log: log::Log,
    /// Where each value that is not a default was given.
    origins: BTreeMap<&'static str, Origin>,
}

/// Every setting there is, section by section.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    [
        node::Node::SETTINGS,
        listen::Listen::SETTINGS,
        admin::Admin::SETTINGS,
        store::Store::SETTINGS,
        cluster::Cluster::SETTINGS,
        auth::Auth::SETTINGS,
        gateway::Gateway::SETTINGS,
        guild::Guild::SETTINGS,
        placement::Placement::SETTINGS,
        limits::Limits::SETTINGS,
        log::Log::SETTINGS,
    ]
    .into_iter()
    .flatten()
}

impl Config {
    /// Lays the sources over one another and checks everything; either all settings are good or
    /// every fault is reported.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut reader = sources.layers();
        let mut config = Self {
            node: node::Node::read(&mut reader),
            listen: listen::Listen::read(&mut reader),
            admin: admin::Admin::read(&mut reader),
            store: store::Store::read(&mut reader),
            cluster: cluster::Cluster::read(&mut reader),
            auth: auth::Auth::read(&mut reader),
            gateway: gateway::Gateway::read(&mut reader),
            guild: guild::Guild::read(&mut reader),
            placement: placement::Placement::read(&mut reader),
            limits: limits::Limits::read(&mut reader),
            log: log::Log::read(&mut reader),
            origins: BTreeMap::new(),
        };
        config.origins = std::mem::take(&mut reader.origins);
        config.cross_check(&mut reader.errors);
        if reader.errors.is_empty() {
            Ok(config)
        } else {
            Err(ConfigErrors(reader.errors))
        }
    }

    /// Where the value of a setting was given.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    /// What tokens are signed with: the setting, or the secret kept in the data directory, made
    /// at the first call. Blocks on the disk.
    pub fn auth_secret(&self) -> Result<Secret, SecretFileError> {
        match &self.auth.secret {
            Some(secret) => Ok(secret.clone()),
            None => secret::load_or_create(&self.store.dir, auth::SECRET_FILE),
        }
    }

    /// The operator's token: the setting, or the one kept in the data directory, made at the
    /// first call. Blocks on the disk.
    pub fn admin_token(&self) -> Result<Secret, SecretFileError> {
        match &self.admin.token {
            Some(token) => Ok(token.clone()),
            None => secret::load_or_create(&self.store.dir, admin::TOKEN_FILE),
        }
    }

    fn cross_check(&self, errors: &mut Vec<ConfigError>) {
        let mut conflict = |one, other, reason: &str| {
            errors.push(ConfigError::Conflict {
                one,
                other,
                reason: reason.to_owned(),
            });
        };
        let same_host = self.listen.host == self.admin.host
            || self.listen.host.is_unspecified()
            || self.admin.host.is_unspecified();
        if same_host && self.listen.port != 0 && self.listen.port == self.admin.port {
            conflict("listen.port", "admin.port", "both are the same port");
        }
        if !self.cluster.nats.is_empty() && self.store.durability == store::Durability::Memory {
            let reason = "what is kept on NATS cannot be kept nowhere";
            conflict("cluster.nats", "store.durability", reason);
        }
        if !self.cluster.nats.is_empty() && !self.placement.overrides.is_empty() {
            let reason = "the nodes of a cluster have no pins yet";
            conflict("cluster.nats", "placement.overrides", reason);
        }
        if self.cluster.dead_after_ms < 3 * self.cluster.heartbeat_ms {
            let reason = "a node must be able to miss a heartbeat";
            conflict("cluster.dead_after_ms", "cluster.heartbeat_ms", reason);
        }
        if self.guild.mailbox_max_bytes < self.limits.body_max_bytes {
            let reason = "a mailbox must have room for the largest request";
            conflict("guild.mailbox_max_bytes", "limits.body_max_bytes", reason);
        }
        if self.listen.tls_cert.is_some() != self.listen.tls_key.is_some() {
            let reason = "a certificate needs its key";
            conflict("listen.tls_cert", "listen.tls_key", reason);
        }
        if self.admin.tls_cert.is_some() != self.admin.tls_key.is_some() {
            let reason = "a certificate needs its key";
            conflict("admin.tls_cert", "admin.tls_key", reason);
        }
        if self.gateway.silent_timeout_s > self.gateway.identify_timeout_s {
            let reason = "a silent connection may not stay longer than one that heartbeats";
            conflict(
                "gateway.silent_timeout_s",
                "gateway.identify_timeout_s",
                reason,
            );
        }
    }

    fn shown(&self) -> Vec<Option<String>> {
        [
            self.node.shown(),
            self.listen.shown(),
            self.admin.shown(),
            self.store.shown(),
            self.cluster.shown(),
            self.auth.shown(),
            self.gateway.shown(),
            self.guild.shown(),
            self.placement.shown(),
            self.limits.shown(),
            self.log.shown(),
        ]
        .concat()
    }
}

/// The settings in force as a TOML file with comments. Secrets are hidden: their lines are
/// comments, so that the output is a valid configuration all the same.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = "";
        for (setting, value) in settings().zip(self.shown()) {
            let (in_section, name) = setting.key.split_once('.').expect("a key is section.name");
            if in_section != section {
                let gap = if section.is_empty() { "" } else { "\n" };
                writeln!(f, "{gap}[{in_section}]")?;
                section = in_section;
            }
            for line in setting.doc.lines() {
                writeln!(f, "#{line}")?;
            }
            let unit = match setting.unit {
                Unit::None => String::new(),
                unit => format!("{unit}; "),
            };
            let default = (setting.default)().unwrap_or_else(|| "not set".to_owned());
            match self.origin(setting.key) {
                Origin::Default => writeln!(f, "# {unit}default {default}")?,
                origin => writeln!(f, "# {unit}default {default}; from {origin}")?,
            }
            match value {
                Some(value) if value.contains(nats_address::HIDDEN) => {
                    writeln!(f, "# {name} = {value}")?;
                }
                Some(value) => writeln!(f, "{name} = {value}")?,
                None => writeln!(f, "# {name} is not set")?,
            }
        }
        Ok(())
    }
}
