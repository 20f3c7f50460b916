//! Questions of nodes to each other, as NATS requests with JSON.

use std::sync::{Arc, Weak};

use async_nats::{Request as Asking, RequestErrorKind, Subscriber};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{Inner, Peer, Peers};
use crate::cluster::control::{Question, Unanswered};
use crate::cluster::sessions::{Holders, Soon, Wanted, Yielded};
use crate::placement::NodeName;

/// Questions of other nodes that are being answered.
const MOST: usize = 256;

/// Where a process hears questions.
pub(super) fn subject(name: &str, process: u64) -> String {
    format!("{name}.question.{process:016x}")
}

impl Peers {
    /// Asks another node. The answer may be lost where the question was heard.
    ///
    /// Errors: the node is not there, does not answer in time, or says why it has no answer.
    pub async fn question(
        &self,
        node: &NodeName,
        question: &Question,
    ) -> Result<Value, Unanswered> {
        let peer = self.inner.peers.load().get(node).cloned();
        let Some(peer) = peer else {
            return Err(Unanswered::new(503, format!("node {node} is not there")));
        };
        self.ask_peer(node, &peer, question).await
    }

    async fn ask_peer(
        &self,
        node: &NodeName,
        peer: &Peer,
        question: &Question,
    ) -> Result<Value, Unanswered> {
        let nats = &self.inner.nats;
        if !nats.is_connected() {
            return Err(Unanswered::new(503, "no NATS server is connected"));
        }
        let text = serde_json::to_vec(question).expect("questions are plain data");
        let asking = Asking::new()
            .payload(text.into())
            .timeout(Some(question.patience()));
        let to = subject(nats.name(), peer.incarnation);
        let asked = nats.inner.client.send_request(to, asking);
        let answered = tokio::select! {
            answered = asked => answered,
            () = peer.link.gone() => return Err(Unanswered::new(503, format!("node {node} is gone"))),
        };
        let answer = answered.map_err(|error| {
            let why = match error.kind() {
                RequestErrorKind::NoResponders => "is not there",
                _ => "does not answer",
            };
            Unanswered::new(503, format!("node {node} {why}"))
        })?;
        let answer: Result<Result<Value, Unanswered>, _> = serde_json::from_slice(&answer.payload);
        answer.map_err(|error| Unanswered::new(500, error.to_string()))?
    }

    /// The other nodes.
    pub fn names(&self) -> Vec<NodeName> {
        self.inner.peers.load().keys().cloned().collect()
    }
}

impl Holders for Peers {
    fn may_write(&self) -> bool {
        self.inner.lease.is_held()
    }

    fn is_there(&self, process: u64) -> bool {
        self.inner.peer_of(process).is_some()
    }

    fn others(&self) -> Vec<u64> {
        let peers = self.inner.peers.load();
        peers.values().map(|peer| peer.incarnation).collect()
    }

    fn ask(&self, process: u64, wanted: Wanted) -> Soon<Option<Yielded>> {
        let this = self.clone();
        Box::pin(async move {
            let peers = this.inner.peers.load_full();
            let mut peers = peers.iter();
            let (node, peer) = peers.find(|(_, peer)| peer.incarnation == process)?;
            let question = Question::Yield(wanted);
            let answer = this.ask_peer(node, peer, &question).await;
            serde_json::from_value(answer.ok()?).ok()
        })
    }
}

/// Answers questions.
pub(super) async fn answer(inner: Weak<Inner>, mut messages: Subscriber) {
    let places = Arc::new(Semaphore::new(MOST));
    while let Some(message) = messages.next().await {
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let (Some(reply), Some(control)) = (message.reply, inner.control.get()) else {
            continue;
        };
        // Who asks hears nothing, and asks again.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let (client, control) = (inner.nats.inner.client.clone(), Arc::clone(control));
        let question: Result<Question, _> = serde_json::from_slice(&message.payload);
        inner.handle.spawn(async move {
            let answer = match question {
                Ok(question) => control.answer(question).await,
                Err(error) => Err(Unanswered::new(400, error.to_string())),
            };
            let text = serde_json::to_vec(&answer).expect("answers are plain data");
            if let Err(error) = client.publish(reply, text.into()).await {
                tracing::warn!(%error, "an answer cannot be sent");
            }
            drop(place);
        });
    }
}
