//! Payloads that are about the session itself: Hello, ACK, READY, RESUMED, op 7 and op 9.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::id::SessionId;
use crate::fanout::envelope;
use crate::fanout::frame::Compose;
use crate::protocol::objects::User;
use crate::protocol::{EventName, GuildId};

/// Op 11.
pub const HEARTBEAT_ACK: &[u8] = br#"{"t":null,"s":null,"op":11,"d":null}"#;
/// Op 7.
pub const RECONNECT: &[u8] = br#"{"t":null,"s":null,"op":7,"d":null}"#;
/// Op 9: the session is gone.
pub const INVALID_SESSION: &[u8] = br#"{"t":null,"s":null,"op":9,"d":false}"#;

/// Op 10.
pub fn hello(heartbeat_interval_ms: u64) -> Bytes {
    format!(
        r#"{{"t":null,"s":null,"op":10,"d":{{"heartbeat_interval":{heartbeat_interval_ms},"_trace":[]}}}}"#
    )
    .into()
}

/// What READY tells, as a body that is made when it is written.
#[derive(Debug)]
pub struct Ready {
    /// The account.
    pub user: Arc<User>,
    /// The session.
    pub session: SessionId,
    /// Guilds that GUILD_CREATEs will follow for.
    pub guilds: Box<[GuildId]>,
    /// Where to resume.
    pub url: Arc<str>,
    /// Shard id and number of shards.
    pub shard: (u32, u32),
}

/// Application flags that tell libraries that the privileged intents are granted.
const APPLICATION_FLAGS: u64 = 565_248;

#[derive(Serialize)]
struct Stub {
    id: GuildId,
    unavailable: bool,
}

impl Compose for Ready {
    fn compose(&self, body: &mut Vec<u8>) {
        write_ready(self, body);
    }

    fn estimate(&self) -> usize {
        512 + self.url.len() + 48 * self.guilds.len()
    }
}

fn write_ready(ready: &Ready, body: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct OwnUser<'a> {
        #[serde(flatten)]
        user: &'a User,
        flags: u8,
        mfa_enabled: bool,
        verified: bool,
        email: Option<&'a str>,
    }
    #[derive(Serialize)]
    struct Application {
        id: crate::protocol::UserId,
        flags: u64,
    }
    #[derive(Serialize)]
    struct Data<'a> {
        v: u8,
        user: OwnUser<'a>,
        guilds: Vec<Stub>,
        session_id: String,
        resume_gateway_url: &'a str,
        shard: [u32; 2],
        application: Application,
        private_channels: [(); 0],
        _trace: [(); 0],
    }
    let stubs = ready.guilds.iter().map(|id| Stub {
        id: *id,
        unavailable: true,
    });
    envelope::write_dispatch(
        body,
        EventName::Ready,
        &Data {
            v: 10,
            user: OwnUser {
                user: &ready.user,
                flags: 0,
                mfa_enabled: false,
                verified: true,
                email: None,
            },
            guilds: stubs.collect(),
            session_id: ready.session.to_string(),
            resume_gateway_url: &ready.url,
            shard: [ready.shard.0, ready.shard.1],
            application: Application {
                id: ready.user.id,
                flags: APPLICATION_FLAGS,
            },
            private_channels: [],
            _trace: [],
        },
    );
}

/// The body of RESUMED: an object, since some libraries fail on null.
pub fn resumed() -> Bytes {
    envelope::dispatch_body(EventName::Resumed, &serde_json::Map::new())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::protocol::UserId;

    #[test]
    fn payloads_without_a_sequence_have_all_four_keys() {
        for payload in [HEARTBEAT_ACK, RECONNECT, INVALID_SESSION, &hello(41_250)] {
            let value: Value = serde_json::from_slice(payload).unwrap();
            let keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
            assert_eq!(keys, ["d", "op", "s", "t"]);
        }
    }

    #[test]
    fn ready_has_stubs_and_what_libraries_insist_on() {
        let user = User::new(UserId::new(1_000_000_000_000_000_001), "relay", true);
        let ready = Ready {
            user: Arc::new(user),
            session: SessionId::random(),
            guilds: [GuildId::new(7)].into(),
            url: "ws://127.0.0.1:1/gateway".into(),
            shard: (0, 2),
        };
        let mut text = Vec::new();
        ready.compose(&mut text);
        assert!(text.len() <= ready.estimate() + 64);
        envelope::write_suffix(&mut text, 1);
        let value: Value = serde_json::from_slice(&text).unwrap();
        let data = &value["d"];
        assert_eq!(
            data["guilds"],
            serde_json::json!([{"id": "7", "unavailable": true}])
        );
        assert_eq!(data["user"]["discriminator"], "0");
        assert_eq!(data["user"]["mfa_enabled"], false);
        assert_eq!(data["shard"], serde_json::json!([0, 2]));
        assert_eq!(data["private_channels"], serde_json::json!([]));
        assert_eq!(data["application"]["id"], data["user"]["id"]);
        assert_eq!(data["session_id"].as_str().unwrap().len(), 32);
    }
}
