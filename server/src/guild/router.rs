//! The one door to guilds for everything above: who owns the guild, is it running, ask it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::actor::{GuildActor, GuildMail};
use super::command::{Command, NewMessage, Outcome, Request};
use super::departure::is_moved_away;
use super::registry::{Registry, Tenure};
use super::remote::{Asked, Remote};
use crate::placement::{NodeName, PlacementHandle};
use crate::protocol::{ApiError, GuildId};
use crate::spans;
use crate::supervision::mail::Mailer;
use crate::supervision::pauses::Pauses;

/// How often who waits for an answer looks whether the actor that was asked still answers: one that is
/// stuck answers nobody, and drops nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The first pause where the node that owns a guild has not got a request; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

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
    remote: OnceLock<Arc<dyn Remote>>,
}

/// Where a guild is to be found.
enum Place {
    Here,
    There(NodeName, Arc<dyn Remote>),
    Nowhere,
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
                remote: OnceLock::new(),
            }),
        }
    }

    /// Makes the way to other nodes known; once.
    pub fn connect(&self, remote: Arc<dyn Remote>) {
        // A second one would be a mistake of the program, and changes nothing.
        let _ = self.inner.remote.set(remote);
    }

    /// Asks a guild, waking it first where it does not run.
    ///
    /// Errors: `UNKNOWN_GUILD` where no such guild was ever made; `UNAVAILABLE` where no node has it,
    /// its mailbox is full, its journal does not take writes, it was taken off
    /// a stuck executor meanwhile, or it did not answer in time.
    pub async fn ask(&self, guild: GuildId, request: Request) -> Outcome {
        let end = Instant::now() + self.inner.timeout;
        let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let asked = match self.place(guild) {
                Place::Here if self.inner.remote.get().is_none() => {
                    return self.ask_actor(guild, request, end).await;
                }
                Place::Here => self.ask_mine(guild, request.clone(), end).await,
                Place::There(node, remote) => remote.ask(&node, guild, &request, end).await,
                Place::Nowhere => return Err(ApiError::UNAVAILABLE),
            };
            match asked {
                Asked::Answered(outcome) => return outcome,
                Asked::NotThere => {
                    // It is on its way to another node.
                    let pause = pauses.pause();
                    if Instant::now() + pause >= end {
                        return Err(ApiError::UNAVAILABLE);
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Asks a guild of this node, for another one that waits until `end`.
    pub async fn ask_here(&self, guild: GuildId, request: Request, end: Instant) -> Asked {
        let end = end.min(Instant::now() + self.inner.timeout);
        match self.place(guild) {
            Place::Here => self.ask_mine(guild, request, end).await,
            Place::There(..) | Place::Nowhere => Asked::NotThere,
        }
    }

    /// Asks a guild of this node that may be about to go to another one.
    async fn ask_mine(&self, guild: GuildId, request: Request, end: Instant) -> Asked {
        match self.ask_actor(guild, request, end).await {
            Err(error) if is_moved_away(&error) => Asked::NotThere,
            outcome => Asked::Answered(outcome),
        }
    }

    async fn ask_actor(&self, guild: GuildId, request: Request, end: Instant) -> Outcome {
        let (reply, mut answer) = oneshot::channel();
        let way = spans::current();
        let mail = GuildMail::Ask {
            request,
            reply,
            way,
        };
        let bytes = bytes_of(&mail);
        let post = |mailer: &Mailer<GuildActor>, tenure: &Tenure| {
            mailer.post(mail, bytes).map(|()| tenure.clone())
        };
        let posted = self.inner.registry.with_mailer(guild, post);
        let asked = posted.map_err(|_| ApiError::UNAVAILABLE)?;
        // One that goes to another node is not the guild's any more, and answers all the same.
        let answers = || {
            let registry = &self.inner.registry;
            registry.answers_for(guild, asked.incarnation) || asked.evicted.forward().is_some()
        };
        loop {
            let look = end.min(Instant::now() + LOOK_AGAIN);
            let waited = tokio::time::timeout_at(look, &mut answer).await;
            let outcome = match waited {
                Ok(answered) => answered.ok(),
                Err(_) if look < end && answers() => continue,
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

    /// The node that owns a guild.
    pub fn owner(&self, guild: GuildId) -> NodeName {
        self.inner.placement.load().owner(guild.get()).clone()
    }

    /// The number of the placement that guilds are found by.
    pub fn generation(&self) -> u64 {
        self.inner.placement.load().generation().0
    }

    fn place(&self, guild: GuildId) -> Place {
        let placement = self.inner.placement.load();
        let owner = placement.owner(guild.get());
        let remote = self.inner.remote.get();
        if *owner == self.inner.here {
            let serves = remote.is_none_or(|remote| remote.may_serve());
            return if serves { Place::Here } else { Place::Nowhere };
        }
        remote.map_or(Place::Nowhere, |remote| {
            Place::There(owner.clone(), Arc::clone(remote))
        })
    }

    /// Hands mail to a guild's actor, waking it first where it does not run.
    pub fn post(&self, guild: GuildId, mail: GuildMail) -> Result<(), Unavailable> {
        match self.place(guild) {
            Place::Here => self.post_to_actor(guild, mail),
            Place::There(node, remote) => remote.post(&node, guild, mail),
            Place::Nowhere => Err(Unavailable),
        }
    }

    /// The same for a guild of this node alone.
    pub fn post_here(&self, guild: GuildId, mail: GuildMail) -> Result<(), Unavailable> {
        match self.place(guild) {
            Place::Here => self.post_to_actor(guild, mail),
            Place::There(..) | Place::Nowhere => Err(Unavailable),
        }
    }

    fn post_to_actor(&self, guild: GuildId, mail: GuildMail) -> Result<(), Unavailable> {
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
