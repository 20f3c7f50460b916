//! Sessions in memory: for tests of what stands on the contract.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::{Claim, Claimed, Found, Kept, SessionStore, Soon, StoreError};
use crate::protocol::GuildId;

/// Most bytes of a state: what NATS takes by default.
const MAX_BYTES: usize = 1 << 20;

/// A store that ends with the process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct MemorySessions(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<String, Found>,
    tables: HashMap<(GuildId, u64), Bytes>,
    /// The number of the newest claim of all.
    claims: u64,
}

impl MemorySessions {
    fn with<T: Send + 'static>(&self, f: impl FnOnce(&mut Inner) -> T) -> Soon<T> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = f(&mut inner);
        Box::pin(std::future::ready(answer))
    }
}

impl SessionStore for MemorySessions {
    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    fn put(&self, id: &str, kept: Kept) -> Soon<Result<(), StoreError>> {
        let len = kept.state.len();
        if len > MAX_BYTES {
            return Box::pin(std::future::ready(Err(StoreError::TooLarge(len))));
        }
        self.with(|inner| {
            inner.sessions.entry(id.to_owned()).or_default().kept = Some(kept);
            Ok(())
        })
    }

    fn put_table(&self, guild: GuildId, name: u64, table: Bytes) -> Soon<Result<(), StoreError>> {
        self.with(|inner| {
            inner.tables.insert((guild, name), table);
            Ok(())
        })
    }

    fn table(&self, guild: GuildId, name: u64) -> Soon<Result<Option<Bytes>, StoreError>> {
        self.with(|inner| Ok(inner.tables.get(&(guild, name)).cloned()))
    }

    fn find(&self, id: &str) -> Soon<Result<Found, StoreError>> {
        self.with(|inner| Ok(inner.sessions.get(id).cloned().unwrap_or_default()))
    }

    fn claim(&self, id: &str, former: u64, process: u64) -> Soon<Result<Claimed, StoreError>> {
        self.with(|inner| {
            let session = inner.sessions.entry(id.to_owned()).or_default();
            if session.number() != former {
                return Ok(Claimed::No);
            }
            inner.claims += 1;
            let number = inner.claims;
            session.claim = Some(Claim { number, process });
            Ok(Claimed::Yes(number))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::sessions::conformance;

    #[tokio::test]
    async fn sessions_in_memory_keep_the_contract() {
        conformance::all(Arc::new(MemorySessions::default())).await;
    }
}
