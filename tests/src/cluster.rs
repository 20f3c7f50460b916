//! Three nodes of one cluster, and a guild on one of them.

use crate::account::Account;
use crate::admin::Admin;
use crate::deadline::eventually;
use crate::gateway::Gateway;
use crate::nats::NatsServer;
use crate::numbered::{self, numbers};
use crate::rest::text;
use crate::server::{Server, Setup};
use crate::session::Session;

/// Three nodes of one cluster.
#[derive(Debug)]
pub struct Three {
    /// In the order of [`NAMES`].
    pub nodes: Vec<Server>,
    nats: NatsServer,
    settings: &'static [&'static str],
}

/// What they are called.
pub const NAMES: [&str; 3] = ["node-a", "node-b", "node-c"];

/// A node that tells the others soon that it lives, or does not.
fn node(nats: &NatsServer, (name, number): (&str, u16), settings: &[&str]) -> Setup {
    let node = nats
        .node()
        .set(format!("node.name={name}"))
        .set(format!("node.number={number}"))
        .set(format!("node.zone=zone-of-{name}"))
        .set("cluster.heartbeat_ms=200")
        .set("cluster.dead_after_ms=1500");
    // What comes later goes before what came first.
    settings.iter().fold(node, |node, pair| node.set(*pair))
}

impl Three {
    /// Starts a node anew, or a fourth one; it takes the place of the former.
    pub fn start_node(&mut self, index: usize) {
        let name = format!("node-{}", char::from(b'a' + index as u8));
        let node = node(&self.nats, (&name, index as u16 + 1), self.settings).start();
        if index < self.nodes.len() {
            self.nodes[index] = node;
        } else {
            self.nodes.push(node);
        }
    }

    /// Starts them with a NATS server of their own.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with further settings.
    pub async fn start_with(settings: &'static [&'static str]) -> Self {
        let nats = NatsServer::start().await;
        let node = |name| node(&nats, name, settings).start();
        let nodes: Vec<Server> = NAMES.into_iter().zip(1..).map(node).collect();
        let three = Self {
            nodes,
            nats,
            settings,
        };
        three.agree(&NAMES).await;
        three
    }

    /// Waits until these nodes have the same list of themselves.
    pub async fn agree(&self, names: &[&str]) {
        let node_names = ["node-a", "node-b", "node-c", "node-d"];
        for (node, name) in self.nodes.iter().zip(node_names) {
            if !names.contains(&name) {
                continue;
            }
            eventually("the same ring", || async {
                let ring = Admin::of(node).rest.get("/admin/v1/ring").await.ok();
                let members = ring["members"].as_array().expect("members are an array");
                let members: Vec<&str> = members.iter().map(|it| text(&it["name"])).collect();
                (members == names).then_some(())
            })
            .await;
        }
    }

    /// Who owns a guild, as a node sees it.
    pub async fn owner(&self, node: usize, guild: &str) -> String {
        let path = format!("/admin/v1/placement?guild={guild}");
        let placement = Admin::of(&self.nodes[node]).rest.get(path).await.ok();
        text(&placement["node"]).to_owned()
    }
}

/// A guild that the last node owns, an owner and a member.
#[derive(Debug)]
pub struct Scene {
    /// The nodes.
    pub three: Three,
    /// The guild.
    pub guild: String,
    /// Its channel.
    pub channel: String,
    /// Its owner.
    pub owner: Account,
    /// Another member.
    pub member: Account,
}

impl Scene {
    /// Starts nodes and makes the guild.
    pub async fn new() -> Self {
        Self::with(Three::start().await).await
    }

    /// Makes the guild on nodes that there are.
    pub async fn with(three: Three) -> Self {
        let first = &three.nodes[0];
        let admin = Admin::of(first);
        let (mut accounts, guild) = loop {
            // In each try others, so that they are in this guild only.
            let accounts = admin.users(first, 2, "user").await;
            let all: Vec<&Account> = accounts.iter().collect();
            let made = admin.guild(&all, &["general"]).await;
            if three.owner(0, &made.id).await == NAMES[2] {
                break (accounts, made);
            }
        };
        for node in 1..3 {
            assert_eq!(three.owner(node, &guild.id).await, NAMES[2]);
        }
        let (Some(member), Some(owner)) = (accounts.pop(), accounts.pop()) else {
            panic!("two accounts were asked for");
        };
        let channel = guild.channels[0].clone();
        let scene = Self {
            three,
            guild: guild.id,
            channel,
            owner,
            member,
        };
        // What one node wrote into the directory the others have a moment later.
        for node in &scene.three.nodes {
            let rest = node.rest(&scene.owner.token);
            let path = format!("/channels/{}", scene.channel);
            eventually("the channel on every node", || async {
                (rest.get(&path).await.status == 200).then_some(())
            })
            .await;
        }
        scene
    }

    /// Posts messages at a node, each until it is taken.
    pub async fn say(&self, node: usize, numbers: std::ops::Range<usize>) {
        let rest = self.three.nodes[node].rest(&self.owner.token);
        for number in numbers {
            let content = numbered::content("one", number);
            rest.say_surely(&self.channel, &content, &content).await;
        }
    }

    /// The numbers of the newest messages, as a node has them.
    pub async fn history(&self, node: usize) -> Vec<usize> {
        let rest = self.three.nodes[node].rest(&self.owner.token);
        let messages = rest.history(&self.channel).await;
        let numbers = messages.iter().filter_map(|it| numbered::number("one", it));
        numbers.collect()
    }

    /// The member at a node.
    pub async fn login(&self, node: usize) -> Gateway {
        let session = Session::login(&self.three.nodes[node], &self.member.token).await;
        session.into_parts().0
    }
}

/// Reads up to message `last` and gives the numbers of all messages of the series.
pub async fn hear(gateway: &mut Gateway, last: usize) -> Vec<usize> {
    let seen = gateway.until_message(&numbered::content("one", last)).await;
    let mut heard = numbers("one", &seen);
    heard.push(last);
    heard
}

/// All numbers of a range.
pub fn all(range: std::ops::Range<usize>) -> Vec<usize> {
    range.collect()
}
