//! A session that is read over several connections.

use std::sync::Arc;

use crate::rest::text;
use crate::{Account, Cut, Gateway, World};

/// What one session has read, over all its connections.
pub struct Reader {
    world: Arc<World>,
    cut: Cut,
    /// Ids of the messages, in the order in which they came.
    messages: Vec<String>,
}

impl Reader {
    /// Logs in; answers the connection too.
    pub async fn login(world: &Arc<World>, account: &Account) -> (Self, Gateway) {
        let (gateway, cut) = world.login(account).await.into_parts();
        let reader = Self {
            world: Arc::clone(world),
            cut,
            messages: Vec::new(),
        };
        (reader, gateway)
    }

    /// Reads `events` events, or to the message `end` where that is sooner; says whether it is the end.
    pub async fn read(&mut self, gateway: &mut Gateway, events: usize) -> bool {
        for _ in 0..events {
            let payload = gateway.next().await;
            let read = self.messages.len();
            assert_ne!(payload.op, 9, "refused after {read} messages");
            self.cut.seq = gateway.seq();
            if !payload.is("MESSAGE_CREATE") {
                continue;
            }
            if payload.d["content"] == "end" {
                return true;
            }
            self.messages.push(text(&payload.d["id"]).to_owned());
        }
        false
    }

    /// Connects anew and asks for what comes after all that was read.
    pub async fn resume(&self) -> Gateway {
        self.cut.ask(&self.world.server).await
    }

    /// Ids of all messages that were read, in the order in which they came.
    pub fn into_messages(self) -> Vec<String> {
        self.messages
    }
}
