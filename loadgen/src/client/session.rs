//! The gateway protocol of one session as a state machine: payloads go in, the next step comes out. No socket, no clock.

use super::close::Policy;
use super::outgoing;
use super::payload::{Envelope, GuildCreate, GuildDelete, Hello, Message, Ready};
use super::scan::scan;
use super::tally::Tally;
use crate::plan::Client;

/// Where a session stands. A connection that ends leads back to `Closed` from everywhere.
///
/// | state | by | next |
/// |---|---|---|
/// | `Closed` | op 10 | `Identifying`, or `Resuming` if there is something to resume |
/// | `Identifying` | READY | `Active` |
/// | `Resuming` | RESUMED | `Active` |
/// | `Identifying`, `Resuming`, `Active` | op 7, op 9 | `Closed` |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No connection, or no HELLO on it yet.
    Closed,
    /// Identify was sent.
    Identifying,
    /// Resume was sent; missed events come first.
    Resuming,
    /// Events come.
    Active,
}

/// What a Resume needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumePoint {
    /// From READY.
    pub session_id: Box<str>,
    /// From READY.
    pub url: Box<str>,
}

/// What the connection has to do after a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Continue,
    /// HELLO came: send [`Session::opening`], and a heartbeat each [`Session::interval`].
    Open,
    /// The server wants a heartbeat at once.
    Beat,
    /// The session has all its guilds, or has been resumed.
    Settled,
    /// Close the connection and go on by the policy.
    Leave(Policy),
}

/// The server did something that the protocol does not allow.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// Not JSON of the expected shape.
    #[error("{what}: {source}")]
    Json {
        /// Which payload.
        what: &'static str,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// Known, but not now.
    #[error("{what} while {state:?}")]
    Unexpected {
        /// Which payload.
        what: Box<str>,
        /// The state it came in.
        state: State,
    },
    /// A dispatch without `s` or `t`.
    #[error("dispatch without sequence number or name")]
    Nameless,
}

/// One logical session.
#[derive(Debug)]
pub struct Session {
    /// Index within its worker.
    index: u32,
    state: State,
    /// Last sequence number of the logical session; 0 before READY.
    seq: u64,
    resume: Option<Box<ResumePoint>>,
    /// `GUILD_CREATE`s that belong to READY and have not come yet.
    awaited: u32,
    /// Guilds that the session is in.
    guilds: u32,
    /// A heartbeat was sent and not acknowledged.
    unacked: bool,
    /// Milliseconds between heartbeats, as the last HELLO had it.
    interval: u32,
}

impl Session {
    /// A session that was never connected; `index` within its worker, in `guilds` guilds.
    pub fn new(index: u32, guilds: u32) -> Self {
        Self {
            index,
            state: State::Closed,
            seq: 0,
            resume: None,
            awaited: guilds,
            guilds,
            unacked: false,
            interval: 0,
        }
    }

