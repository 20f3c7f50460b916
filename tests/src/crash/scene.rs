//! Who posts and who listens where.

use crate::account::Account;
use crate::admin::{Admin, Guild};
use crate::server::Server;

/// Guilds of a scene.
pub const GUILDS: usize = 3;
/// Channels of each guild.
const CHANNELS: [&str; 3] = ["general", "random", "news"];
/// Accounts that post; members of every guild.
const PUBLISHERS: usize = 4;
/// Accounts that listen.
const SUBSCRIBERS: usize = 6;
/// How many of them are in every guild; each other one is missing from one guild.
const EVERYWHERE: usize = 3;

/// Guilds of their own with accounts of their own.
///
/// A guild's history is bounded, so that a long run takes several scenes, one after the other.
pub struct Scene {
    /// The guilds.
    pub guilds: Vec<Guild>,
    /// Accounts that post.
    pub publishers: Vec<Account>,
    /// Accounts that listen.
    pub subscribers: Vec<Account>,
}

impl Scene {
    /// Makes accounts and guilds.
    pub async fn new(server: &Server, number: usize) -> Self {
        let admin = Admin::of(server);
        let name = format!("publisher-{number}");
        let publishers = admin.users(server, PUBLISHERS, &name).await;
        let name = format!("subscriber-{number}");
        let subscribers = admin.users(server, SUBSCRIBERS, &name).await;
        let mut guilds = Vec::new();
        for guild in 0..GUILDS {
            let listeners = (0..SUBSCRIBERS).filter(|listener| listens(*listener, guild));
            let members: Vec<&Account> = publishers
                .iter()
                .chain(listeners.map(|listener| &subscribers[listener]))
                .collect();
            guilds.push(admin.guild(&members, &CHANNELS).await);
        }
        Self {
            guilds,
            publishers,
            subscribers,
        }
    }

    /// The guild with this id.
    pub fn guild_of(&self, id: &str) -> Option<usize> {
        self.guilds.iter().position(|guild| guild.id == id)
    }

    /// The guilds in which a subscriber is.
    pub fn guilds_of(subscriber: usize) -> Vec<usize> {
        (0..GUILDS)
            .filter(|guild| listens(subscriber, *guild))
            .collect()
    }
}

fn listens(subscriber: usize, guild: usize) -> bool {
    subscriber < EVERYWHERE || subscriber % GUILDS != guild
}
