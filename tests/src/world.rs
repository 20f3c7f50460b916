//! The usual scene: a server with one guild.

use serde_json::{Value, json};

use crate::account::Account;
use crate::admin::{Admin, Guild};
use crate::rest::text;
use crate::server::{Server, Setup};
use crate::session::Session;

/// A server, its operator, and a guild with members.
pub struct World {
    /// The server.
    pub server: Server,
    /// Its operator.
    pub admin: Admin,
    /// The guild.
    pub guild: String,
    /// Its #general.
    pub channel: String,
    /// Its owner.
    pub owner: Account,
    /// Its other members, who have no rights but those of `@everyone`.
    pub members: Vec<Account>,
}

impl World {
    /// A guild with an owner and `members` more.
    pub async fn new(members: usize) -> Self {
        Self::with(Setup::new(), members).await
    }

    /// The same on a server with settings of its own.
    pub async fn with(setup: Setup, members: usize) -> Self {
        let server = setup.start();
        let admin = Admin::of(&server);
        let mut accounts = admin.users(&server, members + 1, "user").await;
        let all: Vec<&Account> = accounts.iter().collect();
        let guild = admin.guild(&all, &["general"]).await;
        let owner = accounts.remove(0);
        Self {
            server,
            admin,
            guild: guild.id,
            channel: guild.channels[0].clone(),
            owner,
            members: accounts,
        }
    }

    /// The first member.
    pub fn member(&self) -> &Account {
        &self.members[0]
    }

    /// A session of an account with every intent.
    pub async fn login(&self, account: &Account) -> Session {
        Session::login(&self.server, &account.token).await
    }

    /// An account that is in no guild.
    pub async fn outsider(&self) -> Account {
        let mut made = self.admin.users(&self.server, 1, "outsider").await;
        made.pop().expect("one account")
    }

    /// Another guild, with an owner of its own and one channel.
    pub async fn other_guild(&self) -> (Account, Guild) {
        let owner = self.outsider().await;
        let guild = self.admin.guild(&[&owner], &["elsewhere"]).await;
        (owner, guild)
    }

    /// A text channel with these overwrites, made by the owner; answers its id.
    pub async fn channel_with(&self, name: &str, overwrites: Value) -> String {
        let body = json!({"name": name, "permission_overwrites": overwrites});
        let made = self.owner.rest.post(self.guild_path("/channels"), body);
        text(&made.await.ok()["id"]).to_owned()
    }

    /// The path of messages in #general.
    pub fn messages(&self) -> String {
        format!("/channels/{}/messages", self.channel)
    }

    /// The path of the guild, with `rest` after it.
    pub fn guild_path(&self, rest: &str) -> String {
        format!("/guilds/{}{rest}", self.guild)
    }
}
