//! A bounded queue between callers, who never wait, and threads of the store, which do.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Why something was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotQueued {
    /// The bound in count or bytes is reached.
    #[error("the store's queue is full")]
    Full,
    /// Nothing is taken any more.
    #[error("the store is closed")]
    Closed,
}

/// First in, first out; bounded in count and in bytes.
#[derive(Debug)]
pub(super) struct Queue<T> {
    inside: Mutex<Inside<T>>,
    wake: Condvar,
    max_count: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Inside<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    closed: bool,
}

impl<T> Inside<T> {
    fn take(&mut self) -> Option<(T, usize)> {
        let (item, bytes) = self.items.pop_front()?;
        self.bytes -= bytes;
        Some((item, bytes))
    }
}

impl<T> Queue<T> {
    pub(super) const fn new(max_count: usize, max_bytes: usize) -> Self {
        Self {
            inside: Mutex::new(Inside {
                items: VecDeque::new(),
                bytes: 0,
                closed: false,
            }),
            wake: Condvar::new(),
            max_count,
            max_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside<T>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues something. What is larger than the whole bound is taken while nothing else waits.
    pub(super) fn push(&self, item: T, bytes: usize) -> Result<usize, NotQueued> {
        let mut inside = self.lock();
        if inside.closed {
            return Err(NotQueued::Closed);
        }
        let over = inside.bytes + bytes > self.max_bytes && !inside.items.is_empty();
        if over || inside.items.len() >= self.max_count {
            return Err(NotQueued::Full);
        }
        inside.items.push_back((item, bytes));
        inside.bytes += bytes;
        let length = inside.items.len();
        drop(inside);
        self.wake.notify_one();
        Ok(length)
    }

    /// Queues something for which there is always room. Nothing comes of it once the queue is closed and empty.
    pub(super) fn push_unbounded(&self, item: T) {
        self.lock().items.push_back((item, 0));
        self.wake.notify_one();
    }

    /// Waits for something and takes it; `None` once the queue is closed and empty.
    pub(super) fn pop(&self) -> Option<T> {
        let mut inside = self.lock();
        loop {
            if let Some((item, _)) = inside.take() {
                return Some(item);
            }
            if inside.closed {
                return None;
            }
            inside = self
                .wake
                .wait(inside)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for something, at most for `patience` if that is given, and takes what is there:
    /// at least one, else as many as fit both bounds. Tells whether there may be more to come.
    pub(super) fn drain(
        &self,
        into: &mut Vec<T>,
        max_count: usize,
        max_bytes: usize,
        patience: Option<Duration>,
    ) -> bool {
        let mut inside = self.lock();
        while inside.items.is_empty() && !inside.closed {
            match patience {
                None => {
                    inside = self
                        .wake
                        .wait(inside)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                Some(patience) => {
                    let waited = self.wake.wait_timeout(inside, patience);
                    inside = waited.unwrap_or_else(PoisonError::into_inner).0;
                    break;
                }
            }
        }
        let mut bytes = 0;
        while into.len() < max_count {
            let Some((_, next)) = inside.items.front() else {
                break;
            };
            if bytes + next > max_bytes && !into.is_empty() {
                break;
            }
            let Some((item, size)) = inside.take() else {
                break;
            };
            bytes += size;
            into.push(item);
        }
        !(inside.closed && into.is_empty())
    }

    /// Whether nothing is taken any more.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// How much waits.
    pub(super) fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Takes nothing more; what is queued can still be taken out.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_and_bytes_are_bounded_and_one_large_item_passes() {
        let queue = Queue::new(3, 100);
        assert_eq!(queue.push('a', 500), Ok(1));
        assert_eq!(queue.push('b', 1), Err(NotQueued::Full));
        assert_eq!(queue.pop(), Some('a'));
        for (item, length) in [('c', 1), ('d', 2), ('e', 3)] {
            assert_eq!(queue.push(item, 30), Ok(length));
        }
        assert_eq!(queue.push('f', 0), Err(NotQueued::Full));
        let mut out = Vec::new();
        assert!(queue.drain(&mut out, 10, 70, None));
        assert_eq!(out, ['c', 'd']);
        queue.close();
        assert_eq!(queue.push('g', 1), Err(NotQueued::Closed));
        assert_eq!(queue.pop(), Some('e'));
        assert_eq!(queue.pop(), None);
        out.clear();
        assert!(!queue.drain(&mut out, 10, 70, None));
    }

    #[test]
    fn a_drain_with_patience_comes_back_empty() {
        let queue = Queue::<u8>::new(3, 100);
        let mut out = Vec::new();
        assert!(queue.drain(&mut out, 1, 1, Some(Duration::from_millis(1))));
        assert!(out.is_empty());
    }
}
