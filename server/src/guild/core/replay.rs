//! One step of a guild: take in an event and say what hubs are to be told.
//!
//! The live guild and a replay take the same step, so a stretch of the journal that somebody missed
//! yields the very items that were sent, tables included.

use std::sync::Arc;

use super::limits::CoreSettings;
use super::render::{self, Items, Scope};
use super::snapshot::SnapshotError;
use super::state::{Guild, Life, State};
use crate::fanout::Item;
use crate::guild::event::Event;
use crate::protocol::{GuildId, Position};

impl State {
    /// What all events of the guild have in common.
    pub(super) fn scope(&self) -> Scope {
        Scope {
            guild: self.id,
            direct: matches!(&self.life, Life::Alive(guild) if guild.direct),
        }
    }

    /// Takes in the record at `position` and renders it.
    pub(super) fn advance(
        &mut self,
        position: Position,
        event: Event,
        limits: &CoreSettings,
    ) -> Items {
        let mut items = render::items(self.scope(), position, &event);
        let new_table = matches!(&self.life, Life::Alive(guild) if guild.changes_table(&event));
        self.apply(position, event, limits);
        if new_table && let Life::Alive(guild) = &mut self.life {
            // First, so that what follows is filtered by the new rules.
            let table = guild.table();
            items.insert(0, Item::Visibility { position, table });
        }
        items
    }
}

/// The items of a record, where they can be known without the state: not of what may change who sees
/// what.
pub fn items_of(scope: Scope, position: Position, event: &Event) -> Option<Items> {
    let needs_state = !scope.direct
        && matches!(
            event,
            Event::ChannelCreated(_)
                | Event::ChannelUpdated(_)
                | Event::ChannelDeleted(_)
                | Event::RoleCreated(_)
                | Event::RoleUpdated(_)
                | Event::RoleDeleted { .. }
                | Event::GuildUpdated { .. }
        );
    (!needs_state).then(|| render::items(scope, position, event))
}

impl Guild {
    /// Whether hubs need a new table after this event.
    fn changes_table(&self, event: &Event) -> bool {
        if self.direct {
            return false;
        }
        match event {
            Event::ChannelCreated(_)
            | Event::ChannelUpdated(_)
            | Event::ChannelDeleted(_)
            | Event::RoleCreated(_)
            | Event::RoleDeleted { .. } => true,
            Event::RoleUpdated(role) => self
                .roles
                .get(&role.id)
                .is_none_or(|before| before.permissions != role.permissions),
            Event::GuildUpdated { settings, .. } => self.settings.owner_id != settings.owner_id,
            _ => false,
        }
    }
}

/// Walks along a guild's journal and renders what hubs were told.
#[derive(Debug)]
pub struct Replay {
    state: State,
    settings: Arc<CoreSettings>,
}

impl Replay {
    /// Starts before the first record.
    pub fn new(guild: GuildId, settings: Arc<CoreSettings>) -> Self {
        Self {
            state: State::new(guild),
            settings,
        }
    }

    /// Starts after the last record of a snapshot.
    pub fn from_snapshot(bytes: &[u8], settings: Arc<CoreSettings>) -> Result<Self, SnapshotError> {
        let state = State::from_snapshot(bytes)?;
        Ok(Self { state, settings })
    }

    /// The state so far.
    #[cfg(any(test, feature = "fuzz-targets"))]
    pub fn to_snapshot(&self) -> bytes::Bytes {
        self.state.to_snapshot()
    }

    /// The last record taken in.
    pub fn position(&self) -> Position {
        self.state.position
    }

    /// Takes in the next record. Panics where `position` is not the next one.
    pub fn step(&mut self, position: Position, event: Event) -> Items {
        self.state.advance(position, event, &self.settings)
    }
}
