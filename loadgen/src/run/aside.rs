//! What happens beside the messages: typing, members that leave and come back, channels and roles that are made and removed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::stage::Stage;
use crate::client::payload::Snowflake;
use crate::clock;
use crate::plan::Plan;
use crate::report::Aside;
use crate::rest::Rest;
use crate::scenario::Scenario;

/// Requests under way at a time; one more is left out and counted.
const UNDER_WAY: usize = 128;

/// How long what is under way may take after the last message.
const ENDING: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy)]
enum Deed {
    Typing { room: u32, user: u32 },
    Leave { guild: u32, user: u32 },
    Channel { guild: u32 },
    Role { guild: u32 },
}

#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
}

struct Shared {
    rest: Rest,
    user_ids: Vec<u64>,
    tokens: Vec<Box<str>>,
    /// Owner of each guild.
    owners: Vec<u32>,
    guild_ids: Vec<u64>,
    channels: Vec<u64>,
    away: Duration,
    counts: Counts,
}

/// Running.
pub(super) struct Asides {
    task: JoinHandle<()>,
    shared: Arc<Shared>,
}

#[derive(Deserialize)]
struct Made {
    id: Snowflake,
}

impl Asides {
    /// From `start` on, as the scenario says.
    pub(super) fn start(
        scenario: &Scenario,
        plan: &Plan,
        stage: &Stage,
        api: &str,
        start: u64,
        seed: u64,
    ) -> Result<Self> {
        let churn = scenario.churn.clone().unwrap_or_default();
        let shared = Arc::new(Shared {
            rest: Rest::new(api)?,
            user_ids: stage.user_ids.clone(),
            tokens: stage.tokens.clone(),
            owners: plan.members.iter().map(|members| members[0]).collect(),
            guild_ids: stage.guild_ids.clone(),
            channels: stage.channels.clone(),
            away: Duration::from_secs_f64(churn.away),
            counts: Counts::default(),
        });
        let deeds = deeds(scenario, plan, seed);
        let task = tokio::spawn(run(Arc::clone(&shared), deeds, start));
        Ok(Self { task, shared })
    }

    /// Waits for what is under way.
    pub(super) async fn end(self) -> Aside {
        if tokio::time::timeout(ENDING, self.task).await.is_err() {
            eprintln!("loadgen: warning: requests beside the messages did not end");
        }
        let counts = &self.shared.counts;
        Aside {
            done: counts.done.load(Ordering::Relaxed),
            failed: counts.failed.load(Ordering::Relaxed),
            skipped: counts.skipped.load(Ordering::Relaxed),
        }
    }
}

/// What is to be done when, in microseconds from the start; ascending.
fn deeds(scenario: &Scenario, plan: &Plan, seed: u64) -> Vec<(u64, Deed)> {
    let mut random = fastrand::Rng::with_seed(seed ^ 0x6173_6964_6573);
    let churn = scenario.churn.clone().unwrap_or_default();
    let total = scenario.phases.total();
    let guilds = plan.members.len() as u32;
    let mut deeds = Vec::new();
    let mut each =
        |rate: f64, until: f64, deed: &mut dyn FnMut(f64, &mut fastrand::Rng) -> Option<Deed>| {
            if rate <= 0.0 {
                return;
            }
            let mut at = 0.0;
            loop {
                at -= (1.0 - random.f64()).ln() / rate;
                if at >= until {
                    break;
                }
                if let Some(deed) = deed(at, &mut random) {
                    deeds.push((clock::from_seconds(at), deed));
                }
            }
        };
    each(scenario.traffic.typing, total, &mut |_, random| {
        let room = random.usize(..plan.rooms.len());
        let senders = &plan.rooms[room].senders;
        let user = senders[random.usize(..senders.len())];
        Some(Deed::Typing {
            room: room as u32,
            user,
        })
    });
    each(churn.channels, total, &mut |_, random| {
        Some(Deed::Channel {
            guild: random.u32(..guilds),
        })
    });
    each(churn.roles, total, &mut |_, random| {
        Some(Deed::Role {
            guild: random.u32(..guilds),
        })
    });
    // Everybody is back before the end. Who is away, or was a moment ago, does not leave.
    let mut back = HashMap::new();
    each(churn.leaves, total - churn.away - 1.0, &mut |at, random| {
        let guild = random.u32(..guilds);
        let visitors = &plan.visitors[guild as usize];
        if visitors.is_empty() {
            return None;
        }
        let user = visitors[random.usize(..visitors.len())];
        let free = back.entry((guild, user)).or_insert(0.0);
        if at < *free {
            return None;
        }
        *free = at + churn.away + 1.0;
        Some(Deed::Leave { guild, user })
    });
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}

async fn run(shared: Arc<Shared>, deeds: Vec<(u64, Deed)>, start: u64) {
    let permits = Arc::new(Semaphore::new(UNDER_WAY));
    let mut tasks = JoinSet::new();
    for (at, deed) in deeds {
        sleep(Duration::from_micros(
            (start + at).saturating_sub(clock::now()),
        ))
        .await;
        while tasks.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            shared.counts.skipped.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let count = match shared.carry_out(deed).await {
                Ok(()) => &shared.counts.done,
                Err(error) => {
                    if shared.counts.failed.load(Ordering::Relaxed) == 0 {
                        eprintln!("loadgen: warning: {error:#}");
                    }
                    &shared.counts.failed
                }
            };
            count.fetch_add(1, Ordering::Relaxed);
            drop(permit);
        });
    }
    while tasks.join_next().await.is_some() {}
}

impl Shared {
    async fn carry_out(&self, deed: Deed) -> Result<()> {
        let owner = |guild: u32| &*self.tokens[self.owners[guild as usize] as usize];
        let id = |guild: u32| self.guild_ids[guild as usize];
        match deed {
            Deed::Typing { room, user } => {
                let path = format!("/channels/{}/typing", self.channels[room as usize]);
                let token = &self.tokens[user as usize];
                self.rest.send(Method::POST, &path, token, None).await?;
            }
            Deed::Leave { guild, user } => {
                let token = &self.tokens[user as usize];
                let path = format!("/users/@me/guilds/{}", id(guild));
                self.rest.send(Method::DELETE, &path, token, None).await?;
                sleep(self.away).await;
                let user = self.user_ids[user as usize];
                let path = format!("/guilds/{}/members/{user}", id(guild));
                let body = json!({});
                self.rest
                    .send(Method::PUT, &path, owner(guild), Some(&body))
                    .await?;
            }
            Deed::Channel { guild } => {
                let path = format!("/guilds/{}/channels", id(guild));
                let body = json!({"name": "passing", "type": 0});
                let made: Made = self.rest.post(&path, owner(guild), &body).await?;
                let path = format!("/channels/{}", made.id.0);
                self.rest
                    .send(Method::DELETE, &path, owner(guild), None)
                    .await?;
            }
            Deed::Role { guild } => {
                let path = format!("/guilds/{}/roles", id(guild));
                let body = json!({"name": "passing"});
                let made: Made = self.rest.post(&path, owner(guild), &body).await?;
                let user = self.user_ids[self.owners[guild as usize] as usize];
                let role = made.id.0;
                let path = format!("/guilds/{}/members/{user}/roles/{role}", id(guild));
                self.rest
                    .send(Method::PUT, &path, owner(guild), None)
                    .await?;
                let path = format!("/guilds/{}/roles/{role}", id(guild));
                self.rest
                    .send(Method::DELETE, &path, owner(guild), None)
                    .await?;
            }
        }
        Ok(())
    }
}
