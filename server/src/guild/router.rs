//! The one door to guilds for everything above: who owns the guild, is it running, ask it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::actor::GuildMail;
use super::command::{Command, NewMessage, Outcome, Request};
use super::registry::Registry;
use crate::placement::{NodeName, PlacementHandle};
use crate::protocol::{ApiError, GuildId};

/// Finds a guild's node and actor and hands it requests. Cheap to clone.
#[derive(Clone)]
pub struct Router {
    inner: Arc<Inner>,
}

struct Inner {
    placement: PlacementHandle,
    here: NodeName,
    registry: Registry,
    timeout: Duration,
}

/// The guild cannot take mail now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

impl Router {
    /// A router of the node `here`; requests are given up after `timeout`.
    pub fn new(
        placement: PlacementHandle,
        here: NodeName,
        registry: Registry,
        timeout: Duration,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                placement,
                here,
                registry,
                timeout,
            }),
        }
    }

    /// Asks a guild, waking it first where it does not run.
    ///
    /// Errors: `UNKNOWN_GUILD` where no such guild was ever made; `UNAVAILABLE` where it lives on
    /// another node, its mailbox is full, its journal does not take writes, or it did not answer
    /// in time.
    pub async fn ask(&self, guild: GuildId, request: Request) -> Outcome {
        let (reply, answer) = oneshot::channel();
        self.post(guild, GuildMail::Ask { request, reply })
            .map_err(|_| ApiError::UNAVAILABLE)?;
        match tokio::time::timeout(self.inner.timeout, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(ApiError::UNAVAILABLE),
        }
    }

    /// Hands mail to a guild's actor, waking it first where it does not run.
    pub fn post(&self, guild: GuildId, mail: GuildMail) -> Result<(), Unavailable> {
        let placement = self.inner.placement.load();
        if *placement.owner(guild.get()) != self.inner.here {
            return Err(Unavailable);
        }
        let bytes = bytes_of(&mail);
        let registry = &self.inner.registry;
        match &mail {
            // What a hub must not lose, and sends once per session and guild. A guild that does not
            // run has nothing to forget.
            GuildMail::Detach { .. } => {
                registry.with_running(guild, |mailer| mailer.post_control(mail));
                Ok(())
            }
            // Once per hub, or by hand.
            GuildMail::Rejoin { .. } | GuildMail::Restart => {
                registry.with_mailer(guild, |mailer| mailer.post_control(mail));
                Ok(())
            }
            _ => registry
                .with_mailer(guild, |mailer| mailer.post(mail, bytes))
                .map_err(|_| Unavailable),
        }
    }
}

/// About how many bytes a message holds on to.
fn bytes_of(mail: &GuildMail) -> usize {
    const OVERHEAD: usize = 256;
    OVERHEAD
        + match mail {
            GuildMail::Ask { request, .. } => match &request.command {
                Command::CreateMessage(_, message) => message_bytes(message),
                _ => 1_024,
            },
            _ => 0,
        }
}

fn message_bytes(message: &NewMessage) -> usize {
    let raw: usize = message
        .embeds
        .iter()
        .chain(&message.components)
        .map(|value| value.get().len())
        .sum();
    message.content.len() + raw
}
