use std::sync::Mutex;

use super::*;
use crate::cluster::sessions::{Claimed, Found, MemorySessions};
use crate::fanout::HubId;
use crate::protocol::{GuildId, Permissions, UserId};
use crate::session::links::{Caller, NotYielded, WantedSession};
use crate::session::parked::tests::{ALICE, parked};
use crate::session::refusal::Refusal;
use crate::session::state::SessionParts;

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
        self.node_on(process, Arc::new(self.store.clone()))
    }

    fn node_on(&self, process: u64, store: Arc<dyn SessionStore>) -> Elsewhere {
        Elsewhere::new(
            ElsewhereSettings {
                process,
                resume_window: Duration::from_secs(60),
                patience: Duration::from_millis(300),
                note_every: Duration::from_millis(100),
            },
            (store, Arc::clone(&self.others) as Arc<dyn Holders>),
            WorkerLinks::default(),
            Handle::current(),
            Arc::default(),
        )
    }

    /// As the first node writes a session that it has, from time to time.
    async fn write(&self, id: SessionId, claim: u64, state: Vec<u8>) {
        let kept = Kept {
            process: 1,
            claim,
            is_final: false,
            state: state.into(),
        };
        self.store.put(&id.to_string(), kept).await.unwrap();
    }

    fn answer<F>(&self, answers: F)
    where
        F: Fn(u64, Wanted) -> Soon<Option<Yielded>> + Send + Sync + 'static,
    {
        *self.others.0.lock().unwrap() = Some(Box::new(answers));
    }
}

impl Elsewhere {
    /// For a connection that waits until the answer is there.
    async fn get(&self, wanted: &WantedSession) -> Result<Box<SessionParts>, NotYielded> {
        let (_waits, waiting) = Waits::new();
        self.get_for(wanted, &waiting).await
    }

    async fn is_still_here(&self, wanted: &WantedSession) -> Result<Box<SessionParts>, NotYielded> {
        let (_waits, waiting) = Waits::new();
        self.is_still_here_for(wanted, &waiting).await
    }

    /// As if a worker had it.
    fn place(&self, id: SessionId) {
        self.inner.links.place(id, HubId(0));
    }
}

/// A store that does not answer.
struct Down;

fn down<T: Send + 'static>() -> Soon<Result<T, StoreError>> {
    soon(Err(StoreError::Unavailable("down".to_owned())))
}

impl SessionStore for Down {
    fn max_bytes(&self) -> usize {
        1 << 20
    }

    fn put(&self, _: &str, _: Kept) -> Soon<Result<(), StoreError>> {
        down()
    }

    fn put_table(&self, _: GuildId, _: u64, _: bytes::Bytes) -> Soon<Result<(), StoreError>> {
        down()
    }

    fn table(&self, _: GuildId, _: u64) -> Soon<Result<Option<bytes::Bytes>, StoreError>> {
        down()
    }

    fn find(&self, _: &str) -> Soon<Result<Found, StoreError>> {
        down()
    }

