//! The operator's API.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::account::Account;
use crate::rest::{Rest, text};
use crate::server::Server;

/// The operator of a server.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The API with the operator's token.
    pub rest: Rest,
}

/// A guild that the operator made.
#[derive(Debug, Clone)]
pub struct Guild {
    /// Snowflake.
    pub id: String,
    /// Its channels in the order in which they were asked for.
    pub channels: Vec<String>,
}

/// Figures by name, labels included as they are written: `guildhall_closes_total{by="client"}`.
#[derive(Debug, Clone)]
pub struct Metrics(HashMap<String, f64>);

impl Admin {
    /// The operator of `server`.
    pub fn of(server: &Server) -> Self {
        Self {
            rest: server.operator(Some(&server.line().admin_token)),
        }
    }

    /// Makes users named `prefix-1`, `prefix-2` and so on.
    pub async fn users(&self, server: &Server, count: usize, prefix: &str) -> Vec<Account> {
        self.accounts(server, count, prefix, false).await
    }

    /// Makes a bot.
    pub async fn bot(&self, server: &Server, name: &str) -> Account {
        let mut bots = self.accounts(server, 1, name, true).await;
        bots.pop().expect("one account")
    }

    async fn accounts(
        &self,
        server: &Server,
        count: usize,
        prefix: &str,
        bot: bool,
    ) -> Vec<Account> {
        let body = json!({"count": count, "prefix": prefix, "bot": bot});
        let made = self.rest.post("/admin/v1/users", body).await.ok();
        let made = made["users"].as_array().expect("users are an array");
        let accounts = made.iter().map(|made| {
            let token = text(&made["token"]).to_owned();
            let authorization = if bot {
                format!("Bot {token}")
            } else {
                token.clone()
            };
            Account {
                id: text(&made["user"]["id"]).to_owned(),
                name: text(&made["user"]["username"]).to_owned(),
                rest: server.rest(&authorization),
                token,
            }
        });
        accounts.collect()
    }

    /// Makes a guild of the first account with all of them as members, and text channels.
    pub async fn guild(&self, members: &[&Account], channels: &[&str]) -> Guild {
        let [owner, others @ ..] = members else {
            panic!("a guild has an owner");
        };
        let others: Vec<&str> = others.iter().map(|account| account.id.as_str()).collect();
        let channels: Vec<Value> = channels
            .iter()
            .map(|name| json!({"name": name, "type": 0}))
            .collect();
        let body = json!({
            "name": "Test guild", "owner_id": owner.id, "member_ids": others, "channels": channels,
        });
        let made = self.rest.post("/admin/v1/guilds", body).await.ok();
        let channels = made["channels"].as_array().expect("channels are an array");
        Guild {
            id: text(&made["guild"]["id"]).to_owned(),
            channels: channels
                .iter()
                .map(|channel| text(&channel["id"]).to_owned())
                .collect(),
        }
    }

    /// Sets a fault for a guild: `point` strikes `times` times; 0 takes it back. The server has to be
    /// one [with fault points](crate::Setup::faults).
    pub async fn fault(&self, guild: &str, point: &str, times: u32) {
        self.fault_with(guild, json!({"point": point, "times": times}))
            .await;
    }

    /// The same with more to say.
    pub async fn fault_with(&self, guild: &str, mut fault: Value) {
        fault["guild"] = json!(guild);
        let set = self.rest.post("/admin/v1/faults", fault).await;
        set.has_status(204);
    }

    /// What is to be seen of a guild.
    pub async fn show(&self, guild: &str) -> Value {
        let path = format!("/admin/v1/guilds/{guild}");
        self.rest.get(path).await.ok()
    }

    /// What is to be seen of the actor of a running guild.
    pub async fn running(&self, guild: &str) -> Value {
        self.show(guild).await["running"].clone()
    }

    /// The figures now.
    pub async fn metrics(&self) -> Metrics {
        let answer = self.rest.get("/metrics").await;
        answer.has_status(200);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let figures = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
        Metrics(figures.collect())
    }
}

impl Metrics {
    /// The sum of every figure of this name whose labels hold all of `labels`, each such as
    /// `code="4000"`. Panics where there is no figure of this name at all.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let named = |full: &str| full == name || full.starts_with(&format!("{name}{{"));
        assert!(
            self.0.keys().any(|full| named(full)),
            "no figure {name} in {:?}",
            self.0.keys()
        );
        self.0
            .iter()
            .filter(|(full, _)| named(full) && labels.iter().all(|label| full.contains(label)))
            .map(|(_, value)| value)
            .sum()
    }
}
