//! What fuzzers call, a function per kind of input: bytes that anybody may send, or that a damaged disk
//! may hold. None may panic; what else must hold of them is asserted.
//!
//! `tests/fuzz` builds a fuzzer of each; its corpus is gone through by the tests here.

use std::str::FromStr;

use crate::api;
use crate::config::{Config, Sources};
use crate::guild::core::{CoreSettings, Replay, record};
use crate::placement::{Member, NodeName, Ring, RingSettings};
use crate::protocol::GuildId;
use crate::session::core::ConnectionCore;
use crate::session::frames::{FrameError, FrameReader, Inbound};

/// A kind of input.
pub struct Target {
    /// Its name: that of its fuzzer, and of the folder of its corpus.
    pub name: &'static str,
    /// Takes an input.
    pub run: fn(&[u8]),
}

/// All there are.
pub const TARGETS: [Target; 7] = [
    Target {
        name: "gateway_payload",
        run: gateway_payload,
    },
    Target {
        name: "websocket_frames",
        run: websocket_frames,
    },
    Target {
        name: "rest_body",
        run: rest_body,
    },
    Target {
        name: "journal_records",
        run: journal_records,
    },
    Target {
        name: "snapshot",
        run: snapshot,
    },
    Target {
        name: "settings",
        run: settings,
    },
    Target {
        name: "ring",
        run: ring,
    },
];

/// Hands an input to the target of this name.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of that name").run)(bytes);
}

/// Payloads of a client, a line each, as one connection sends them.
fn gateway_payload(bytes: &[u8]) {
    let mut connection = ConnectionCore::new(0);
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let now_ms = at as u64 * 1_000;
        if connection.on_frame(now_ms).is_none() {
            let _ = connection.on_payload(now_ms, line);
        }
    }
}

/// The bytes of a connection; the first says how they are cut. However they are, the same comes of them.
fn websocket_frames(bytes: &[u8]) {
    let Some((size, wire)) = bytes.split_first() else {
        return;
    };
    let whole = read_frames(wire, wire.len().max(1));
    let (cut, cut_error) = read_frames(wire, usize::from(*size).max(1));
    // Cut, a text may be refused before what came with it is looked at.
    assert_eq!(whole.1.is_some(), cut_error.is_some());
    assert!(whole.0.starts_with(&cut));
    if whole.1.is_none() {
        assert_eq!(whole.0, cut);
    }
}

fn read_frames(wire: &[u8], size: usize) -> (Vec<String>, Option<FrameError>) {
    let mut reader = FrameReader::default();
    let mut seen = Vec::new();
    for piece in wire.chunks(size) {
        let mut ended = false;
        let read = reader.read(&mut piece.to_vec(), |inbound| {
            ended = matches!(inbound, Inbound::Close(_));
            seen.push(format!("{inbound:?}"));
            !ended
        });
        if let Err(error) = read {
            return (seen, Some(error));
        }
        if ended {
            break;
        }
    }
    (seen, None)
}

fn rest_body(bytes: &[u8]) {
    api::read_as_every_form(bytes);
}

/// Records of a guild's journal, a line each: what can be read is written again as it was read, and leads to
/// a state that comes back from its snapshot.
fn journal_records(bytes: &[u8]) {
    let mut replay = Replay::new(GuildId::new(1), CoreSettings::default().into());
    for line in bytes.split(|byte| *byte == b'\n') {
        let _ = record::about(line);
        let Ok(event) = record::decode(line) else {
            continue;
        };
        let written = record::encode(&event);
        let again = record::decode(&written).expect("what was written is read");
        assert_eq!(record::encode(&again), written);
        let _ = replay.step(replay.position() + 1, event);
    }
    snapshot(&replay.to_snapshot());
}

/// A guild's state as it was kept: what can be read is written as what is read again.
fn snapshot(bytes: &[u8]) {
    let read = |bytes: &[u8]| Replay::from_snapshot(bytes, CoreSettings::default().into());
    let Ok(state) = read(bytes) else {
        return;
    };
    let written = state.to_snapshot();
    let again = read(&written).expect("what was written is read");
    assert_eq!(again.to_snapshot(), written);
}

/// A settings file.
fn settings(bytes: &[u8]) {
    let name = format!("guildhall-fuzz-{}.toml", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).expect("a temporary file");
    let sources = Sources {
        file: Some(path),
        ..Sources::default()
    };
    match Config::load(&sources) {
        Ok(_) => {}
        Err(errors) => assert!(!errors.to_string().is_empty()),
    }
}

/// Members of a ring: `name weight` a line. However they come together they make the same ring.
fn ring(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let settings = RingSettings {
        virtual_nodes: 8,
        ..RingSettings::default()
    };
    let members: Vec<Member> = text.lines().take(16).filter_map(member).collect();
    let Ok(ring) = Ring::build(members.clone(), settings) else {
        return;
    };
    let mut reversed = members.clone();
    reversed.reverse();
    assert_eq!(Ring::build(reversed, settings).as_ref(), Ok(&ring));
    for guild in [0, 1, 7_919, u64::MAX] {
        let owners: Vec<_> = ring.owners(guild, 3).collect();
        assert_eq!(owners.len(), members.len().min(3));
        assert_eq!(owners[0], ring.owner(guild));
    }
    let newcomer = Member::new(NodeName::new("a-newcomer").expect("a name"));
    if let Ok(larger) = ring.with_member(newcomer.clone()) {
        let back = larger.without_member(&newcomer.name);
        assert_eq!(back.as_ref(), Ok(&ring));
    }
}

fn member(line: &str) -> Option<Member> {
    let (name, weight) = line.split_once(' ').unwrap_or((line, "1"));
    let weight = f64::from_str(weight).ok()?;
    // What would be many points takes long, and nothing else.
    let weight = crate::placement::Weight::new(weight.min(64.0)).ok()?;
    let member = Member::new(NodeName::new(name).ok()?);
    Some(Member { weight, ..member })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_corpus_of_every_fuzzer_is_gone_through() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
        for target in &TARGETS {
            let folder = corpus.join(target.name);
            let files: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
            assert!(files.len() >= 3, "{} has next to no corpus", target.name);
            for file in files {
                let path = file.unwrap().path();
                println!("{}", path.display());
                (target.run)(&std::fs::read(path).unwrap());
            }
        }
    }

    #[test]
    fn every_target_has_a_fuzzer() {
        let manifest = include_str!("../../tests/fuzz/Cargo.toml");
        for target in &TARGETS {
            let bin = format!("name = \"{}\"", target.name);
            assert!(manifest.contains(&bin), "{}", target.name);
        }
    }
}
