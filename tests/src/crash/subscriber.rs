//! A client that listens, and resumes where it may.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

use super::faults::Faults;
use super::figures::{self, Figures};
use super::phase::Phase;
use super::scene::Scene;
use super::stretch::Stretch;
use crate::ALL_INTENTS;
use crate::gateway::{Gateway, Received};
use crate::payload::Payload;

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(3);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// Closes after which a client may not come back with the same session and token, but 4007 and 4009.
const FINAL: [u16; 8] = [4003, 4004, 4005, 4010, 4011, 4012, 4013, 4014];

/// One client, over all its connections and sessions.
pub struct Subscriber {
    /// Names it.
    pub number: usize,
    /// What it logs in with.
    pub token: String,
    /// Where the server is, always.
    pub address: SocketAddr,
    /// What there is to listen to.
    pub scene: Arc<Scene>,
    /// What is to be done.
    pub phase: watch::Receiver<Phase>,
    /// What is wrong.
    pub faults: Arc<Faults>,
    /// What is counted.
    pub figures: Arc<Figures>,
    /// What it saw and what it has of its session.
    pub view: View,
}

/// What a client has seen.
#[derive(Debug, Default)]
pub struct View {
    /// The session that it has; none before READY and after op 9.
    session: Option<String>,
    /// How many sessions it has had.
    sessions: usize,
    /// The last sequence number that it saw.
    seq: u64,
    /// What it sees of each guild now.
    open: BTreeMap<usize, Stretch>,
    /// What it saw in earlier sessions.
    closed: Vec<Stretch>,
}

/// What is to be done after a payload.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Read,
    Identify,
    Reconnect,
    Stop,
}

impl Subscriber {
    /// Listens until it has read to the end, or until there is no use in going on; gives what it saw.
    pub async fn run(mut self) -> Vec<Stretch> {
        loop {
            if matches!(*self.phase.borrow(), Phase::Abort) || self.is_at_end() {
                break;
            }
            let path = if self.number.is_multiple_of(2) {
                "/gateway?v=10&encoding=json"
            } else {
                "/gateway?v=10&encoding=json&compress=zlib-stream"
            };
            let dialled = tokio::time::timeout(CONNECT, Gateway::dial(self.address, path)).await;
            let Ok(Ok(gateway)) = dialled else {
                tokio::time::sleep(RETRY).await;
                continue;
            };
            if self.listen(gateway).await == Next::Stop {
                break;
            }
        }
        let last = match &*self.phase.borrow() {
            Phase::End(last) => Arc::clone(last),
            _ => Arc::default(),
        };
        self.view.end_session(&last);
        self.view.closed
    }

    /// One connection, to its end.
    async fn listen(&mut self, mut gateway: Gateway) -> Next {
        loop {
            let received = tokio::select! {
                received = gateway.receive() => received,
                changed = self.phase.changed() => {
                    let stop = changed.is_err() || matches!(*self.phase.borrow(), Phase::Abort);
                    if stop || self.is_at_end() {
                        return Next::Stop;
                    }
                    continue;
                }
            };
            let payload = match received {
                Received::Payload(payload) => payload,
                Received::Closed(code) => return self.closed(code),
                Received::Lost => return Next::Reconnect,
            };
            let sent = match self.take(&payload) {
                Next::Read => true,
                Next::Identify => self.identify(&mut gateway).await,
                next => return next,
            };
            if !sent {
                return Next::Reconnect;
            }
            if self.is_at_end() {
                return Next::Stop;
            }
        }
    }

    /// Identifies, or resumes where there is a session; whether it was sent.
    async fn identify(&mut self, gateway: &mut Gateway) -> bool {
        match &self.view.session {
            Some(session) => {
                gateway
                    .try_resume(&self.token, session, self.view.seq)
                    .await
            }
            None => gateway.try_identify(&self.token, ALL_INTENTS).await,
        }
    }

