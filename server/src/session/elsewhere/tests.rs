use std::sync::Mutex;

use super::*;
use crate::cluster::sessions::MemorySessions;
use crate::fanout::HubId;
use crate::protocol::{GuildId, Permissions, UserId};
use crate::session::links::{Caller, NotYielded, WantedSession};
use crate::session::parked::tests::{ALICE, parked};

const BOB: UserId = UserId::new(2);

type Answers = Box<dyn Fn(u64, Wanted) -> Soon<Option<Yielded>> + Send + Sync>;

/// Nodes that say what a test wants them to; without an answer they are not there.
#[derive(Default)]
struct Others(Mutex<Option<Answers>>);

impl Holders for Others {
    fn may_write(&self) -> bool {
        true
    }

    fn is_there(&self, _: u64) -> bool {
        self.0.lock().unwrap().is_some()
    }

    fn others(&self) -> Vec<u64> {
        self.0
            .lock()
            .unwrap()
            .is_some()
            .then_some(1)
            .into_iter()
            .collect()
    }

    fn ask(&self, process: u64, wanted: Wanted) -> Soon<Option<Yielded>> {
        self.0.lock().unwrap().as_ref().unwrap()(process, wanted)
    }
}

/// Nodes with one store.
#[derive(Default)]
struct Bench {
    store: MemorySessions,
    others: Arc<Others>,
}

impl Bench {
    fn node(&self, process: u64) -> Elsewhere {
        Elsewhere::new(
            ElsewhereSettings {
                process,
                resume_window: Duration::from_secs(60),
                patience: Duration::from_millis(300),
                note_every: Duration::from_millis(100),
            },
            (
                Arc::new(self.store.clone()),
                Arc::clone(&self.others) as Arc<dyn Holders>,
            ),
            WorkerLinks::default(),
            Handle::current(),
            Arc::default(),
        )
    }

    fn answer(
        &self,
        answers: impl Fn(u64, Wanted) -> Soon<Option<Yielded>> + Send + Sync + 'static,
    ) {
        *self.others.0.lock().unwrap() = Some(Box::new(answers));
    }
}

fn soon<T: Send + 'static>(answer: T) -> Soon<T> {
    Box::pin(std::future::ready(answer))
}

fn session() -> Parked {
    parked(clock::unix_ms())
}

fn wanted(session: SessionId, user: UserId, seq: u64) -> WantedSession {
    WantedSession {
        session,
        user,
        seq,
        to: Caller {
            hub: HubId(0),
            connection: 0,
            generation: 0,
            number: 0,
        },
    }
}

#[tokio::test]
async fn i10_a_session_that_was_let_go_is_had_whole_by_its_user_on_one_node() {
    let bench = Bench::default();
    let session = session();
    let id = session.parts.id;
    bench.node(1).keep(session).await.unwrap();
    let nodes: Vec<Elsewhere> = (2..6).map(|process| bench.node(process)).collect();
    let refused = [(BOB, 6), (ALICE, 3), (ALICE, 7)];
    for (user, seq) in refused {
        let got = nodes[0].get(&wanted(id, user, seq)).await;
        assert_eq!(got.unwrap_err(), NotYielded::Gone, "{user} {seq}");
    }
    let mine = wanted(id, ALICE, 4);
    // The one that has it does not let it go.
    bench.answer(|_, _| soon(Some(Yielded::Gone)));
    let all = futures_util::future::join_all(nodes.iter().map(|node| node.get(&mine))).await;
    let got: Vec<_> = all.into_iter().filter_map(Result::ok).collect();
    let [parts] = &got[..] else {
        panic!("{} nodes have it", got.len());
    };
    assert_eq!(parts.outbox.frames, session_frames());
}

fn session_frames() -> Vec<bytes::Bytes> {
    session().parts.outbox.frames
}

