//! Which message an author's nonce stands for, so that a retried send is not done twice.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::limits::CoreSettings;
use crate::protocol::objects::Nonce;
use crate::protocol::{ChannelId, MessageId, UserId};

/// What must be the same for two sends to be one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct NonceKey {
    pub(super) author: UserId,
    pub(super) channel: ChannelId,
    pub(super) nonce: Nonce,
}

/// A nonce and its message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Used {
    pub(super) key: Arc<NonceKey>,
    pub(super) message: MessageId,
    /// When, in milliseconds since the Unix epoch.
    pub(super) at_ms: u64,
}

/// The nonces of the last minutes; owns nothing before the first.
#[derive(Debug, Default)]
pub(super) struct Nonces(Option<Box<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Oldest first.
    order: VecDeque<Used>,
    /// The newest message of each key, and when.
    by_key: HashMap<Arc<NonceKey>, (MessageId, u64)>,
}

impl Nonces {
    /// Notes a nonce and forgets those that are too old or too many.
    pub(super) fn remember(&mut self, used: Used, limits: &CoreSettings) {
        let oldest = used.at_ms.saturating_sub(limits.nonce_ttl_ms);
        let Known { order, by_key } = &mut **self.0.get_or_insert_default();
        by_key.insert(Arc::clone(&used.key), (used.message, used.at_ms));
        order.push_back(used);
        while order.len() > limits.max_nonces
            || order.front().is_some_and(|used| used.at_ms < oldest)
        {
            let Some(gone) = order.pop_front() else {
                break;
            };
            // A later message with the same nonce has taken its place.
            if by_key
                .get(&gone.key)
                .is_some_and(|(message, _)| *message == gone.message)
            {
                by_key.remove(&gone.key);
            }
        }
    }

    /// The message that was sent with this nonce not long before `now_ms`.
    pub(super) fn find(
        &self,
        key: &NonceKey,
        now_ms: u64,
        limits: &CoreSettings,
    ) -> Option<MessageId> {
        let (message, at_ms) = *self.0.as_ref()?.by_key.get(key)?;
        (now_ms.saturating_sub(at_ms) < limits.nonce_ttl_ms).then_some(message)
    }

    /// Every nonce, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Used> {
        self.0.iter().flat_map(|known| &known.order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(n: u64, message: u64, at_ms: u64) -> Used {
        Used {
            key: Arc::new(NonceKey {
                author: UserId::new(1),
                channel: ChannelId::new(1),
                nonce: Nonce::Number(n),
            }),
            message: MessageId::new(message),
            at_ms,
        }
    }

    #[test]
    fn nonces_are_forgotten_by_age_and_by_number() {
        let limits = CoreSettings {
            max_nonces: 3,
            nonce_ttl_ms: 100,
            ..CoreSettings::default()
        };
        let mut nonces = Nonces::default();
        let first = used(1, 10, 0);
        nonces.remember(first.clone(), &limits);
        assert_eq!(
            nonces.find(&first.key, 99, &limits),
            Some(MessageId::new(10))
        );
        assert_eq!(nonces.find(&first.key, 100, &limits), None);
        // Used again: the newer message counts, also when the older entry goes.
        for entry in [used(1, 11, 1), used(2, 12, 2), used(3, 13, 3)] {
            nonces.remember(entry, &limits);
        }
        assert_eq!(nonces.iter().count(), 3);
        assert_eq!(
            nonces.find(&first.key, 50, &limits),
            Some(MessageId::new(11))
        );
        nonces.remember(used(4, 14, 102), &limits);
        assert_eq!(nonces.find(&first.key, 102, &limits), None);
        let known = nonces.0.unwrap();
        assert_eq!(known.by_key.len(), known.order.len());
    }
}