    fn take(&mut self, payload: &Payload) -> Next {
        match payload.op {
            0 => self.dispatch(payload),
            10 => return Next::Identify,
            7 => return Next::Reconnect,
            // Resumable: with the same session on another connection.
            9 if payload.d == true => return Next::Reconnect,
            9 => {
                if self.view.session.is_some() {
                    figures::count(&self.figures.refused);
                }
                self.view.end_session(&[]);
                return Next::Identify;
            }
            _ => {}
        }
        Next::Read
    }

    fn closed(&mut self, code: u16) -> Next {
        if FINAL.contains(&code) {
            self.fault(&format!("closed with {code}"));
            return Next::Stop;
        }
        if matches!(code, 4007 | 4009) {
            figures::count(&self.figures.refused);
            self.view.end_session(&[]);
        }
        Next::Reconnect
    }

    fn dispatch(&mut self, payload: &Payload) {
        figures::count(&self.figures.dispatches);
        self.view.seq = payload.s.unwrap_or_default();
        let data = &payload.d;
        match payload.t.as_deref().unwrap_or_default() {
            "READY" => {
                self.view.session = data["session_id"].as_str().map(str::to_owned);
                self.view.sessions += 1;
            }
            "RESUMED" => figures::count(&self.figures.resumed),
            "GUILD_CREATE" => self.guild_created(data),
            "GUILD_DELETE" => {
                if data["unavailable"] != true {
                    self.fault(&format!("GUILD_DELETE {data}"));
                }
                let guild = self.guild(&data["id"]);
                let open = guild.and_then(|guild| self.view.open.remove(&guild));
                self.view.closed.extend(open);
            }
            event @ ("MESSAGE_CREATE" | "MESSAGE_UPDATE" | "MESSAGE_DELETE") => {
                let guild = self.guild(&data["guild_id"]);
                let stretch = guild.and_then(|guild| self.view.open.get_mut(&guild));
                let (Some(stretch), Some(id)) = (stretch, id(&data["id"])) else {
                    return self.fault(&format!("{event} of no guild that it has: {data}"));
                };
                match (event, data["content"].as_str()) {
                    ("MESSAGE_CREATE", _) => stretch.seen.push(id),
                    ("MESSAGE_DELETE", _) => stretch.deleted.push(id),
                    (_, Some(content)) => {
                        stretch.edited.insert(id, content.to_owned());
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn guild_created(&mut self, data: &Value) {
        let Some(guild) = self.guild(&data["id"]) else {
            return self.fault("GUILD_CREATE of another guild");
        };
        let newest = data["channels"].as_array().and_then(|channels| {
            let newest = channels
                .iter()
                .map(|channel| id(&channel["last_message_id"]));
            newest.flatten().max()
        });
        let session = format!("subscriber {} session {}", self.number, self.view.sessions);
        // Where it sees the guild already, nothing may be missing from what it has.
        self.view.open.entry(guild).or_insert_with(|| Stretch {
            guild,
            session,
            after: newest.unwrap_or_default(),
            since: Some(Instant::now()),
            ..Stretch::default()
        });
    }

    fn guild(&self, id: &Value) -> Option<usize> {
        self.scene.guild_of(id.as_str()?)
    }

    fn is_at_end(&self) -> bool {
        let Phase::End(last) = &*self.phase.borrow() else {
            return false;
        };
        let guilds = Scene::guilds_of(self.number);
        guilds.into_iter().all(|guild| {
            let open = self.view.open.get(&guild);
            open.is_some_and(|stretch| stretch.newest() >= last[guild])
        })
    }

    fn fault(&self, what: &str) {
        self.faults.add(format!(
            "subscriber {} session {} after {}: {what}",
            self.number, self.view.sessions, self.view.seq
        ));
    }
}

impl View {
    /// What was open is closed; `last` is the last message of each guild where it was read so far.
    fn end_session(&mut self, last: &[u64]) {
        self.session = None;
        for (_, mut stretch) in std::mem::take(&mut self.open) {
            stretch.until = last.get(stretch.guild).copied();
            self.closed.push(stretch);
        }
    }
}

fn id(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}