#[tokio::test]
async fn a_session_goes_from_node_to_node_and_back() {
    let bench = Bench::default();
    let first = session();
    let id = first.parts.id;
    let nodes: Vec<Elsewhere> = (1..4).map(|process| bench.node(process)).collect();
    nodes[0].keep(first).await.unwrap();
    for round in 0..9 {
        let (from, to) = (&nodes[round % 3], &nodes[(round + 1) % 3]);
        let parts = to.get(&wanted(id, ALICE, 6)).await.unwrap();
        assert_eq!(
            from.inner.links.claim_of(id),
            0,
            "it forgot the session when it let it go"
        );
        let next = Parked {
            parts: *parts,
            detached_ms: clock::unix_ms(),
            claim: to.inner.links.claim_of(id),
        };
        assert!(next.claim > 0);
        to.inner.links.forget(id);
        to.keep(next).await.unwrap();
    }
}

#[tokio::test]
async fn a_node_that_lives_is_asked_to_let_the_session_go() {
    let bench = Bench::default();
    let session = session();
    let id = session.parts.id;
    // As a node that has it writes it from time to time.
    let (packed, session) = parcel::pack(session, 1 << 20).unwrap();
    let kept = Kept {
        process: 1,
        claim: 0,
        is_final: false,
        state: packed.into(),
    };
    bench.store.put(&id.to_string(), kept).await.unwrap();
    let (has_it, session) = (bench.node(1), Mutex::new(Some(session)));
    bench.answer(move |process, asked| {
        assert_eq!((process, asked.user, asked.seq), (1, ALICE, 5));
        let (has_it, session) = (has_it.clone(), session.lock().unwrap().take());
        Box::pin(async move {
            has_it.keep(session?).await.ok()?;
            Some(Yielded::Kept)
        })
    });
    let got = bench.node(2).get(&wanted(id, ALICE, 5)).await;
    assert_eq!(got.unwrap().outbox.frames, session_frames());
}

#[tokio::test]
async fn a_session_of_which_nothing_is_noted_yet_is_asked_for_everywhere() {
    let bench = Bench::default();
    let session = session();
    let id = session.parts.id;
    let (has_it, session) = (bench.node(1), Mutex::new(Some(session)));
    bench.answer(move |_, _| {
        let (has_it, session) = (has_it.clone(), session.lock().unwrap().take());
        Box::pin(async move {
            let Some(session) = session else {
                return Some(Yielded::Gone);
            };
            has_it.keep(session).await.ok()?;
            Some(Yielded::Kept)
        })
    });
    let got = bench.node(2).get(&wanted(id, ALICE, 5)).await;
    assert_eq!(got.unwrap().outbox.frames, session_frames());
    let none = wanted(SessionId::random(), ALICE, 5);
    let got = bench.node(2).get(&none).await;
    assert_eq!(got.unwrap_err(), NotYielded::Gone);
}

#[tokio::test]
async fn who_cannot_be_asked_is_asked_again_later() {
    let bench = Bench::default();
    let mut session = session();
    let id = session.parts.id;
    session.claim = 3;
    bench.answer(|_, _| soon(None));
    let (packed, _) = parcel::pack(session, 1 << 20).unwrap();
    let kept = Kept {
        process: 1,
        claim: 3,
        is_final: false,
        state: packed.into(),
    };
    bench.store.put(&id.to_string(), kept).await.unwrap();
    let got = bench.node(2).get(&wanted(id, ALICE, 5)).await;
    assert_eq!(
        got.unwrap_err(),
        NotYielded::Unknown,
        "the client comes again"
    );
}

#[tokio::test]
async fn i10_a_session_whose_time_is_over_is_refused() {
    let bench = Bench::default();
    let mut session = session();
    let id = session.parts.id;
    session.detached_ms -= 61_000;
    bench.node(1).keep(session).await.unwrap();
    let got = bench.node(2).get(&wanted(id, ALICE, 6)).await;
    assert_eq!(got.unwrap_err(), NotYielded::Gone);
}

