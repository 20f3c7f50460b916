//! The tests' own server: its state, its REST and admin routes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;

use crate::gateway;

/// What the server does wrong, or unusually.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The message's id is not its first member.
    OtherKeyOrder,
    /// 100 ms between heartbeats.
    FastHeartbeat,
    /// The same, and one session gets no acknowledgement on its first connection.
    UnansweredHeartbeat,
    /// Op 7 to all sessions at message [`AT`].
    Reconnect,
    /// The sockets of all sessions end at message [`AT`].
    Cut,
    /// As `Cut`, and no session can be resumed.
    Invalidate,
    /// As `Cut`, and the replay leaves the first message out.
    PartialReplay,
    /// 429 to the first attempt of message [`AT`].
    Limit,
    /// Message [`AT`] is done, but its answer is a 503.
    ForgetAnswer,
    /// Nothing happens for half a second at message [`AT`].
    Stall,
    /// One session does not get message [`AT`]; its sequence goes on without a gap.
    Drop,
    /// The same with a gap.
    DropFrame,
    /// One session gets message [`AT`] twice.
    Duplicate,
    /// One session gets message [`AT`] after the next of its guild.
    Reorder,
    /// Message [`AT`] is delivered and refused.
    Ghost,
    /// Message [`AT`] is acknowledged and not delivered.
    LoseAcked,
    /// Message [`AT`] is delivered to all guilds.
    Leak,
    /// One session gets a masked frame.
    Masked,
    /// Every Identify is answered with close code 4004.
    RefuseIdentify,
}

/// The message, counted over all guilds from 1, at which something happens.
const AT: u64 = 60;

/// What a connection's task is told.
pub(crate) enum Order {
    Send(String),
    SendRaw(Vec<u8>),
    Cut,
}

#[derive(Default)]
pub(crate) struct Session {
    pub(crate) user: u64,
    pub(crate) s: u64,
    /// All dispatches, by sequence number.
    pub(crate) log: BTreeMap<u64, String>,
    pub(crate) connection: Option<UnboundedSender<Order>>,
    /// A message held back to come after the next.
    pub(crate) held: Option<String>,
}

struct Guild {
    channel: u64,
    members: HashSet<u64>,
    last_message: Option<u64>,
}

pub(crate) struct State {
    pub(crate) fault: Fault,
    pub(crate) gateway: String,
    next_id: u64,
    /// By token.
    pub(crate) users: HashMap<String, u64>,
    guilds: BTreeMap<u64, Guild>,
    pub(crate) sessions: BTreeMap<String, Session>,
    nonces: HashMap<String, Value>,
    messages: u64,
    pub(crate) heartbeats: u64,
    /// From where gateway connections came.
    addresses: BTreeSet<IpAddr>,
    /// The fault that happens once has happened.
    done: bool,
}

pub(crate) type Shared = Arc<Mutex<State>>;

pub(crate) struct Fake {
    pub(crate) http: String,
    state: Shared,
}

impl Fake {
    pub(crate) fn start(fault: Fault) -> Self {
        let http = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ws = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(Mutex::new(State {
            fault,
            gateway: format!("ws://{}/gateway", ws.local_addr().unwrap()),
            next_id: 1_000,
            users: HashMap::new(),
            addresses: BTreeSet::new(),
            guilds: BTreeMap::new(),
            sessions: BTreeMap::new(),
            nonces: HashMap::new(),
            messages: 0,
            heartbeats: 0,
            done: false,
        }));
        let fake = Self {
            http: format!("http://{}", http.local_addr().unwrap()),
            state: Arc::clone(&state),
        };
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                http.set_nonblocking(true).unwrap();
                ws.set_nonblocking(true).unwrap();
                let http = TcpListener::from_std(http).unwrap();
                let ws = TcpListener::from_std(ws).unwrap();
                loop {
                    tokio::select! {
                        socket = http.accept() => {
                            tokio::spawn(serve_http(socket.unwrap().0, Arc::clone(&state)));
                        }
                        socket = ws.accept() => {
                            let (socket, from) = socket.unwrap();
                            state.lock().unwrap().addresses.insert(from.ip());
                            tokio::spawn(gateway::serve(socket, Arc::clone(&state)));
                        }
                    }
                }
            });
        });
        fake
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn guilds(&self) -> usize {
        self.state().guilds.len()
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        let state = self.state();
        state.addresses.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn messages(&self) -> u64 {
        self.state().messages
    }

    pub(crate) fn heartbeats(&self) -> u64 {
        self.state().heartbeats
    }
}

