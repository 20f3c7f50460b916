//! The thread that sends spans: it takes what waits, a batch at a time, and forgets what nobody takes.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;
use super::{Span, json};
use crate::clock;

/// Spans that may wait; those beyond are dropped and counted. Each has some hundreds of bytes.
const QUEUE: usize = 4_096;
/// Spans of one request to the collector.
const BATCH: usize = 512;
/// How long a batch is waited for.
const GATHER: Duration = Duration::from_secs(1);
/// How long the collector may take for each step.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last batch.
const FAREWELL: Duration = Duration::from_secs(2);

static EXPORTER: OnceLock<Exporter> = OnceLock::new();
static EXPORTED: AtomicU64 = AtomicU64::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);

struct Exporter {
    every: u64,
    queue: SyncSender<Sent>,
}

enum Sent {
    Span(Box<Span>),
    /// Send what there is, and say so.
    Flush(SyncSender<()>),
}

/// What became of spans so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// A collector has them.
    pub exported: u64,
    /// There was no room for them.
    pub dropped: u64,
    /// They could not be sent.
    pub failed: u64,
}

/// What became of spans so far; `None` where none are exported.
pub fn figures() -> Option<Figures> {
    is_on().then(|| Figures {
        exported: EXPORTED.load(Ordering::Relaxed),
        dropped: DROPPED.load(Ordering::Relaxed),
        failed: FAILED.load(Ordering::Relaxed),
    })
}

/// Exports one in `every` (at least 1) requests of the node from now on, and until the process ends.
///
/// Errors: there is no thread to be had. A second call changes nothing.
pub fn start(endpoint: Endpoint, every: u64, node: String) -> io::Result<()> {
    let (queue, spans) = sync_channel(QUEUE);
    let work = move || send_all(&endpoint, &node, &spans);
    Builder::new().name("spans".to_owned()).spawn(work)?;
    let every = every.max(1);
    // The first one stays; the thread of another ends with its queue.
    let _ = EXPORTER.set(Exporter { every, queue });
    Ok(())
}

/// Waits until what was exported so far is sent, for a while.
pub fn finish() {
    let Some(exporter) = EXPORTER.get() else {
        return;
    };
    let (done, is_done) = sync_channel(1);
    if exporter.queue.try_send(Sent::Flush(done)).is_ok() {
        // Whoever stops the process waits no longer.
        let _ = is_done.recv_timeout(FAREWELL);
    }
}

/// Whether spans are exported.
pub fn is_on() -> bool {
    EXPORTER.get().is_some()
}

pub(super) fn every() -> u64 {
    EXPORTER.get().map_or(u64::MAX, |exporter| exporter.every)
}

/// Queues a span, or drops it where there is no room.
pub(super) fn send(span: Span) {
    let Some(exporter) = EXPORTER.get() else {
        return;
    };
    if exporter.queue.try_send(Sent::Span(Box::new(span))).is_err() {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

fn send_all(endpoint: &Endpoint, node: &str, spans: &Receiver<Sent>) {
    let mut is_well = true;
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let (is_over, flushed) = gather(spans, &mut batch);
        if !batch.is_empty() {
            let count = batch.len() as u64;
            let posted = post(endpoint, node, &batch);
            batch.clear();
            let counter = if posted.is_ok() { &EXPORTED } else { &FAILED };
            counter.fetch_add(count, Ordering::Relaxed);
            // One line when it begins and one when it is over.
            match (&posted, is_well) {
                (Err(error), true) => {
                    tracing::warn!(%endpoint, %error, "spans cannot be exported");
                }
                (Ok(()), false) => tracing::info!(%endpoint, "spans are exported again"),
                _ => {}
            }
            is_well = posted.is_ok();
        }
        if let Some(flushed) = flushed {
            // Who asked may have given up.
            let _ = flushed.try_send(());
        }
        if is_over {
            return;
        }
    }
}

/// Takes what waits: a whole batch, or what comes within a while after the first. Says whether nothing more can come,
/// and whom to tell that all of it was sent.
fn gather(spans: &Receiver<Sent>, batch: &mut Vec<Span>) -> (bool, Option<SyncSender<()>>) {
    let mut end: Option<Instant> = None;
    while batch.len() < BATCH {
        let left = end.map_or(Duration::MAX, |end| {
            end.saturating_duration_since(clock::now())
        });
        let sent = if left == Duration::MAX {
            spans.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            spans.recv_timeout(left)
        };
        match sent {
            Ok(Sent::Span(span)) => {
                batch.push(*span);
                end.get_or_insert_with(|| clock::now() + GATHER);
            }
            Ok(Sent::Flush(done)) => return (false, Some(done)),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return (true, None),
        }
    }
    (false, None)
}

/// A connection to the first address that takes one, of those that the name has.
fn connect(authority: &str) -> io::Result<TcpStream> {
    let mut error = io::Error::from(io::ErrorKind::NotFound);
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(refused) => error = refused,
        }
    }
    Err(error)
}

/// One request on a connection of its own.
fn post(endpoint: &Endpoint, node: &str, spans: &[Span]) -> io::Result<()> {
    let body = json::request(node, spans).to_string();
    let Endpoint { authority, path } = endpoint;
    let stream = connect(authority)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    (&stream).write_all(head.as_bytes())?;
    (&stream).write_all(body.as_bytes())?;
    let mut status = String::new();
    let mut answer = BufReader::new(io::Read::take(&stream, 1 << 10));
    answer.read_line(&mut status)?;
    let code = status.split(' ').nth(1).unwrap_or_default();
    if code.starts_with('2') {
        Ok(())
    } else {
        let said = status.trim_end();
        Err(io::Error::other(format!("the collector answered {said:?}")))
    }
}
