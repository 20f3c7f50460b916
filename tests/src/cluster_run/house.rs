//! The nodes, and NATS.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Options;
use super::proxy::Proxy;
use crate::admin::Admin;
use crate::nats::{NatsServer, node_at};
use crate::rest::{Rest, text};
use crate::server::{Server, Setup};

/// How long the cluster may take to agree again after something happened.
const AGREES: Duration = Duration::from_secs(60);

/// Names of nodes, the one that comes later last.
pub(super) const NAMES: [&str; 4] = ["node-a", "node-b", "node-c", "node-d"];

/// The node that can be cut off from NATS.
pub(super) const CUT: usize = 0;

/// Three nodes, or four, and NATS.
#[derive(Debug)]
pub(super) struct House {
    pub(super) nodes: Vec<Option<Server>>,
    pub(super) nats: Vec<NatsServer>,
    pub(super) proxy: Option<Proxy>,
    settings: Vec<String>,
}

impl House {
    pub(super) async fn start(options: &Options) -> Self {
        let (nats, proxy) = if options.nats == 1 {
            let nats = NatsServer::start().await;
            let proxy = Proxy::start(nats.port()).await;
            (vec![nats], Some(proxy))
        } else {
            (NatsServer::cluster(options.nats).await, None)
        };
        let mut settings = options.set.clone();
        settings.push(format!("cluster.replicas={}", options.nats));
        let mut house = Self {
            nodes: vec![None, None, None, None],
            nats,
            proxy,
            settings,
        };
        for index in 0..3 {
            let setup = house.setup(index);
            house.launch(index, setup).await;
        }
        house.agree().await;
        house
    }

    fn setup(&self, index: usize) -> Setup {
        let servers = self.nats.iter().map(NatsServer::port);
        let mut ports: Vec<u16> = servers.collect();
        if let (CUT, Some(proxy)) = (index, &self.proxy) {
            ports = vec![proxy.port];
        }
        let urls: Vec<String> = ports
            .iter()
            .map(|port| format!("nats://127.0.0.1:{port}"))
            .collect();
        let mut setup = node_at(&urls.join(","))
            .set(format!("node.name={}", NAMES[index]))
            .set(format!("node.number={}", index + 1));
        for pair in &self.settings {
            setup = setup.set(pair);
        }
        setup
    }

    /// Starts a node. Blocks a thread meanwhile, and not the one that the proxy is on.
    async fn launch(&mut self, index: usize, setup: Setup) {
        let started = tokio::task::spawn_blocking(move || setup.start()).await;
        self.nodes[index] = Some(started.expect("a node starts"));
    }

    /// Starts a node that comes.
    pub(super) async fn join(&mut self, index: usize) {
        let setup = self.setup(index);
        self.launch(index, setup).await;
    }

    /// Starts a node that was killed anew, where clients find it.
    pub(super) async fn restart(&mut self, index: usize) {
        let setup = self.setup(index);
        let setup = match &self.nodes[index] {
            Some(former) => setup.after(former),
            None => setup,
        };
        self.launch(index, setup).await;
    }

    pub(super) fn node(&self, index: usize) -> &Server {
        self.nodes[index].as_ref().expect("the node was started")
    }

    /// Waits until a node has ended.
    pub(super) async fn exit(&mut self, index: usize) -> std::process::ExitStatus {
        let node = self.nodes[index].as_mut().expect("the node was started");
        node.exit().await
    }

    pub(super) fn admin(&self, index: usize) -> Rest {
        Admin::of(self.node(index)).rest
    }

    /// The nodes that live.
    pub(super) fn living(&mut self) -> Vec<usize> {
        let lives =
            |node: &mut Option<Server>| node.as_mut().is_some_and(|it| it.ended().is_none());
        let nodes = self.nodes.iter_mut().enumerate();
        let living = nodes.filter_map(|(index, node)| lives(node).then_some(index));
        living.collect()
    }

    /// Waits until all that live have the same list of themselves, and nothing moves; answers how long that took.
    pub(super) async fn agree(&mut self) -> Duration {
        let began = Instant::now();
        loop {
            let living = self.living();
            let names: Vec<&str> = living.iter().map(|index| NAMES[*index]).collect();
            let mut seen = Vec::new();
            for index in &living {
                seen.push(self.ring(*index).await);
            }
            let same = |ring: &Option<(Vec<String>, u64)>| {
                let first = seen[0].as_ref();
                ring.as_ref()
                    .is_some_and(|ring| ring.0 == names && Some(ring) == first)
            };
            if seen.iter().all(same) {
                return began.elapsed();
            }
            assert!(
                began.elapsed() < AGREES,
                "no common list: {seen:?}, {names:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn ring(&self, index: usize) -> Option<(Vec<String>, u64)> {
        let answer = self.admin(index);
        let answer = answer
            .try_send(reqwest::Method::GET, "/admin/v1/ring", None)
            .await;
        let ring: Value = serde_json::from_slice(&answer.ok()?.body).ok()?;
        let members = ring["members"].as_array()?.iter();
        let names = members.map(|it| text(&it["name"]).to_owned()).collect();
        Some((names, ring["generation"].as_u64()?))
    }

    /// The guilds with sessions that a node has, those with most first.
    pub(super) async fn guilds(&self, index: usize) -> Vec<(String, u64)> {
        let list = self
            .admin(index)
            .get("/admin/v1/guilds?limit=1000")
            .await
            .ok();
        let guilds = list["guilds"].as_array().expect("guilds are an array");
        let mut guilds: Vec<(String, u64)> = guilds
            .iter()
            .map(|it| {
                (
                    text(&it["id"]).to_owned(),
                    it["sessions"].as_u64().unwrap_or(0),
                )
            })
            .filter(|(_, sessions)| *sessions > 0)
            .collect();
        guilds.sort_by_key(|(_, sessions)| std::cmp::Reverse(*sessions));
        guilds
    }

    /// Whether somebody serves a guild to sessions, as a living node finds out.
    pub(super) async fn is_served(&self, asked: usize, guild: &str) -> bool {
        let path = format!("/admin/v1/placement?guild={guild}");
        let placement = self.admin(asked).get(path).await;
        if placement.status != 200 {
            return false;
        }
        let owner = placement.ok();
        let owner = NAMES.iter().position(|name| owner["node"] == *name);
        let Some(owner) = owner.filter(|owner| self.nodes[*owner].is_some()) else {
            return false;
        };
        let path = format!("/admin/v1/guilds/{guild}");
        let shown = self
            .admin(owner)
            .try_send(reqwest::Method::GET, &path, None)
            .await;
        let Ok(shown) = shown else {
            return false;
        };
        let shown: Value = serde_json::from_slice(&shown.body).unwrap_or_default();
        let running = &shown["running"];
        running["state"] == "serving" && running["sessions"].as_u64().unwrap_or(0) > 0
    }
}
