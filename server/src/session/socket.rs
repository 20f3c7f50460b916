//! The task of one socket: reads into the worker, writes on when the socket takes more.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::stream::Stream;
use super::worker::WorkerCell;
use crate::auth::rate_limit::Place;

/// Bytes read at once, into a buffer that all connections of a thread share.
const READ_SIZE: usize = 16 * 1024;
/// Reads before other tasks of the thread get their turn.
const READS_PER_TURN: usize = 8;

thread_local! {
    static BUFFER: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Serves a connection until it ends, and has its place for as long.
pub async fn serve(worker: WorkerCell, key: usize, socket: Rc<Stream>, place: Option<Place>) {
    poll_fn(|cx| poll(&worker, key, &socket, cx)).await;
    socket.finish();
    drop(place);
    let mut worker = worker.borrow_mut();
    worker.gone(key);
    worker.settle();
}

fn poll(worker: &WorkerCell, key: usize, socket: &Stream, cx: &mut Context<'_>) -> Poll<()> {
    {
        let mut worker = worker.borrow_mut();
        let Some(connection) = worker.connection(key) else {
            return Poll::Ready(());
        };
        if connection.dead {
            return Poll::Ready(());
        }
        if !connection
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            connection.waker = Some(cx.waker().clone());
        }
    }
    if poll_read(worker, key, socket, cx).is_ready() {
        return Poll::Ready(());
    }
    poll_write(worker, key, socket, cx)
}

/// Reads what is there; ready when the connection ended.
fn poll_read(worker: &WorkerCell, key: usize, socket: &Stream, cx: &mut Context<'_>) -> Poll<()> {
    for _ in 0..READS_PER_TURN {
        match socket.poll_read_ready(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(())) => {}
        }
        let read = BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(READ_SIZE, 0);
            match socket.try_read(buffer) {
                Ok(0) => None,
                Ok(count) => {
                    worker.borrow_mut().on_bytes(key, &mut buffer[..count]);
                    Some(())
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Some(()),
                Err(_) => None,
            }
        });
        if read.is_none() || worker.borrow_mut().connection(key).is_none_or(|it| it.dead) {
            return Poll::Ready(());
        }
    }
    // More may be there: come back after the others had their turn.
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Writes on where the socket had taken no more; ready when the connection ended.
fn poll_write(worker: &WorkerCell, key: usize, socket: &Stream, cx: &mut Context<'_>) -> Poll<()> {
    loop {
        let mut worker = worker.borrow_mut();
        let Some(connection) = worker.connection(key) else {
            return Poll::Ready(());
        };
        if connection.dead {
            return Poll::Ready(());
        }
        if connection.blocked_since_ms.is_none() && !socket.has_unsent() {
            return Poll::Pending;
        }
        match socket.poll_write_ready(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(())) => {
                worker.flush(key);
            }
        }
    }
}
