//! Who sees which channel: the table that a guild shares with its hubs.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::channel_set::ChannelSet;
use crate::protocol::objects::Overwrite;
use crate::protocol::permissions::{base_permissions, permissions_in};
use crate::protocol::{ChannelId, GuildId, Permissions, RoleId, UserId};

/// The part of a guild's state that decides which member sees which channel. Immutable: a change
/// makes a new table.
#[derive(Debug, Serialize, Deserialize)]
pub struct Visibility {
    /// The guild; its id is also that of the `@everyone` role.
    pub guild: GuildId,
    /// Sees everything.
    pub owner: UserId,
    /// What `@everyone` may do.
    pub everyone: Permissions,
    /// What each further role grants.
    pub roles: HashMap<RoleId, Permissions>,
    /// Every channel, by rising id; the index is the channel's *slot*.
    pub channels: Vec<VisibleChannel>,
    /// Whether this is a direct message channel, which every member sees.
    pub direct: bool,
}

/// A channel as hubs know it.
#[derive(Debug, Serialize, Deserialize)]
pub struct VisibleChannel {
    /// The channel.
    pub id: ChannelId,
    /// Its exceptions.
    pub overwrites: Vec<Overwrite>,
    /// The channel object as in GUILD_CREATE (no `guild_id`), a whole JSON object.
    #[serde(with = "raw_json")]
    pub body: Bytes,
}

impl Visibility {
    /// The slot of a channel; `None` where the table does not have it.
    pub fn slot(&self, channel: ChannelId) -> Option<usize> {
        self.channels
            .binary_search_by_key(&channel, |entry| entry.id)
            .ok()
    }

    /// The channels that a member with these roles sees. A time-out takes nothing from this: a
    /// timed-out member still reads.
    pub fn visible_to(&self, user: UserId, roles: &[RoleId]) -> ChannelSet {
        let count = self.channels.len();
        let granted = roles
            .iter()
            .filter_map(|role| self.roles.get(role).copied());
        let base = base_permissions(user == self.owner, self.everyone, granted);
        if self.direct || base.contains(Permissions::ADMINISTRATOR) {
            return ChannelSet::first(count);
        }
        // Most channels have no overwrites, and then the answer is the same for all of them.
        let by_default = base.contains(Permissions::VIEW_CHANNEL);
        let mut set = ChannelSet::default();
        for (slot, channel) in self.channels.iter().enumerate() {
            let visible = if channel.overwrites.is_empty() {
                by_default
            } else {
                permissions_in(base, false, self.guild, user, roles, &channel.overwrites)
                    .contains(Permissions::VIEW_CHANNEL)
            };
            if visible {
                set.insert(slot);
            }
        }
        set
    }
}

/// A body that is JSON already is kept as it is.
mod raw_json {
    use bytes::Bytes;
    use serde::ser::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::value::RawValue;

    pub(super) fn serialize<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_slice(body).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Bytes, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Bytes::from(String::from(Box::<str>::from(raw))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::objects::OverwriteType;

    const GUILD: GuildId = GuildId::new(1_000);
    const OWNER: UserId = UserId::new(1);
    const ALICE: UserId = UserId::new(2);
    const ROLE: RoleId = RoleId::new(50);

    fn overwrite(id: u64, kind: OverwriteType, allow: Permissions, deny: Permissions) -> Overwrite {
        Overwrite {
            id,
            kind,
            allow,
            deny,
        }
    }

    fn table(everyone: Permissions, overwrites: Vec<Vec<Overwrite>>) -> Visibility {
        Visibility {
            guild: GUILD,
            owner: OWNER,
            everyone,
            roles: HashMap::from([
                (ROLE, Permissions::NONE),
                (RoleId::new(51), Permissions::ADMINISTRATOR),
            ]),
            channels: overwrites
                .into_iter()
                .zip(0_u64..)
                .map(|(overwrites, n)| VisibleChannel {
                    id: ChannelId::new(10 + n * 10),
                    overwrites,
                    body: Bytes::from_static(b"{}"),
                })
                .collect(),
            direct: false,
        }
    }

    fn slots(set: &ChannelSet) -> Vec<usize> {
        set.iter().collect()
    }

    #[test]
    fn slots_are_found_by_channel_id() {
        let table = table(Permissions::NONE, vec![vec![]; 70]);
        for slot in 0..70 {
            assert_eq!(
                table.slot(ChannelId::new(10 + slot as u64 * 10)),
                Some(slot)
            );
        }
        assert_eq!(table.slot(ChannelId::new(15)), None);
    }

    #[test]
    fn private_channels_are_seen_by_those_who_may() {
        let view = Permissions::VIEW_CHANNEL;
        let none = Permissions::NONE;
        let hidden = overwrite(GUILD.get(), OverwriteType::Role, none, view);
        let table = table(
            view,
            vec![
                vec![],
                vec![hidden],
                vec![
                    hidden,
                    overwrite(ROLE.get(), OverwriteType::Role, view, none),
                ],
                vec![
                    hidden,
                    overwrite(ALICE.get(), OverwriteType::Member, view, none),
                ],
            ],
        );
        assert_eq!(slots(&table.visible_to(OWNER, &[])), [0, 1, 2, 3]);
        assert_eq!(slots(&table.visible_to(ALICE, &[])), [0, 3]);
        assert_eq!(slots(&table.visible_to(ALICE, &[ROLE])), [0, 2, 3]);
        assert_eq!(slots(&table.visible_to(UserId::new(9), &[ROLE])), [0, 2]);
        assert_eq!(
            slots(&table.visible_to(UserId::new(9), &[RoleId::new(51)])),
            [0, 1, 2, 3]
        );
    }

    #[test]
    fn without_the_base_permission_nothing_is_seen_but_what_is_allowed() {
        let allowed = overwrite(
            ALICE.get(),
            OverwriteType::Member,
            Permissions::VIEW_CHANNEL,
            Permissions::NONE,
        );
        let table = table(Permissions::NONE, vec![vec![], vec![allowed]]);
        assert_eq!(slots(&table.visible_to(ALICE, &[])), [1]);
        assert!(table.visible_to(UserId::new(9), &[]).is_empty());
    }

    #[test]
    fn everyone_of_a_direct_channel_sees_it() {
        let mut table = table(Permissions::NONE, vec![vec![]]);
        table.direct = true;
        assert_eq!(slots(&table.visible_to(UserId::new(9), &[])), [0]);
    }
}
