//! What the plan became on the server: users, guilds and channels with their snowflakes.

use anyhow::Result;

use super::target::Target;
use crate::plan::Plan;
use crate::provision::private::make_private_channel;
use crate::provision::{Admin, Guild};
use crate::rest::Rest;

/// Everything by its index in the plan.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) user_ids: Vec<u64>,
    pub(super) tokens: Vec<Box<str>>,
    pub(super) guild_ids: Vec<u64>,
    /// By room.
    pub(super) channels: Vec<u64>,
}

impl Stage {
    /// Makes it all. The guilds that were made are in `guilds` even if something fails.
    pub(super) async fn set(
        admin: &Admin,
        target: &Target,
        plan: &Plan,
        name: &str,
        guilds: &mut Vec<Guild>,
    ) -> Result<Self> {
        let users = admin.make_users(plan.users as usize, name).await?;
        let (user_ids, tokens): (Vec<u64>, Vec<Box<str>>) =
            users.into_iter().map(|user| (user.id, user.token)).unzip();
        let ids = |users: &[u32]| -> Vec<u64> {
            let ids = users.iter().map(|user| user_ids[*user as usize]);
            ids.collect()
        };
        let members: Vec<Vec<u64>> = plan.members.iter().map(|members| ids(members)).collect();
        admin.make_guilds(&members, name, guilds).await?;

        let rest = Rest::new(&target.api)?;
        let mut channels = Vec::with_capacity(plan.rooms.len());
        for room in &plan.rooms {
            let guild = guilds[room.guild as usize];
            let channel = if room.is_private {
                let owner = plan.members[room.guild as usize][0];
                let insiders: Vec<u32> = room
                    .seen_by
                    .iter()
                    .copied()
                    .filter(|user| *user != owner)
                    .collect();
                let token = &tokens[owner as usize];
                make_private_channel(&rest, token, guild.id, &ids(&insiders)).await?
            } else {
                guild.channel
            };
            channels.push(channel);
        }
        Ok(Self {
            tokens,
            guild_ids: guilds.iter().map(|guild| guild.id).collect(),
            user_ids,
            channels,
        })
    }
}
