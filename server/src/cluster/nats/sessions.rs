//! Sessions on JetStream: a message for a session's state and one for its claim, each replaced by the next.
//!
//! | subject | content |
//! |---|---|
//! | `NAME.sess.ID` | [`Kept`] |
//! | `NAME.table.GUILD.NAME` | who sees which channel, as states name it |
//! | `NAME.claim.ID` | the process (8 bytes) and a number of its own for this attempt (8) |
//!
//! The number of a claim is the sequence number of its message. Both go after [`NatsSettings::sessions_max_age`](super::NatsSettings).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::chunks::fresh;
use super::{Nats, NatsError, Written, last};
use crate::cluster::sessions::{Claim, Claimed, Found, Kept, SessionStore, Soon, StoreError};
use crate::protocol::GuildId;

/// Bytes that are kept free for what is written before a state.
const HEAD: usize = 64;

/// The sessions of a cluster. Cheap to clone.
#[derive(Clone)]
pub struct NatsSessions {
    nats: Nats,
}

impl NatsSessions {
    /// Those of this connection's cluster.
    pub const fn new(nats: Nats) -> Self {
        Self { nats }
    }

    fn state_subject(&self, id: &str) -> String {
        format!("{}.sess.{id}", self.nats.name())
    }

    fn claim_subject(&self, id: &str) -> String {
        format!("{}.claim.{id}", self.nats.name())
    }

    fn table_subject(&self, guild: GuildId, name: u64) -> String {
        format!("{}.table.{guild}.{name:016x}", self.nats.name())
    }

    async fn store(&self, subject: String, content: Bytes) -> Result<(), StoreError> {
        let len = content.len();
        if len > self.nats.max_payload() {
            return Err(StoreError::TooLarge(len));
        }
        match self.nats.publish(subject, content, None).await {
            Written::At(_) => Ok(()),
            Written::Refused => unreachable!("nothing was expected of the subject"),
            Written::Not(why) | Written::Unknown(why) => Err(StoreError::Unavailable(why)),
        }
    }

    async fn last_claim(&self, id: &str) -> Result<Option<(Claim, u64)>, StoreError> {
        let stored = last(&self.nats.inner.sessions, &self.claim_subject(id)).await;
        let Some(stored) = stored.map_err(unavailable)? else {
            return Ok(None);
        };
        let mut content = stored.payload;
        if content.len() != 16 {
            return Err(StoreError::Unavailable("a claim is damaged".to_owned()));
        }
        let claim = Claim {
            number: stored.sequence,
            process: content.get_u64(),
        };
        Ok(Some((claim, content.get_u64())))
    }
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn unavailable(error: NatsError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

impl SessionStore for NatsSessions {
    fn max_bytes(&self) -> usize {
        self.nats.max_payload() - HEAD
    }

    fn put(&self, id: &str, kept: Kept) -> Soon<Result<(), StoreError>> {
        let (store, subject) = (self.clone(), self.state_subject(id));
        Box::pin(async move {
            let len = kept.state.len();
            if len > store.max_bytes() {
                return Err(StoreError::TooLarge(len));
            }
            store.store(subject, kept.to_bytes()).await
        })
    }

    fn put_table(&self, guild: GuildId, name: u64, table: Bytes) -> Soon<Result<(), StoreError>> {
        let (store, subject) = (self.clone(), self.table_subject(guild, name));
        Box::pin(async move { store.store(subject, table).await })
    }

    fn table(&self, guild: GuildId, name: u64) -> Soon<Result<Option<Bytes>, StoreError>> {
        let (store, subject) = (self.clone(), self.table_subject(guild, name));
        Box::pin(async move {
            let stored = last(&store.nats.inner.sessions, &subject).await;
            Ok(stored.map_err(unavailable)?.map(|stored| stored.payload))
        })
    }

    fn find(&self, id: &str) -> Soon<Result<Found, StoreError>> {
        let (store, id) = (self.clone(), id.to_owned());
        Box::pin(async move {
            // The claim last: one that comes between both makes the state one that does not count.
            let kept = last(&store.nats.inner.sessions, &store.state_subject(&id)).await;
            let kept = kept.map_err(unavailable)?;
            let claim = store.last_claim(&id).await?;
            Ok(Found {
                kept: kept.and_then(|stored| Kept::from_bytes(stored.payload)),
                claim: claim.map(|(claim, _)| claim),
            })
        })
    }

    fn claim(&self, id: &str, former: u64, process: u64) -> Soon<Result<Claimed, StoreError>> {
        let (store, id) = (self.clone(), id.to_owned());
        Box::pin(async move {
            let attempt = fresh() as u64;
            let mut content = BytesMut::with_capacity(16);
            content.put_u64(process);
            content.put_u64(attempt);
            let content: Bytes = content.freeze();
            let subject = store.claim_subject(&id);
            match store.nats.publish(subject, content, Some(former)).await {
                Written::At(number) => Ok(Claimed::Yes(number)),
                Written::Refused => Ok(Claimed::No),
                Written::Not(why) => Err(StoreError::Unavailable(why)),
                Written::Unknown(why) => match store.last_claim(&id).await? {
                    Some((claim, by)) if (claim.process, by) == (process, attempt) => {
                        Ok(Claimed::Yes(claim.number))
                    }
                    Some((claim, _)) if claim.number != former => Ok(Claimed::No),
                    // It may still arrive: nobody else gets the session by it.
                    _ => Err(StoreError::Unavailable(why)),
                },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::nats::test_server::Server;
    use crate::cluster::sessions::conformance;

    #[test]
    fn sessions_on_nats_keep_the_contract() {
        let server = Server::start();
        let store = NatsSessions::new(server.connect("contract"));
        server.wait_for(conformance::all(Arc::new(store)));
    }

    #[test]
    fn i10_of_two_nodes_one_has_the_session() {
        let server = Server::start();
        let stores = ["one", "two"].map(|_| NatsSessions::new(server.connect("race")));
        server.wait_for(async move {
            for round in 0..50 {
                let id = format!("session-{round}");
                let [one, two] = &stores;
                let (one, two) = tokio::join!(one.claim(&id, 0, 1), two.claim(&id, 0, 2));
                let won = [one.unwrap(), two.unwrap()]
                    .into_iter()
                    .filter(|claimed| matches!(claimed, Claimed::Yes(_)))
                    .count();
                assert_eq!(won, 1, "{id}");
            }
        });
    }
}