async fn serve_http(mut stream: TcpStream, state: Shared) {
    let mut received = Vec::new();
    loop {
        let (method, path, token, body) = loop {
            if let Some(request) = take_request(&mut received) {
                break request;
            }
            if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let (status, body) = route(&state, &method, &path, &token, &body);
        let body = body.to_string();
        let response = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn take_request(received: &mut Vec<u8>) -> Option<(String, String, String, Value)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(received).unwrap() else {
        return None;
    };
    let header = |name: &str| {
        let found = request
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name));
        found.map_or("", |header| str::from_utf8(header.value).unwrap())
    };
    let length: usize = header("content-length").parse().unwrap_or(0);
    let body = received.get(head..head + length)?;
    let found = (
        request.method.unwrap().to_owned(),
        request.path.unwrap().to_owned(),
        header("authorization").to_owned(),
        serde_json::from_slice(body).unwrap_or(Value::Null),
    );
    received.drain(..head + length);
    Some(found)
}

fn route(state: &Shared, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, &parts[..]) {
        ("GET", ["api", "v10", "gateway"]) => (200, json!({"url": state.lock().unwrap().gateway})),
        ("POST", ["api", "v10", "channels", channel, "messages"]) => {
            let channel = channel.parse().unwrap();
            let answer = state.lock().unwrap().post(channel, token, body);
            let Some(answer) = answer else {
                // The whole server stands still, but the client's clock does not.
                thread::sleep(Duration::from_millis(500));
                return state.lock().unwrap().post(channel, token, body).unwrap();
            };
            answer
        }
        _ if token != "Bearer secret" => (401, json!({"message": "unauthorized"})),
        ("POST", ["admin", "v1", "users"]) => (201, state.lock().unwrap().make_users(body)),
        ("POST", ["admin", "v1", "guilds"]) => (201, state.lock().unwrap().make_guild(body)),
        ("DELETE", ["admin", "v1", "guilds", guild]) => {
            let guild = guild.parse().unwrap();
            let removed = state.lock().unwrap().guilds.remove(&guild);
            (if removed.is_some() { 204 } else { 404 }, Value::Null)
        }
        _ => (404, json!({"message": "unknown"})),
    }
}

