//! Sends changes, in the order of the calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use tokio::sync::mpsc;

use super::{Outgoing, Shared};
use crate::directory::DirectoryError;

/// Sends what comes until nobody can send any more.
pub(super) async fn run(shared: Arc<Shared>, mut queued: mpsc::Receiver<Outgoing>) {
    while let Some(outgoing) = queued.recv().await {
        let number = outgoing.number;
        shared
            .queued_bytes
            .fetch_sub(outgoing.text.len(), Ordering::Relaxed);
        if !shared.nats.is_connected() {
            fail(&shared, number, "no NATS server is connected");
            continue;
        }
        let message = PublishMessage::build().payload(outgoing.text.into());
        let subject = format!("{}.dir", shared.nats.name());
        let sent = shared.nats.inner.context.send_publish(subject, message);
        match sent.await {
            // The next one need not wait for the answer: what one connection sends stays in order.
            Ok(answer) => {
                // Ends with the answer or its time-out; the client bounds how many there are.
                #[allow(clippy::disallowed_methods)]
                tokio::spawn(wait(Arc::clone(&shared), number, answer));
            }
            Err(error) => fail(&shared, number, &error.to_string()),
        }
    }
}

async fn wait(shared: Arc<Shared>, number: u64, answer: PublishAckFuture) {
    match answer.await {
        Ok(stored) => {
            shared.told.fetch_max(stored.sequence, Ordering::Relaxed);
            shared.news.notify_one();
        }
        Err(error) => fail(&shared, number, &error.to_string()),
    }
}

fn fail(shared: &Shared, number: u64, why: &str) {
    shared.answer(number, Err(DirectoryError::Unavailable(why.to_owned())));
}
