//! Payloads that clients send, read leniently: unknown keys and details are ignored.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::objects::{Presence, Status};
use crate::protocol::opcodes::ClientOp;
use crate::protocol::{CloseCode, GuildId, Intents, UserId};

/// What a client asks for.
#[derive(Debug)]
pub enum ClientPayload {
    /// Keep-alive with the last sequence number that the client has seen.
    Heartbeat(Option<u64>),
    /// Start a session.
    Identify(Box<Identify>),
    /// Continue a session.
    Resume(Box<Resume>),
    /// Change the presence.
    Presence(Presence),
    /// Ask for members.
    RequestMembers(Box<RequestMembers>),
    /// Accepted and ignored.
    Ignored,
}

/// What matters of op 2.
#[derive(Debug, Clone)]
pub struct Identify {
    /// With or without its prefix.
    pub token: String,
    /// `None` where the client named none.
    pub intents: Option<Intents>,
    /// Shard id and number of shards.
    pub shard: (u32, u32),
    /// Up to how many members are sent in GUILD_CREATE, 50 to 250.
    pub large_threshold: u16,
    /// The presence to start with.
    pub presence: Presence,
}

/// Op 6.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Resume {
    /// With or without its prefix.
    pub token: String,
    /// The session, as READY named it.
    pub session_id: String,
    /// The last sequence number seen; some clients send null before the first.
    #[serde(default)]
    pub seq: Option<u64>,
}

/// Op 8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestMembers {
    /// The guild.
    pub guild_id: GuildId,
    /// Start of the name; empty for all.
    pub query: String,
    /// At most this many; 0 for no limit.
    pub limit: usize,
    /// Whether presences are wanted.
    pub presences: bool,
    /// Exactly these users.
    pub user_ids: Vec<UserId>,
    /// Echoed in each chunk; at most 32 bytes.
    pub nonce: Option<String>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    op: u64,
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
}

/// Shards that a bot may split into.
const MAX_SHARDS: u32 = 65_536;
/// Users that one op 8 may name.
const MAX_USER_IDS: usize = 100;
/// Nested levels of an activity that are passed on to other clients.
const MAX_ACTIVITY_DEPTH: usize = 16;

/// Reads a payload.
pub fn parse(bytes: &[u8]) -> Result<ClientPayload, CloseCode> {
    let frame: Frame<'_> = read(bytes)?;
    let data = frame.d.map_or("null", RawValue::get);
    match ClientOp::from(frame.op) {
        ClientOp::Heartbeat => Ok(ClientPayload::Heartbeat(read(data.as_bytes())?)),
        ClientOp::Identify => identify(data).map(Box::new).map(ClientPayload::Identify),
        ClientOp::Resume => read(data.as_bytes())
            .map(Box::new)
            .map(ClientPayload::Resume),
        ClientOp::PresenceUpdate => Ok(ClientPayload::Presence(presence(data))),
        ClientOp::RequestGuildMembers => request_members(data)
            .map(Box::new)
            .map(ClientPayload::RequestMembers),
        ClientOp::VoiceStateUpdate | ClientOp::Other(_) => Ok(ClientPayload::Ignored),
    }
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CloseCode> {
    serde_json::from_slice(bytes).map_err(|_| CloseCode::DecodeError)
}

fn identify(data: &str) -> Result<Identify, CloseCode> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        token: String,
        #[serde(borrow, default)]
        intents: Option<&'a RawValue>,
        #[serde(borrow, default)]
        shard: Option<&'a RawValue>,
        #[serde(borrow, default)]
        large_threshold: Option<&'a RawValue>,
        #[serde(borrow, default)]
        presence: Option<&'a RawValue>,
    }
    let wire: Wire<'_> = read(data.as_bytes())?;
    let intents = match wire.intents.map(RawValue::get) {
        None | Some("null") => None,
        Some(text) => {
            let bits = text.parse().map_err(|_| CloseCode::InvalidIntents)?;
            Some(Intents::from_bits(bits))
        }
    };
    let shard = match wire.shard.map(RawValue::get) {
        None | Some("null") => (0, 1),
        Some(text) => serde_json::from_str(text).map_err(|_| CloseCode::InvalidShard)?,
    };
    if shard.0 >= shard.1 || shard.1 > MAX_SHARDS {
        return Err(CloseCode::InvalidShard);
    }
    let threshold = wire
        .large_threshold
        .and_then(|raw| raw.get().parse::<u16>().ok());
    Ok(Identify {
        token: wire.token,
        intents,
        shard,
        large_threshold: threshold.unwrap_or(50).clamp(50, 250),
        presence: wire
            .presence
            .map(|raw| presence(raw.get()))
            .unwrap_or_default(),
    })
}

/// Reads a presence; what is malformed counts as left out, since libraries send many shapes.
fn presence(data: &str) -> Presence {
    #[derive(Default, Deserialize)]
    struct Wire<'a> {
        #[serde(borrow, default)]
        status: Option<&'a RawValue>,
        #[serde(borrow, default)]
        activities: Option<&'a RawValue>,
    }
    let wire: Wire<'_> = serde_json::from_str(data).unwrap_or_default();
    let status = wire
        .status
        .and_then(|raw| serde_json::from_str::<Status>(raw.get()).ok());
    let activities = wire
        .activities
        .filter(|raw| depth(raw.get()) <= MAX_ACTIVITY_DEPTH)
        .and_then(|raw| serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()).ok())
        .unwrap_or_default();
    let objects = activities
        .into_iter()
        .filter(|raw| raw.get().starts_with('{'))
        .collect();
    Presence {
        status: status.unwrap_or_default(),
        activities: objects,
    }
}