fn id_in(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

impl State {
    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn make_users(&mut self, body: &Value) -> Value {
        let count = body["count"].as_u64().unwrap();
        let users = (0..count).map(|_| {
            let id = self.id();
            let token = format!("token.{id}");
            self.users.insert(token.clone(), id);
            json!({"user": {"id": id.to_string()}, "token": token})
        });
        json!({"users": users.collect::<Vec<_>>()})
    }

    fn make_guild(&mut self, body: &Value) -> Value {
        let others = body["member_ids"].as_array().unwrap().iter();
        let members = others.chain([&body["owner_id"]]).map(id_in).collect();
        let (id, channel) = (self.id(), self.id());
        let guild = Guild {
            channel,
            members,
            last_message: None,
        };
        self.guilds.insert(id, guild);
        json!({"guild": {"id": id.to_string()}, "channels": [{"id": channel.to_string()}]})
    }

    /// `GUILD_CREATE` data of all guilds of a user.
    pub(crate) fn snapshots(&self, user: u64) -> Vec<Value> {
        let own = self
            .guilds
            .iter()
            .filter(|(_, guild)| guild.members.contains(&user));
        own.map(|(id, guild)| {
            let last = guild.last_message.map(|id| id.to_string());
            json!({"id": id.to_string(), "unavailable": false, "members": [], "channels":
                [{"id": guild.channel.to_string(), "type": 0, "last_message_id": last}]})
        })
        .collect()
    }

    /// `None`: ask again after a stall.
    fn post(&mut self, channel: u64, token: &str, body: &Value) -> Option<(u16, Value)> {
        let author = self.users[token];
        let nonce = body["nonce"].as_str().unwrap().to_owned();
        if let Some(known) = self.nonces.get(&nonce) {
            return Some((200, known.clone()));
        }
        let is_now = self.messages + 1 == AT && !self.done;
        if is_now && matches!(self.fault, Fault::Limit | Fault::Stall) {
            self.done = true;
            return (self.fault == Fault::Limit).then(|| {
                (
                    429,
                    json!({"message": "slow down", "retry_after": 0.2, "global": false}),
                )
            });
        }
        self.messages += 1;
        let id = self.id();
        let mut found = self.guilds.iter_mut();
        let (guild, place) = found.find(|(_, guild)| guild.channel == channel).unwrap();
        let guild = *guild;
        assert!(place.members.contains(&author));
        place.last_message = Some(id);
        let content = body["content"].as_str().unwrap();
        let tail = format!(
            r#""channel_id":"{channel}","author":{{"id":"{author}"}},"content":"{content}","guild_id":"{guild}""#
        );
        let data = if self.fault == Fault::OtherKeyOrder {
            format!(r#"{{{tail},"id":"{id}"}}"#)
        } else {
            format!(r#"{{"id":"{id}",{tail}}}"#)
        };
        let message: Value = serde_json::from_str(&data).unwrap();
        self.nonces.insert(nonce, message.clone());
        self.broadcast(guild, &data);
        if self.messages == AT {
            self.after_message();
            match self.fault {
                Fault::ForgetAnswer => return Some((503, json!({"message": "try again"}))),
                Fault::Ghost => return Some((403, json!({"message": "no"}))),
                _ => {}
            }
        }
        Some((200, message))
    }

    fn broadcast(&mut self, guild: u64, data: &str) {
        let is_now = self.messages == AT;
        let fault = self.fault;
        if is_now && fault == Fault::LoseAcked {
            return;
        }
        let members = &self.guilds[&guild].members;
        let mut is_first = true;
        for session in self.sessions.values_mut() {
            let is_member = members.contains(&session.user);
            let is_leaked_to = is_now && fault == Fault::Leak;
            if !is_member && !is_leaked_to {
                continue;
            }
            let is_victim = is_member && is_first && is_now;
            is_first &= !is_member;
            match fault {
                Fault::Drop if is_victim => {}
                Fault::DropFrame if is_victim => session.s += 1,
                Fault::Reorder if is_victim => session.held = Some(data.to_owned()),
                Fault::Duplicate if is_victim => {
                    session.dispatch("MESSAGE_CREATE", data);
                    session.dispatch("MESSAGE_CREATE", data);
                }
                Fault::Masked if is_victim => {
                    session.dispatch("MESSAGE_CREATE", data);
                    session.tell(Order::SendRaw(vec![0x81, 0x82, 1, 2, 3, 4, 5, 6]));
                }
                _ => {
                    session.dispatch("MESSAGE_CREATE", data);
                    if let Some(held) = session.held.take() {
                        session.dispatch("MESSAGE_CREATE", &held);
                    }
                }
            }
        }
    }

    fn after_message(&mut self) {
        for session in self.sessions.values_mut() {
            match self.fault {
                Fault::Reconnect => {
                    session.tell(Order::Send(
                        json!({"op": 7, "d": null, "s": null, "t": null}).to_string(),
                    ));
                }
                Fault::Cut | Fault::Invalidate | Fault::PartialReplay => session.tell(Order::Cut),
                _ => {}
            }
        }
    }
}

impl Session {
    pub(crate) fn dispatch(&mut self, name: &str, data: &str) {
        self.s += 1;
        let frame = format!(r#"{{"t":"{name}","op":0,"d":{data},"s":{}}}"#, self.s);
        self.log.insert(self.s, frame.clone());
        self.tell(Order::Send(frame));
    }

    fn tell(&mut self, order: Order) {
        // Without a connection, or with one that is just ending, the log is enough.
        if let Some(connection) = &self.connection {
            if matches!(order, Order::Cut) {
                let _ = connection.send(order);
                self.connection = None;
            } else {
                let _ = connection.send(order);
            }
        }
    }
}
