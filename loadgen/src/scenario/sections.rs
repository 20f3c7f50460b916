//! The sections of a scenario. Times are in seconds, rates per second, shares from 0 to 1.

use serde::{Deserialize, Serialize};

pub(super) fn sessions() -> u32 {
    100
}

/// Guilds and who is in them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guilds {
    /// How many.
    pub count: u32,
    /// Guilds of each user.
    pub per_session: u32,
    /// Exponent of the sizes: the n-th guild is `1 / n^skew` as likely to be chosen; 0 makes all alike.
    pub size_skew: f64,
    /// Channels that not every member may see.
    pub private: Option<Private>,
}

impl Default for Guilds {
    fn default() -> Self {
        Self {
            count: 1,
            per_session: 1,
            size_skew: 0.0,
            private: None,
        }
    }
}

/// Private channels: one in some of the guilds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Private {
    /// Share of the guilds that have one.
    pub guilds: f64,
    /// Share of the members who may see it, at most 50 of them; the owner always may.
    pub insiders: f64,
    /// Share of such a guild's messages that are posted there.
    pub traffic: f64,
}

/// When messages are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// At even intervals.
    Even,
    /// Independently of each other.
    Poisson,
}

/// What is posted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traffic {
    /// Messages over all guilds.
    pub rate: f64,
    /// Bytes of a message's content.
    pub payload: u32,
    /// When they are due.
    pub arrivals: Arrivals,
    /// Exponent of the guilds' shares; 0 lets them take turns.
    pub guild_skew: f64,
    /// Exponent of the members' shares; 0 lets them take turns.
    pub sender_skew: f64,
    /// Typing notices over all guilds.
    pub typing: f64,
    /// Presence updates over all sessions.
    pub presence: f64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            rate: 10.0,
            payload: 120,
            arrivals: Arrivals::Even,
            guild_skew: 0.0,
            sender_skew: 0.0,
            typing: 0.0,
            presence: 0.0,
        }
    }
}

/// How long what lasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Phases {
    /// From nothing to the full rate.
    pub ramp_up: f64,
    /// Full rate, checked but not measured.
    pub warm_up: f64,
    /// Full rate, measured.
    pub steady: f64,
    /// From the full rate to nothing.
    pub ramp_down: f64,
}

impl Default for Phases {
    fn default() -> Self {
        Self {
            ramp_up: 0.0,
            warm_up: 3.0,
            steady: 10.0,
            ramp_down: 0.0,
        }
    }
}

impl Phases {
    /// All of them, in seconds.
    pub fn total(&self) -> f64 {
        self.ramp_up + self.warm_up + self.steady + self.ramp_down
    }
}

/// The first guild takes over the traffic and gives it back, within the steady phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hot {
    /// Its share of the messages at the start and at the end.
    pub from: f64,
    /// Its share in the middle.
    pub to: f64,
}

/// Moments at which all connections break.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storm {
    /// When, from the start of the steady phase.
    pub at: Vec<f64>,
    /// Each session comes back after a random time up to this, one for each moment; the last stands for the rest.
    pub jitter: Vec<f64>,
    /// Whether sessions resume; otherwise they identify anew.
    #[serde(default = "yes")]
    pub resume: bool,
}

fn yes() -> bool {
    true
}

/// Clients that do not keep up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// Share of the sessions that read slowly.
    pub share: f64,
    /// Bytes that such a session reads.
    #[serde(default = "kilobyte")]
    pub bytes_per_second: u32,
    /// Further sessions, as a share of all, that identify and never read.
    #[serde(default)]
    pub deaf: f64,
}

fn kilobyte() -> u32 {
    1_024
}

/// Changes beside the messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Churn {
    /// Members that leave a guild.
    pub leaves: f64,
    /// How long they are away.
    pub away: f64,
    /// Channels made, and removed again.
    pub channels: f64,
    /// Roles made, given to the owner, and removed again.
    pub roles: f64,
}

impl Default for Churn {
    fn default() -> Self {
        Self {
            leaves: 0.0,
            away: 1.0,
            channels: 0.0,
            roles: 0.0,
        }
    }
}

/// Clients that are not like the others; shares of the users.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clients {
    /// Read `zlib-stream`.
    pub compressed: f64,
    /// Ask for every event.
    pub all_intents: f64,
    /// Ask for no messages, and must get none.
    pub no_messages: f64,
    /// Have two sessions that share the guilds.
    pub sharded: f64,
}
