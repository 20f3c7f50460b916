use std::collections::HashMap;

use bytes::Bytes;

use super::*;
use crate::fanout::outbox::{LateParts, OutboxParts};
use crate::fanout::room::SubscriptionParts;
use crate::fanout::{Visibility, VisibleChannel};
use crate::protocol::objects::{Overwrite, OverwriteType};
use crate::protocol::{ChannelId, Intents, Permissions, RoleId, UserId};
use crate::session::id::SessionId;
use crate::session::state::SessionParts;

const GUILD: GuildId = GuildId::new(10);

fn table() -> Arc<Visibility> {
    Arc::new(Visibility {
        guild: GUILD,
        owner: UserId::new(1),
        everyone: Permissions::VIEW_CHANNEL,
        roles: HashMap::from([(RoleId::new(7), Permissions::ADMINISTRATOR)]),
        channels: vec![VisibleChannel {
            id: ChannelId::new(20),
            overwrites: vec![Overwrite {
                id: 7,
                kind: OverwriteType::Role,
                allow: Permissions::NONE,
                deny: Permissions::VIEW_CHANNEL,
            }],
            body: Bytes::from_static(br#"{"id":"20","name":"a \"b\"","x":[1, 2]}"#),
        }],
        direct: false,
    })
}

fn session(n: u64, table: &Arc<Visibility>, frames: &[Bytes]) -> Parked {
    let user = Arc::new(User::new(UserId::new(n), format!("user {n}"), false));
    let presence = r#"{"status":"idle","activities":[{"name":"x", "type":0}]}"#;
    let joined = "2026-01-01T00:00:00.000000+00:00";
    let member = serde_json::json!({"user": *user, "roles": ["7"], "joined_at": joined});
    Parked {
        parts: SessionParts {
            id: SessionId::random(),
            user: Arc::clone(&user),
            intents: Intents::from_bits(u64::MAX),
            shard: (1, 2),
            large_threshold: 50,
            presence: serde_json::from_str(presence).unwrap(),
            outbox: OutboxParts {
                frames: frames.to_vec(),
                first_seq: 1_000,
                sent_seq: 1_000,
                late: LateParts::default(),
            },
            present: vec![SubscriptionParts {
                guild: GUILD,
                position: 77,
                member: Arc::new(serde_json::from_value(member).unwrap()),
                table: Arc::clone(table),
            }],
            asked: vec![(GuildId::new(11), true), (GuildId::new(12), false)],
        },
        detached_ms: 123_456,
        claim: 9,
    }
}

fn sample() -> Vec<Parked> {
    let shared: Vec<Bytes> = (0..3).map(|n| Bytes::from(vec![b'a' + n; 1_000])).collect();
    let table = table();
    vec![
        session(1, &table, &shared),
        session(2, &table, &shared[1..]),
        session(3, &table, &[Bytes::from(vec![b'z'; 10_000])]),
    ]
}

#[test]
fn sessions_read_back_as_they_were_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let before = sample();
    fs::write(folder.path().join("sessions"), "an older one").unwrap();
    assert_eq!(save(folder.path(), &before).unwrap(), 0);
    let after = take(folder.path()).unwrap();
    // Sessions have no equality; what they show of themselves does.
    let shown = |all: &[Parked]| all.iter().map(|it| format!("{it:?}")).collect::<Vec<_>>();
    assert_eq!(shown(&after), shown(&before));
    let body = |n: usize, frame: usize| after[n].parts.outbox.frames[frame].as_ptr();
    assert_eq!(body(0, 1), body(1, 0), "shared again");
    let table = |n: usize| &after[n].parts.present[0].table;
    assert!(Arc::ptr_eq(table(0), table(2)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(take(folder.path()).unwrap().is_empty(), "never twice");
}

#[test]
fn what_sessions_share_is_written_once() {
    let mut file = Vec::new();
    write::sessions(&mut file, &sample(), MAX_BYTES).unwrap();
    let bodies = file.windows(1_000).filter(|it| *it == [b'b'; 1_000]);
    assert_eq!(bodies.count(), 1);
    let channels = file.windows(10).filter(|it| it == b"\"channels\"");
    assert_eq!(channels.count(), 1);
}

#[test]
fn i10_a_file_that_was_cut_or_changed_is_refused_as_a_whole() {
    let mut file = Vec::new();
    write::sessions(&mut file, &sample(), MAX_BYTES).unwrap();
    assert_eq!(read::sessions(&file).unwrap().len(), 3);
    for len in (0..file.len()).step_by(13) {
        assert!(read::sessions(&file[..len]).is_err(), "{len}");
    }
    for at in (0..file.len()).step_by(13) {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(read::sessions(&changed).is_err(), "{at}");
    }
    let mut longer = file.clone();
    longer.push(0);
    assert!(read::sessions(&longer).is_err());
}

#[test]
fn a_file_of_another_version_is_refused_and_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    let mut file = Vec::new();
    write::sessions(&mut file, &sample(), MAX_BYTES).unwrap();
    file[MAGIC.len()] += 1;
    assert!(matches!(
        read::sessions(&file),
        Err(CheckpointError::Format)
    ));
    fs::write(&path, &file).unwrap();
    assert!(take(folder.path()).unwrap().is_empty());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn i7_sessions_beyond_the_bound_are_left_out_and_the_others_whole() {
    let sessions = sample();
    let mut file = Vec::new();
    assert_eq!(write::sessions(&mut file, &sessions, 20_000).unwrap(), 1);
    assert!(file.len() <= 20_000);
    assert_eq!(read::sessions(&file).unwrap().len(), 2);
    file.clear();
    assert_eq!(write::sessions(&mut file, &sessions, 100).unwrap(), 3);
    assert!(read::sessions(&file).unwrap().is_empty());
}