#[tokio::test]
async fn i10_a_session_from_before_a_restart_is_not_had_twice() {
    let bench = Bench::default();
    let (one, two) = (session(), session());
    let ids = [one.parts.id, two.parts.id];
    let again = bench.node(1);
    again.inner.links.parked.fill([one, two]);
    // The second went to another node before.
    let claimed = bench.store.claim(&ids[1].to_string(), 0, 9).await.unwrap();
    assert!(matches!(claimed, crate::cluster::sessions::Claimed::Yes(_)));
    assert!(again.get(&wanted(ids[0], ALICE, 6)).await.is_ok());
    assert!(again.get(&wanted(ids[1], ALICE, 6)).await.is_err());
    assert_eq!(
        again.get(&wanted(ids[0], ALICE, 6)).await.unwrap_err(),
        NotYielded::Unknown
    );
}

/// A session as it is noted: after its event `seq`.
fn as_noted(id: SessionId, seq: u64) -> Parked {
    let mut session = session();
    session.parts.id = id;
    let outbox = &mut session.parts.outbox;
    outbox.frames.clear();
    (outbox.first_seq, outbox.sent_seq) = (seq + 1, seq);
    session.parts.present = vec![crate::fanout::room::SubscriptionParts {
        guild: GuildId::new(10),
        position: 70 + seq,
        member: Arc::new(
            serde_json::from_value(serde_json::json!({
                "user": *session.parts.user, "roles": [], "joined_at": "2026-01-01T00:00:00.000000+00:00",
            }))
            .unwrap(),
        ),
        table: Arc::new(crate::fanout::Visibility {
            guild: GuildId::new(10),
            owner: BOB,
            everyone: Permissions::VIEW_CHANNEL,
            roles: std::collections::HashMap::new(),
            channels: Vec::new(),
            direct: false,
        }),
    }];
    session
}

#[tokio::test]
async fn i10_a_session_of_a_killed_node_is_had_from_just_what_was_noted_or_refused() {
    let bench = Bench::default();
    let (killed, id) = (bench.node(1), SessionId::random());
    for seq in [7, 8] {
        assert!(killed.note(vec![as_noted(id, seq)]));
    }
    killed.notes_are_kept().await;
    assert_eq!(killed.failed_notes(), 0);
    let nodes: Vec<Elsewhere> = (2..5).map(|process| bench.node(process)).collect();
    for (user, seq) in [(ALICE, 7), (ALICE, 9), (BOB, 8)] {
        let got = nodes[0].get(&wanted(id, user, seq)).await;
        assert_eq!(got.unwrap_err(), NotYielded::Gone, "{user} {seq}");
    }
    let mine = wanted(id, ALICE, 8);
    let all = futures_util::future::join_all(nodes.iter().map(|node| node.get(&mine))).await;
    let got: Vec<_> = all.into_iter().filter_map(Result::ok).collect();
    let [parts] = &got[..] else {
        panic!("{} nodes have it", got.len());
    };
    assert_eq!(parts.present[0].position, 78);
    assert_eq!(parts.present[0].table.owner, BOB);
    assert!(parts.outbox.reaches(8) && !parts.outbox.reaches(9));
}

#[tokio::test]
async fn i10_a_note_that_is_late_does_not_take_the_place_of_a_final_state() {
    let bench = Bench::default();
    let node = bench.node(1);
    for _ in 0..20 {
        let session = session();
        let id = session.parts.id;
        assert!(node.note(vec![as_noted(id, 6)]));
        node.keep(session).await.unwrap();
        let parts = bench.node(2).get(&wanted(id, ALICE, 5)).await.unwrap();
        assert_eq!(parts.outbox.frames, session_frames());
    }
}

#[tokio::test]
async fn i10_a_node_that_was_away_gives_up_what_others_have_claimed() {
    let bench = Bench::default();
    let (away, id) = (bench.node(1), SessionId::random());
    assert!(away.note(vec![as_noted(id, 8)]));
    away.notes_are_kept().await;
    let mine = wanted(id, ALICE, 8);
    assert_eq!(
        away.is_still_here(&mine).await.unwrap_err(),
        NotYielded::Here
    );
    bench.node(2).get(&mine).await.unwrap();
    // Back again, it notes what it still believes to have.
    assert!(away.note(vec![as_noted(id, 9)]));
    away.notes_are_kept().await;
    let later = wanted(id, ALICE, 9);
    assert_eq!(
        away.is_still_here(&later).await.unwrap_err(),
        NotYielded::Gone
    );
}
