//! The task of one session: connects, reads, and connects again as the protocol says.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::SemaphorePermit;
use tokio::time::{sleep, timeout};

use super::beats;
use super::close::{Policy, policy};
use super::frames::{Frame, FrameParser, Opcode};
use super::handshake::{self, HandshakeError};
use super::inflate::Inflater;
use super::messages::{Incoming, MessageAssembler};
use super::session::{ProtocolError, Step};
use super::throttle::Throttle;
use super::worker::{Stage, Worker};
use crate::clock;
use crate::endpoint::Endpoint;

/// How long connecting and upgrading may take.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// Connections that may fail in a row before a session is given up.
const MAX_FAILURES: u32 = 12;

/// Wait in milliseconds after the first failed connection; doubles up to [`MAX_BACKOFF`], half of it random.
const BACKOFF: u64 = 250;

/// Longest wait between two failing connections, in milliseconds.
const MAX_BACKOFF: u64 = 8_000;

/// Bytes that the system may take in for a session that reads slowly.
const SLOW_BUFFER: usize = 4 << 10;

/// A close code that keeps the session on the server.
const CLOSE_FOR_RESUME: u16 = 4_000;

/// A close code that ends the session on the server.
const CLOSE_FOR_GOOD: u16 = 1_000;

/// Keeps slot `index` connected until the worker stops or the session is given up.
pub(super) async fn keep(worker: Rc<Worker>, index: usize) {
    let mut failures = 0;
    while !worker.is_stopping() {
        let permit = worker.permits.acquire().await;
        let permit = permit.expect("invariant: the semaphore is never closed");
        // Boxed, so that the handshake's buffers do not stay in the task.
        let policy = match Box::pin(Link::open(&worker, index)).await {
            Ok(link) => {
                let policy = link.drive(&worker, index, permit).await;
                // One that ended before it was of use counts as failed.
                if worker.slots[index].stage.get() == Stage::Settled {
                    failures = 0;
                } else {
                    failures += 1;
                }
                worker.ended(index, policy);
                policy
            }
            Err(error) => {
                worker.connect_failed(&error);
                failures += 1;
                drop(permit);
                Policy::Resume
            }
        };
        worker.slots[index].failed.set(failures);
        if policy == Policy::Fatal || failures >= MAX_FAILURES {
            worker.give_up(index);
            return;
        }
        let after_storm = worker.slots[index].after_storm.take();
        let wait = match (failures, policy) {
            _ if after_storm.is_some() => after_storm.map_or(Duration::ZERO, |after| after.wait),
            // As Discord wants it: some time between one and five seconds.
            (0, Policy::Identify) => worker.random_within(1_000, 5_000),
            (0, _) => worker.random_within(0, 500),
            (failures, _) => {
                let longest = (BACKOFF << failures.min(10)).min(MAX_BACKOFF);
                worker.random_within(longest / 2, longest)
            }
        };
        if !worker.is_stopping() {
            sleep(wait).await;
        }
    }
}

/// An upgraded connection.
struct Link {
    reader: OwnedReadHalf,
    /// What came with the upgrade's response.
    early: Vec<u8>,
    parser: FrameParser,
    assembler: MessageAssembler,
    /// There on compressed connections.
    inflater: Option<Box<Inflater>>,
    /// There on slow ones.
    throttle: Option<Throttle>,
}

impl Link {
    async fn open(worker: &Worker, index: usize) -> Result<Self, HandshakeError> {
        let endpoint = worker.endpoint_of(index);
        let nonce = worker.random.borrow_mut().u128(..).to_be_bytes();
        let client = worker.client(index);
        let from = worker.source_of(index);
        let connecting = handshake::connect(endpoint.as_ref(), from, nonce, client.is_compressed);
        let (stream, early) = timeout(HANDSHAKE, connecting)
            .await
            .map_err(|_elapsed| HandshakeError::Timeout)??;
        let throttle = client.bytes_per_second.map(Throttle::new);
        if throttle.is_some() {
            // So that the server notices soon.
            sockopt::set_socket_recv_buffer_size(&stream, SLOW_BUFFER)
                .map_err(std::io::Error::from)?;
        }
        let (reader, writer) = stream.into_split();
        worker.opened(index, writer);
        Ok(Self {
            throttle,
            inflater: client.is_compressed.then(Box::default),
            reader,
            early,
            parser: FrameParser::default(),
            assembler: MessageAssembler::default(),
        })
    }

    /// Reads until the connection ends; says how to go on. Gives `permit` back once the session is settled.
    async fn drive(mut self, worker: &Worker, index: usize, permit: SemaphorePermit<'_>) -> Policy {
        let mut permit = Some(permit);
        let early = std::mem::take(&mut self.early);
        if let ControlFlow::Break(policy) = self.feed(worker, index, &early) {
            return policy;
        }
        drop(early);
        poll_fn(|context| {
            let end = self.poll(worker, index, context);
            if permit.is_some() && worker.slots[index].stage.get() == Stage::Settled {
                permit = None;
            }
            end
        })
        .await
    }