    /// Milliseconds between heartbeats, as the last HELLO had it; 0 before the first.
    pub fn interval(&self) -> u64 {
        u64::from(self.interval)
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// What it could resume, if anything.
    pub fn resume_point(&self) -> Option<&ResumePoint> {
        self.resume.as_deref()
    }

    /// The connection is gone; by `policy` the logical session may be, too.
    pub fn disconnected(&mut self, policy: Policy) {
        self.state = State::Closed;
        self.unacked = false;
        if policy != Policy::Resume {
            self.resume = None;
        }
        if self.resume.is_none() {
            self.seq = 0;
        }
    }

    /// The first payload after HELLO.
    pub fn opening(&mut self, token: &str, client: &Client) -> String {
        if let Some(point) = &self.resume {
            self.state = State::Resuming;
            outgoing::resume(token, &point.session_id, self.seq)
        } else {
            self.state = State::Identifying;
            self.awaited = self.guilds;
            outgoing::identify(token, client)
        }
    }

    /// A heartbeat; `None` if the last one was not acknowledged, so that the connection must be taken for dead.
    pub fn scheduled_beat(&mut self) -> Option<String> {
        if self.unacked {
            return None;
        }
        self.unacked = true;
        Some(self.beat())
    }

    /// A heartbeat that the server asked for.
    pub fn beat(&self) -> String {
        outgoing::heartbeat(self.seq)
    }

    /// Takes a payload that was received at `now`; what it says about messages goes to `tally`.
    pub fn receive(
        &mut self,
        text: &[u8],
        now: u64,
        tally: &mut Tally,
    ) -> Result<Step, ProtocolError> {
        // The way of nearly every payload: nothing is parsed but the envelope's ends.
        if let Some(look) = scan(text)
            && look.op == 0
            && let (Some(s), Some(name)) = (look.s, look.t)
            && self.takes_events()
        {
            match (name, look.id()) {
                (b"MESSAGE_CREATE", Some(id)) if id != 0 => {
                    self.sequence(s, tally);
                    tally.message(self.index, id, text, now);
                    return Ok(Step::Continue);
                }
                (
                    b"MESSAGE_CREATE" | b"READY" | b"RESUMED" | b"GUILD_CREATE" | b"GUILD_DELETE",
                    _,
                ) => {}
                _ => {
                    self.sequence(s, tally);
                    return Ok(Step::Continue);
                }
            }
        }
        self.receive_parsed(text, now, tally)
    }

    fn takes_events(&self) -> bool {
        matches!(self.state, State::Active | State::Resuming)
    }

    fn sequence(&mut self, s: u64, tally: &mut Tally) {
        self.seq = s;
        tally.sequence(self.index, s);
    }

    fn receive_parsed(
        &mut self,
        text: &[u8],
        now: u64,
        tally: &mut Tally,
    ) -> Result<Step, ProtocolError> {
        let json = |what| move |source| ProtocolError::Json { what, source };
        let envelope: Envelope<'_> = serde_json::from_slice(text).map_err(json("payload"))?;
        let data = envelope.d.map_or("null", |data| data.get());
        match envelope.op {
            0 => {
                let (Some(s), Some(name)) = (envelope.s, envelope.t) else {
                    return Err(ProtocolError::Nameless);
                };
                self.dispatch(&name, s, data, now, tally)
            }
            1 => Ok(Step::Beat),
            7 => Ok(Step::Leave(Policy::Resume)),
            9 => {
                let resumable: bool = serde_json::from_str(data).map_err(json("op 9"))?;
                Ok(Step::Leave(if resumable {
                    Policy::Resume
                } else {
                    Policy::Identify
                }))
            }
            10 => {
                if self.state != State::Closed {
                    return Err(self.unexpected("op 10"));
                }
                let hello: Hello = serde_json::from_str(data).map_err(json("op 10"))?;
                self.interval = hello.heartbeat_interval.max(1);
                Ok(Step::Open)
            }
            11 => {
                self.unacked = false;
                Ok(Step::Continue)
            }
            other => Err(self.unexpected(&format!("op {other}"))),
        }
    }

    fn dispatch(
        &mut self,
        name: &str,
        s: u64,
        data: &str,
        now: u64,
        tally: &mut Tally,
    ) -> Result<Step, ProtocolError> {
        let json = |what| move |source| ProtocolError::Json { what, source };
        if name == "READY" {
            if self.state != State::Identifying {
                return Err(self.unexpected(name));
            }
            let ready: Ready<'_> = serde_json::from_str(data).map_err(json("READY"))?;
            self.resume = Some(Box::new(ResumePoint {
                session_id: ready.session_id.into(),
                url: ready.resume_gateway_url.into(),
            }));
            self.state = State::Active;
            tally.identified(self.index);
            self.sequence(s, tally);
            return Ok(self.settled_if_complete());
        }
        if !self.takes_events() {
            return Err(self.unexpected(name));
        }
        self.sequence(s, tally);
        match name {
            "RESUMED" => {
                if self.state != State::Resuming {
                    return Err(self.unexpected(name));
                }
                self.state = State::Active;
                tally.resumed();
                // A session that was cut off among its first guilds still waits for the others.
                Ok(self.settled_if_complete())
            }
            "GUILD_CREATE" => {
                let guild: GuildCreate =
                    serde_json::from_str(data).map_err(json("GUILD_CREATE"))?;
                if guild.unavailable {
                    return Ok(Step::Continue);
                }
                tally.snapshot(self.index, &guild, now);
                self.awaited = self.awaited.saturating_sub(1);
                Ok(self.settled_if_complete())
            }
            "GUILD_DELETE" => {
                let guild: GuildDelete =
                    serde_json::from_str(data).map_err(json("GUILD_DELETE"))?;
                if !guild.unavailable {
                    tally.left(self.index, guild.id.0);
                }
                Ok(Step::Continue)
            }
            "MESSAGE_CREATE" => {
                let message: Message<'_> =
                    serde_json::from_str(data).map_err(json("MESSAGE_CREATE"))?;
                tally.message(self.index, message.id.0, message.content.as_bytes(), now);
                Ok(Step::Continue)
            }
            _ => Ok(Step::Continue),
        }
    }

    fn settled_if_complete(&self) -> Step {
        if self.awaited == 0 {
            Step::Settled
        } else {
            Step::Continue
        }
    }

    fn unexpected(&self, what: &str) -> ProtocolError {
        ProtocolError::Unexpected {
            what: what.into(),
            state: self.state,
        }
    }
}

#[cfg(test)]
mod tests;
