//! A guild's whole state as bytes, so that a replay need not begin at the first record.
//!
//! `{"v":1,"state":{…}}`; made of acknowledged state alone.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::json;
use super::limits::CoreSettings;
use super::memory::MessageMemory;
use super::nonces::{Nonces, Used};
use super::remembered::Remembered;
use super::retention::Milestones;
use super::slow_mode::{SlowMode, SlowModeImage};
use super::state::{Guild, Life, State, flat};
use crate::guild::seldom::Seldom;
use crate::protocol::objects::{Channel, GuildSettings, Member, Role};
use crate::protocol::{GuildId, MessageId, Position};

/// The version that is written.
pub(super) const VERSION: u64 = 1;

/// Why a snapshot cannot be read. The journal can be replayed from its first record instead.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A version that this build does not know.
    #[error("snapshot has version {0}, this build reads {VERSION}")]
    Version(u64),
    /// It is not a snapshot.
    #[error("snapshot is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Written<'s> {
    v: u64,
    state: StateImage<'s>,
}

#[derive(Serialize)]
struct StateImage<'s> {
    id: GuildId,
    position: Position,
    life: LifeImage<'s>,
}

#[derive(Serialize)]
enum LifeImage<'s> {
    Unborn,
    Alive(GuildImage<'s>),
    Deleted,
}

#[derive(Serialize)]
struct GuildImage<'s> {
    settings: &'s GuildSettings,
    direct: bool,
    roles: Vec<&'s Role>,
    channels: Vec<&'s Channel>,
    members: Vec<&'s Member>,
    last_message_id: u64,
    messages: Vec<&'s Remembered>,
    /// The newest message that memory has forgotten, and the newest one that is gone; 0 where none is.
    forgotten: u64,
    trimmed: u64,
    milestones: &'s Milestones,
    nonces: Vec<&'s Used>,
    slow_mode: SlowModeImage,
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

#[derive(Deserialize)]
struct Read {
    state: ReadState,
}

#[derive(Deserialize)]
struct ReadState {
    id: GuildId,
    position: Position,
    life: ReadLife,
}

#[derive(Deserialize)]
enum ReadLife {
    Unborn,
    Alive(Box<ReadGuild>),
    Deleted,
}

#[derive(Deserialize)]
struct ReadGuild {
    settings: GuildSettings,
    direct: bool,
    roles: Vec<Role>,
    channels: Vec<Channel>,
    members: Vec<Arc<Member>>,
    last_message_id: u64,
    messages: Vec<Remembered>,
    /// Not in snapshots that were written before history went beyond memory.
    forgotten: Option<u64>,
    #[serde(default)]
    trimmed: u64,
    #[serde(default)]
    milestones: Milestones,
    nonces: Vec<Used>,
    slow_mode: SlowModeImage,
}

impl State {
    pub(super) fn to_snapshot(&self) -> Bytes {
        let life = match &self.life {
            Life::Unborn => LifeImage::Unborn,
            Life::Deleted => LifeImage::Deleted,
            Life::Alive(guild) => LifeImage::Alive(GuildImage {
                settings: &guild.settings,
                direct: guild.direct,
                roles: guild.roles.values().map(|role| &**role).collect(),
                channels: guild.channels.values().map(|channel| &**channel).collect(),
                members: guild.members.values().map(|member| &**member).collect(),
                last_message_id: guild.last_message_id.get(),
                messages: guild.memory.iter().collect(),
                forgotten: guild.memory.floor().get(),
                trimmed: guild.memory.trimmed().get(),
                milestones: &guild.milestones,
                nonces: guild.nonces.iter().collect(),
                slow_mode: guild.slow_mode.image(),
            }),
        };
        let written = Written {
            v: VERSION,
            state: StateImage {
                id: self.id,
                position: self.position,
                life,
            },
        };
        json::to_vec(&written).into()
    }

    pub(super) fn from_snapshot(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let Version { v } = serde_json::from_slice(bytes)?;
        if v != VERSION {
            return Err(SnapshotError::Version(v));
        }
        let Read { state } = serde_json::from_slice(bytes)?;
        let life = match state.life {
            ReadLife::Unborn => Life::Unborn,
            ReadLife::Deleted => Life::Deleted,
            ReadLife::Alive(guild) => Life::Alive(Box::new(Guild::from(*guild))),
        };
        Ok(Self {
            id: state.id,
            position: state.position,
            life,
        })
    }
}

impl From<ReadGuild> for Guild {
    fn from(read: ReadGuild) -> Self {
        // What was within the limits when it was written is not cut again: the tail decides.
        let unlimited = CoreSettings {
            max_messages: usize::MAX,
            max_message_bytes: usize::MAX,
            nonce_ttl_ms: u64::MAX,
            max_nonces: usize::MAX,
            ..CoreSettings::default()
        };
        let mut nonces = Nonces::default();
        for used in read.nonces {
            nonces.remember(used, &unlimited);
        }
        // Anything older than what is there may have been forgotten.
        let forgotten = read.forgotten.unwrap_or_else(|| {
            let oldest = read.messages.iter().map(|entry| entry.message.id).min();
            oldest.map_or(read.last_message_id, |oldest| oldest.get() - 1)
        });
        let mut guild = Self {
            settings: read.settings,
            direct: read.direct,
            roles: flat(read.roles, |role| role.id),
            channels: flat(read.channels, |channel| channel.id),
            members: read.members.into_iter().collect(),
            last_message_id: MessageId::new(read.last_message_id),
            memory: MessageMemory::after(MessageId::new(forgotten), MessageId::new(read.trimmed)),
            milestones: read.milestones.into(),
            nonces,
            slow_mode: SlowMode::from_image(read.slow_mode).into(),
            tables: Seldom::new(),
        };
        for mut entry in read.messages {
            guild.share_author(&mut entry.message);
            guild.memory.insert(entry, &unlimited);
        }
        guild
    }
}