    /// Reads and handles all there is; ready when the connection has ended.
    fn poll(&mut self, worker: &Worker, index: usize, context: &mut Context<'_>) -> Poll<Policy> {
        let mut scratch = worker.scratch.borrow_mut();
        loop {
            let mut most = scratch.len();
            if let Some(throttle) = &mut self.throttle
                && worker.slots[index].stage.get() == Stage::Settled
            {
                most = ready!(throttle.poll(context)).min(most);
            }
            let mut buffer = ReadBuf::new(&mut scratch[..most]);
            let read = ready!(Pin::new(&mut self.reader).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(policy(None));
            }
            if let ControlFlow::Break(policy) = self.feed(worker, index, buffer.filled()) {
                return Poll::Ready(policy);
            }
        }
    }

    fn feed(&mut self, worker: &Worker, index: usize, bytes: &[u8]) -> ControlFlow<Policy> {
        let now = clock::now();
        let Self {
            parser,
            assembler,
            inflater,
            ..
        } = self;
        let fed = parser.feed(bytes, |frame| {
            accept(worker, index, (assembler, inflater), frame, now)
        });
        worker.show_progress();
        fed.unwrap_or_else(|error| {
            worker.protocol_error(index, error.to_string());
            leave(worker, index, Policy::Identify)
        })
    }
}

fn accept(
    worker: &Worker,
    index: usize,
    (assembler, inflater): (&mut MessageAssembler, &mut Option<Box<Inflater>>),
    frame: Frame<'_>,
    now: u64,
) -> ControlFlow<Policy> {
    let handled = assembler.accept(frame, |incoming| match (incoming, inflater) {
        (Incoming::Binary(bytes), Some(inflater)) => match inflater.feed(bytes) {
            Ok(Some(payload)) => handle(worker, index, Incoming::Text(&payload), now),
            Ok(None) => ControlFlow::Continue(()),
            Err(error) => {
                worker.protocol_error(index, error.to_string());
                leave(worker, index, Policy::Identify)
            }
        },
        (incoming, _) => handle(worker, index, incoming, now),
    });
    match handled {
        Ok(flow) => flow.unwrap_or(ControlFlow::Continue(())),
        Err(error) => {
            worker.protocol_error(index, error.to_string());
            leave(worker, index, Policy::Identify)
        }
    }
}

fn handle(worker: &Worker, index: usize, incoming: Incoming<'_>, now: u64) -> ControlFlow<Policy> {
    let text = match incoming {
        Incoming::Text(text) => text,
        Incoming::Ping(payload) => {
            worker.send(index, Opcode::Pong, payload);
            return ControlFlow::Continue(());
        }
        Incoming::Pong => return ControlFlow::Continue(()),
        Incoming::Close(code) => {
            let echo = code.map(u16::to_be_bytes);
            let echo = echo.as_ref().map_or(&[][..], |code| &code[..]);
            worker.send(index, Opcode::Close, echo);
            return ControlFlow::Break(policy(code));
        }
        Incoming::Binary(bytes) => {
            worker.protocol_error(
                index,
                format!(
                    "binary message of {} bytes without compression",
                    bytes.len()
                ),
            );
            return leave(worker, index, Policy::Identify);
        }
    };
    let slot = &worker.slots[index];
    let step = {
        let mut tally = worker.tally.borrow_mut();
        tally.counters.payloads += 1;
        slot.session.borrow_mut().receive(text, now, &mut tally)
    };
    match step {
        Ok(Step::Continue) => {}
        Ok(Step::Open) => {
            let client = worker.client(index);
            let token = &worker.fleet.tokens[client.user as usize];
            let opening = slot.session.borrow_mut().opening(token, &client);
            worker.send(index, Opcode::Text, opening.as_bytes());
            beats::start(worker, index);
        }
        Ok(Step::Beat) => {
            let beat = slot.session.borrow().beat();
            worker.send(index, Opcode::Text, beat.as_bytes());
        }
        Ok(Step::Settled) => worker.settled(index),
        Ok(Step::Leave(policy)) => return leave(worker, index, policy),
        Err(error) => {
            worker.protocol_error(index, describe(&error, text));
            return leave(worker, index, Policy::Identify);
        }
    }
    ControlFlow::Continue(())
}

/// Closes the connection from this side.
fn leave(worker: &Worker, index: usize, policy: Policy) -> ControlFlow<Policy> {
    let code = match policy {
        Policy::Resume => CLOSE_FOR_RESUME,
        Policy::Identify | Policy::Fatal => CLOSE_FOR_GOOD,
    };
    worker.send(index, Opcode::Close, &code.to_be_bytes());
    ControlFlow::Break(policy)
}

/// The error and the beginning of what caused it.
fn describe(error: &ProtocolError, text: &[u8]) -> String {
    let start = String::from_utf8_lossy(&text[..text.len().min(200)]);
    format!("{error}: {start}")
}

/// Where a slot connects to: the run's gateway, or where its READY told it to resume.
pub(super) enum Target<'a> {
    /// The run's gateway.
    Gateway(&'a Endpoint),
    /// A gateway of its own.
    Resume(Endpoint),
}

impl AsRef<Endpoint> for Target<'_> {
    fn as_ref(&self) -> &Endpoint {
        match self {
            Self::Gateway(endpoint) => endpoint,
            Self::Resume(endpoint) => endpoint,
        }
    }
}
