//! One connection: its socket, how far it has come, and what it could not send yet.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::ControlFlow;

use anyhow::{Context as _, Result, bail};

use crate::client::frames::{FrameParser, Opcode};
use crate::client::handshake;
use crate::compare::driver::{Door, Driver, Ear, Who, send};
use crate::compare::tally::Tally;
use crate::endpoint::Endpoint;
use crate::publish::http::{self, Response};

/// Most bytes that wait for a socket: a server that leaves this much unread has stopped reading.
const MAX_PENDING: usize = 64 << 20;

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    stage: Stage,
    /// Bytes to be sent from `sent` on. Empty unless the socket is full.
    pending: Vec<u8>,
    sent: usize,
}

/// How far a connection has come.
#[derive(Debug)]
enum Stage {
    /// The upgrade was asked for.
    Upgrading {
        who: Who,
        key: String,
        received: Vec<u8>,
    },
    /// Frames come.
    Open {
        who: Who,
        ready: bool,
        parser: FrameParser,
    },
    /// An HTTP/1.1 connection, and what came of the answer.
    Http { received: Vec<u8> },
}

/// What is needed to understand what came.
pub(super) struct Context<'a> {
    pub(super) now: u64,
    pub(super) driver: &'a mut dyn Driver,
    pub(super) tally: &'a mut Tally,
}

/// What came to more than messages.
#[derive(Debug)]
pub(super) enum News {
    None,
    /// The connection counts from now on.
    Ready,
    /// The answer to a post.
    Answer(Response),
}

impl Wire {
    /// Connects and asks for the upgrade.
    pub(super) fn websocket(who: Who, door: &Door) -> io::Result<Self> {
        let key = handshake::key_of(fastrand::u128(..).to_be_bytes());
        let request = handshake::request(&door.target, &door.endpoint.host, &key);
        let stage = Stage::Upgrading {
            who,
            key,
            received: Vec::new(),
        };
        let mut wire = Self::connect(&door.endpoint, stage)?;
        wire.pending = request.into_bytes();
        wire.flush()?;
        Ok(wire)
    }

    /// Connects for HTTP/1.1.
    pub(super) fn http(endpoint: &Endpoint) -> io::Result<Self> {
        let received = Vec::new();
        Self::connect(endpoint, Stage::Http { received })
    }

    fn connect(endpoint: &Endpoint, stage: Stage) -> io::Result<Self> {
        let stream = TcpStream::connect(endpoint.address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            stage,
            pending: Vec::new(),
            sent: 0,
        })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether it counts already.
    pub(super) fn is_ready(&self) -> bool {
        match &self.stage {
            Stage::Upgrading { .. } => false,
            Stage::Open { ready, .. } => *ready,
            Stage::Http { .. } => true,
        }
    }

    /// Where to append what [`Wire::flush`] is to send.
    pub(super) fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Sends what waits, as far as the socket takes it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.pending.len() {
            match (&self.stream).write(&self.pending[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.pending.len() - self.sent > MAX_PENDING {
                        return Err(io::Error::other("the server has stopped reading"));
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.pending.clear();
        self.sent = 0;
        Ok(())
    }

    /// Reads once; `None` if there is nothing.
    pub(super) fn read(&self, scratch: &mut [u8]) -> Result<Option<usize>> {
        loop {
            match (&self.stream).read(scratch) {
                Ok(0) => bail!("the server closed a connection ({})", self.name()),
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error).context(self.name()),
            }
        }
    }

    fn name(&self) -> String {
        match &self.stage {
            Stage::Upgrading { who, .. } => format!("{who:?}, before the upgrade"),
            Stage::Open { who, .. } => format!("{who:?}"),
            Stage::Http { .. } => "one that posts".to_owned(),
        }
    }

    /// Takes what was read.
    pub(super) fn take(&mut self, input: &[u8], context: &mut Context<'_>) -> Result<News> {
        match &mut self.stage {
            Stage::Open { .. } => self.frames(input, context),
            Stage::Upgrading { who, key, received } => {
                received.extend_from_slice(input);
                let Some(end) = handshake::accepted(received, key)? else {
                    return Ok(News::None);
                };
                let (who, early) = (*who, received.split_off(end));
                self.stage = Stage::Open {
                    who,
                    ready: false,
                    parser: FrameParser::default(),
                };
                context.driver.opened(who, &mut self.pending);
                self.flush()?;
                self.frames(&early, context)
            }
            Stage::Http { received } => {
                received.extend_from_slice(input);
                let Some(response) = http::parse(received)? else {
                    return Ok(News::None);
                };
                received.clear();
                if !response.keep_alive {
                    bail!("the server ends connections that post");
                }
                Ok(News::Answer(response))
            }
        }
    }

    fn frames(&mut self, input: &[u8], context: &mut Context<'_>) -> Result<News> {
        let Stage::Open { who, ready, parser } = &mut self.stage else {
            bail!("invariant: frames come only after the upgrade");
        };
        let was_ready = *ready;
        let replies = &mut self.pending;
        let flow = parser.feed(input, |frame| match frame.opcode {
            Opcode::Ping => {
                send(Opcode::Pong, frame.payload, replies);
                ControlFlow::Continue(())
            }
            Opcode::Pong => ControlFlow::Continue(()),
            Opcode::Close => ControlFlow::Break(format!(
                "the server closed {who:?} with {:?}",
                String::from_utf8_lossy(frame.payload)
            )),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                let mut ear = Ear {
                    now: context.now,
                    replies,
                    ready,
                    tally: context.tally,
                };
                match context.driver.frame(*who, &frame, &mut ear) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => ControlFlow::Break(format!("{who:?}: {error}")),
                }
            }
        })?;
        if let ControlFlow::Break(why) = flow {
            bail!(why);
        }
        let news = match (was_ready, *ready) {
            (false, true) => News::Ready,
            _ => News::None,
        };
        if !self.pending.is_empty() {
            self.flush()?;
        }
        Ok(news)
    }
}