    fn claim(&self, _: &str, _: u64, _: u64) -> Soon<Result<Claimed, StoreError>> {
        down()
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
        assert_eq!(
            got.unwrap_err(),
            NotYielded::Gone(Refusal::Unknown),
            "{user} {seq}"
        );
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
    let (packed, session) = parcel::pack(session, 1 << 20).unwrap();
    bench.write(id, 0, packed).await;
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
    assert_eq!(got.unwrap_err(), NotYielded::Gone(Refusal::Unknown));
}

#[tokio::test]
async fn who_cannot_be_asked_is_asked_again_later() {
    let bench = Bench::default();
    let mut session = session();
    let id = session.parts.id;
    session.claim = 3;
    bench.answer(|_, _| soon(None));
    let (packed, _) = parcel::pack(session, 1 << 20).unwrap();
    bench.write(id, 3, packed).await;
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
    assert_eq!(got.unwrap_err(), NotYielded::Gone(Refusal::Unknown));
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
    assert!(matches!(claimed, Claimed::Yes(_)));
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
    killed.place(id);
    for seq in [7, 8] {
        assert!(killed.note(vec![as_noted(id, seq)]));
    }
    killed.notes_are_kept().await;
    assert_eq!(killed.failed_notes(), 0);
    let nodes: Vec<Elsewhere> = (2..5).map(|process| bench.node(process)).collect();
    for (user, seq) in [(ALICE, 7), (ALICE, 9), (BOB, 8)] {
        let got = nodes[0].get(&wanted(id, user, seq)).await;
        assert_eq!(
            got.unwrap_err(),
            NotYielded::Gone(Refusal::Unknown),
            "{user} {seq}"
        );
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
        node.place(id);
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
    away.place(id);
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
        NotYielded::Gone(Refusal::Unknown)
    );
}

#[tokio::test]
async fn i10_for_a_connection_that_is_gone_nothing_is_asked_or_claimed() {
    let bench = Bench::default();
    let session = session();
    let id = session.parts.id;
    let (packed, session) = parcel::pack(session, 1 << 20).unwrap();
    bench.write(id, 0, packed).await;
    let (waits, waiting) = Waits::new();
    let waits = Mutex::new(Some(waits));
    bench.answer(move |_, _| {
        let waits = waits.lock().unwrap().take();
        assert!(waits.is_some(), "asked again");
        soon(None)
    });
    let (node, mine) = (bench.node(2), wanted(id, ALICE, 5));
    let got = node.get_for(&mine, &waiting).await;
    assert_eq!(got.unwrap_err(), NotYielded::Unknown);
    bench.node(1).keep(session).await.unwrap();
    let got = node.get_for(&mine, &waiting).await;
    assert_eq!(got.unwrap_err(), NotYielded::Unknown);
    let found = bench.store.find(&id.to_string()).await.unwrap();
    assert_eq!(found.claim, None);
    assert!(node.get(&mine).await.is_ok());
}

#[tokio::test]
async fn a_session_from_before_a_restart_outlives_its_claim_and_a_store_that_is_away() {
    let bench = Bench::default();
    let mut session = session();
    session.claim = 7;
    let mine = wanted(session.parts.id, ALICE, 5);
    let down = bench.node_on(1, Arc::new(Down));
    let since_ms = session.detached_ms;
    down.inner.links.parked.fill([session]);
    assert_eq!(down.get(&mine).await.unwrap_err(), NotYielded::Unknown);
    let kept = down.inner.links.parked.take_whole();
    assert_eq!((kept[0].claim, kept[0].detached_ms), (7, since_ms));
    let node = bench.node(1);
    node.inner.links.parked.fill(kept);
    assert!(node.get(&mine).await.is_ok());
    assert!(node.inner.links.claim_of(mine.session) > 0);
}

#[tokio::test]
async fn a_session_that_is_too_large_stays_for_the_next_start() {
    let bench = Bench::default();
    let mut session = session();
    let id = session.parts.id;
    let mut frame = vec![0; 2 << 20];
    getrandom::fill(&mut frame).unwrap();
    session.parts.outbox.frames[2] = frame.into();
    let node = bench.node(1);
    let kept = node.keep(session).await;
    assert!(matches!(kept, Err(StoreError::TooLarge(_))));
    assert_eq!(node.inner.links.parked.len(), 1);
    let asked = Wanted {
        session: id.to_string(),
        user: ALICE,
        seq: 5,
    };
    assert_eq!(node.yields(asked).await, Some(Yielded::Gone));
    let kept = node.inner.links.parked.take_whole();
    assert!(kept[0].parts.outbox.reaches(4));
}

#[tokio::test]
async fn i10_a_session_that_leaves_or_arrives_is_not_said_to_be_gone() {
    let bench = Bench::default();
    let (node, id) = (bench.node(1), SessionId::random());
    let asked = || Wanted {
        session: id.to_string(),
        user: ALICE,
        seq: 5,
    };
    let links = &node.inner.links;
    links.set_leaving(id);
    assert_eq!(node.yields(asked()).await, None);
    links.has_left(id);
    links.set_claim(id, 3);
    assert_eq!(node.yields(asked()).await, None);
    links.forget(id);
    assert_eq!(node.yields(asked()).await, Some(Yielded::Gone));
}

#[tokio::test]
async fn i10_what_has_left_or_ended_is_not_noted_any_more() {
    let bench = Bench::default();
    let node = bench.node(1);
    let [stays, leaves, ended] = [(); 3].map(|()| SessionId::random());
    node.place(stays);
    node.place(leaves);
    node.inner.links.set_leaving(leaves);
    let notes = [stays, leaves, ended].map(|id| as_noted(id, 7));
    assert!(node.note(notes.into()));
    node.notes_are_kept().await;
    for (id, is_noted) in [(stays, true), (leaves, false), (ended, false)] {
        let found = bench.store.find(&id.to_string()).await.unwrap();
        assert_eq!(found.kept.is_some(), is_noted);
    }
}
