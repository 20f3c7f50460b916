//! The thread that speaks with NATS.

use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// A thread with a runtime of its own, so that neither guilds nor sessions wait for what the
/// connection has to do. It ends when this is dropped.
pub struct ClusterThread {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ClusterThread {
    /// Starts it.
    pub fn start() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = Builder::new().name("cluster".to_owned()).spawn(move || {
            // An end of the sender is an end as well.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where its tasks are started.
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Does something on the thread and blocks the calling one until it is done; `None` where it
    /// panicked.
    pub fn wait_for<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, result) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // Who waits is there until this is sent.
            let _ = done.send(task.await);
        });
        result.recv().ok()
    }
}

impl Drop for ClusterThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of it was printed already.
            let _ = thread.join();
        }
    }
}
