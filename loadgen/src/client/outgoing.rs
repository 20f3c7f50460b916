//! What a client sends: masked frames, and the few gateway payloads of a light client.

use serde_json::json;

use super::frames::Opcode;
use crate::plan::Client;

/// Appends one masked frame to `out`.
pub fn frame(opcode: Opcode, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    let bits = match opcode {
        Opcode::Continuation => 0x0,
        Opcode::Text => 0x1,
        Opcode::Binary => 0x2,
        Opcode::Close => 0x8,
        Opcode::Ping => 0x9,
        Opcode::Pong => 0xA,
    };
    out.push(0x80 | bits);
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        medium @ 126..=0xFFFF => {
            out.push(0x80 | 0x7E);
            out.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 0x7F);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let masked = payload.iter().zip(mask.iter().cycle());
    out.extend(masked.map(|(byte, mask)| byte ^ mask));
}

/// Op 2 for a user's token, as this kind of client says it.
pub fn identify(token: &str, client: &Client) -> String {
    let mut payload = json!({"op": 2, "d": {
        "token": token,
        "intents": client.intents,
        "large_threshold": 50,
        "properties": {"os": "linux", "browser": "loadgen", "device": "loadgen"},
    }});
    if let Some((shard, shards)) = client.shard {
        payload["d"]["shard"] = json!([shard, shards]);
    }
    payload.to_string()
}

/// Op 3: what others see of the user.
pub fn presence(status: &str) -> String {
    json!({"op": 3, "d": {"since": null, "activities": [], "status": status, "afk": false}})
        .to_string()
}

/// Op 6: go on with a session after sequence number `seq`.
pub fn resume(token: &str, session_id: &str, seq: u64) -> String {
    json!({"op": 6, "d": {"token": token, "session_id": session_id, "seq": seq}}).to_string()
}

/// Op 1 with the last sequence number seen (0 = none).
pub fn heartbeat(seq: u64) -> String {
    if seq == 0 {
        r#"{"op":1,"d":null}"#.to_owned()
    } else {
        format!(r#"{{"op":1,"d":{seq}}}"#)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio_websockets::ServerBuilder;

    use super::*;

    #[tokio::test]
    async fn a_full_library_reads_our_frames() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut bytes = Vec::new();
        for length in [0, 5, 125, 126, 65_535, 65_536] {
            frame(
                Opcode::Text,
                &vec![b't'; length],
                [1, 2, 3, length as u8],
                &mut bytes,
            );
        }
        frame(Opcode::Close, &4_000_u16.to_be_bytes(), [9; 4], &mut bytes);
        client.write_all(&bytes).await.unwrap();
        let mut socket = ServerBuilder::new().serve(server);
        for length in [0, 5, 125, 126, 65_535, 65_536] {
            let message = socket.next().await.unwrap().unwrap();
            assert_eq!(message.as_text().unwrap(), "t".repeat(length));
        }
        assert!(socket.next().await.unwrap().unwrap().is_close());
    }

    #[test]
    fn payloads_are_json_of_the_right_shape() {
        let value: serde_json::Value =
            serde_json::from_str(&identify("a\"b", &Client::of(0))).unwrap();
        assert_eq!(value["d"]["token"], "a\"b");
        assert_eq!(value["d"]["intents"], 33_281);
        assert!(value["d"].get("shard").is_none());
        let shard = Client {
            shard: Some((1, 2)),
            ..Client::of(0)
        };
        let value: serde_json::Value = serde_json::from_str(&identify("a", &shard)).unwrap();
        assert_eq!(value["d"]["shard"], json!([1, 2]));
        let value: serde_json::Value = serde_json::from_str(&heartbeat(0)).unwrap();
        assert!(value["d"].is_null());
        let value: serde_json::Value = serde_json::from_str(&heartbeat(12)).unwrap();
        assert_eq!(value["d"], 12);
    }
}
