//! The one door to guilds for everything above: who owns the guild, is it running, ask it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::actor::{GuildActor, GuildMail};
use super::command::{Command, NewMessage, Outcome, Request};
use super::registry::Registry;
use crate::placement::{NodeName, PlacementHandle};
use crate::protocol::{ApiError, GuildId};
use crate::supervision::mail::Mailer;

/// How often who waits for an answer looks whether the actor that was asked still answers: one that is
/// stuck answers nobody, and drops nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

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
    /// another node, its mailbox is full, its journal does not take writes, it was taken off
    /// a stuck executor meanwhile, or it did not answer in time.
    pub async fn ask(&self, guild: GuildId, request: Request) -> Outcome {
        let (reply, mut answer) = oneshot::channel();
        let mail = GuildMail::Ask { request, reply };
        let asked = self.owned(guild).and_then(|()| {
            let bytes = bytes_of(&mail);
            let post = |mailer: &Mailer<GuildActor>, incarnation| {
                mailer.post(mail, bytes).map(|()| incarnation)
            };
            let posted = self.inner.registry.with_mailer(guild, post);
            posted.map_err(|_| Unavailable)
        });
        let incarnation = asked.map_err(|_| ApiError::UNAVAILABLE)?;
        let end = Instant::now() + self.inner.timeout;
        loop {
            let look = end.min(Instant::now() + LOOK_AGAIN);
            let waited = tokio::time::timeout_at(look, &mut answer).await;
            let outcome = match waited {
                Ok(answered) => answered.ok(),
                Err(_) if look < end && self.inner.registry.answers_for(guild, incarnation) => {
                    continue;
                }
                // It may have answered with the last that it did.
                Err(_) => answer.try_recv().ok(),
            };
            return outcome.unwrap_or(Err(ApiError::UNAVAILABLE));
        }
    }

    /// The guilds that run here.
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    fn owned(&self, guild: GuildId) -> Result<(), Unavailable> {
        let placement = self.inner.placement.load();
        if *placement.owner(guild.get()) == self.inner.here {
            Ok(())
        } else {
            Err(Unavailable)
        }
    }

    /// Hands mail to a guild's actor, waking it first where it does not run.
    pub fn post(&self, guild: GuildId, mail: GuildMail) -> Result<(), Unavailable> {
        self.owned(guild)?;
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
                registry.with_mailer(guild, |mailer, _| mailer.post_control(mail));
                Ok(())
            }
            _ => registry
                .with_mailer(guild, |mailer, _| mailer.post(mail, bytes))
                .map_err(|_| Unavailable),
        }
    }
}

/// About how many bytes a message holds on to.
fn bytes_of(mail: &GuildMail) -> usize {
    const OVERHEAD: usize = 256;
    OVERHEAD
        + match mail {
            GuildMail::Ask { request, .. } => command_bytes(&request.command),
            _ => 0,
        }
}

/// About how many bytes a command holds on to.
pub(super) fn command_bytes(command: &Command) -> usize {
    match command {
        Command::CreateMessage(_, message) => message_bytes(message),
        Command::BulkDelete(_, ids) => 8 * ids.len(),
        _ => 1_024,
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