/// How deep the arrays and objects of a valid JSON text are nested.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn request_members(data: &str) -> Result<RequestMembers, CloseCode> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany<T> {
        One(T),
        Many(Vec<T>),
    }
    #[derive(Deserialize)]
    struct Wire {
        guild_id: OneOrMany<GuildId>,
        #[serde(default)]
        query: Option<String>,
        #[serde(default)]
        limit: Option<u64>,
        #[serde(default)]
        presences: Option<bool>,
        #[serde(default)]
        user_ids: Option<OneOrMany<UserId>>,
        #[serde(default)]
        nonce: Option<String>,
    }
    let wire: Wire = read(data.as_bytes())?;
    let guild_id = match wire.guild_id {
        OneOrMany::One(id) => id,
        OneOrMany::Many(ids) => *ids.first().ok_or(CloseCode::DecodeError)?,
    };
    let mut user_ids = match wire.user_ids {
        None => Vec::new(),
        Some(OneOrMany::One(id)) => vec![id],
        Some(OneOrMany::Many(ids)) => ids,
    };
    user_ids.truncate(MAX_USER_IDS);
    Ok(RequestMembers {
        guild_id,
        query: wire.query.unwrap_or_default(),
        limit: wire.limit.unwrap_or(0) as usize,
        presences: wire.presences.unwrap_or(false),
        user_ids,
        nonce: wire.nonce.filter(|nonce| nonce.len() <= 32),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identify_of(json: &str) -> Result<Identify, CloseCode> {
        match parse(format!("{{\"d\":{json},\"op\":2}}").as_bytes())? {
            ClientPayload::Identify(identify) => Ok(*identify),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn identify_of_every_library_is_read() {
        let serenity = r#"{"token":"Bot x","intents":53608447,"shard":[0,1],"compress":true,"large_threshold":250,
            "presence":{"since":{"secs_since_epoch":1,"nanos_since_epoch":2},"status":"idle","activities":[]}}"#;
        let identify = identify_of(serenity).unwrap();
        assert_eq!((identify.shard, identify.large_threshold), ((0, 1), 250));
        assert_eq!(identify.presence.status, Status::Idle);
        for presence in [
            "null",
            r#"{"game":null}"#,
            r#"{"status":7,"activities":{}}"#,
            "3",
        ] {
            let json = format!(r#"{{"token":"x","intents":3276799,"presence":{presence}}}"#);
            let identify = identify_of(&json).unwrap();
            assert_eq!(
                (identify.presence.status, identify.shard),
                (Status::Online, (0, 1))
            );
        }
    }

    #[test]
    fn what_cannot_be_gets_its_close_code() {
        let code = |json: &str| identify_of(json).unwrap_err();
        assert_eq!(code(r#"{"intents":1}"#), CloseCode::DecodeError);
        assert_eq!(
            code(r#"{"token":"x","intents":"all"}"#),
            CloseCode::InvalidIntents
        );
        for shard in ["[1,1]", "[0,0]", "[0]", "7", "[0,70000]", "[-1,2]"] {
            let json = format!(r#"{{"token":"x","intents":0,"shard":{shard}}}"#);
            assert_eq!(code(&json), CloseCode::InvalidShard, "{shard}");
        }
        for garbage in [
            "",
            "{",
            "[]",
            "null",
            "{\"op\":\"2\"}",
            "{\"op\":-1}",
            "{\"d\":{}}",
            "{\"op\":1,\"d\":\"x\"}",
        ] {
            assert_eq!(
                parse(garbage.as_bytes()).unwrap_err(),
                CloseCode::DecodeError,
                "{garbage}"
            );
        }
    }

    #[test]
    fn unknown_opcodes_are_ignored() {
        for op in [0, 4, 5, 14, 31, 43, 99_999] {
            let json = format!("{{\"op\":{op},\"d\":{{}}}}");
            assert!(matches!(parse(json.as_bytes()), Ok(ClientPayload::Ignored)));
        }
    }

    #[test]
    fn members_are_asked_for_with_ids_of_either_kind() {
        let json = br#"{"op":8,"d":{"guild_id":41771983423143937,"query":"","limit":0,"user_ids":"5","nonce":"n"}}"#;
        let Ok(ClientPayload::RequestMembers(request)) = parse(json) else {
            panic!()
        };
        assert_eq!(request.guild_id, GuildId::new(41_771_983_423_143_937));
        assert_eq!(request.user_ids, [UserId::new(5)]);
    }

    #[test]
    fn deeply_nested_activities_are_not_passed_on() {
        let deep = format!(
            r#"{{"activities":[{{"a":{}1{}}}]}}"#,
            "[".repeat(900),
            "]".repeat(900)
        );
        assert!(presence(&deep).activities.is_empty());
        assert_eq!(
            presence(r#"{"activities":[{"name":"a [","type":0}, 3]}"#)
                .activities
                .len(),
            1
        );
    }
}
