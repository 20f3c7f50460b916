//! Fifty sessions cut again and again while a guild is posted to at full speed.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use guildhall_tests::flood::post_until;
use guildhall_tests::rest::text;
use guildhall_tests::{Cut, Gateway, Session, Setup, World};
use tokio::task::JoinSet;

/// Sessions.
const SESSIONS: usize = 50;
/// How often each is cut.
const CUTS: usize = 10;
/// The most events between two cuts.
const LIFE: usize = 80;
/// Requests at a time: enough to keep the guild busy.
const POSTERS: usize = 8;

/// Names a seed to run again with.
const SEED: &str = "GUILDHALL_TEST_SEED";

fn seed() -> u64 {
    let given = std::env::var(SEED).ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("{SEED}={seed}");
    seed
}

/// What one session has read, over all its connections.
struct Reader {
    world: Arc<World>,
    random: Rng,
    cut: Cut,
    /// Ids of the messages, in the order in which they came.
    messages: Vec<String>,
}

impl Reader {
    /// Reads `events` events, or to the end of the series where that is sooner; says whether it is
    /// the end.
    async fn read(&mut self, gateway: &mut Gateway, events: usize) -> bool {
        for _ in 0..events {
            let payload = gateway.next().await;
            assert_ne!(
                payload.op,
                9,
                "refused after {} messages",
                self.messages.len()
            );
            self.cut.seq = gateway.seq();
            if !payload.is("MESSAGE_CREATE") {
                continue;
            }
            if payload.d["content"] == "end" {
                return true;
            }
            self.messages.push(text(&payload.d["id"]).to_owned());
        }
        false
    }

    /// Ends a connection in one of the ways in which connections end, and resumes on another.
    async fn reconnect(&mut self, gateway: Gateway) -> Gateway {
        match self.random.u8(0..4) {
            0 => drop(gateway),
            1 => gateway.reset(),
            2 => {
                gateway.close(4000).await;
            }
            _ => {
                let new = self.cut.ask(&self.world.server).await;
                drop(gateway);
                return new;
            }
        }
        self.cut.ask(&self.world.server).await
    }

    async fn run(mut self, session: Session, cuts_left: Arc<AtomicUsize>) -> Vec<String> {
        let (mut gateway, _) = session.into_parts();
        for _ in 0..CUTS {
            // At least one: that tells that the Resume was taken, and that no later one overtakes it.
            let life = self.random.usize(1..=LIFE);
            assert!(
                !self.read(&mut gateway, life).await,
                "posting ends after all cuts"
            );
            gateway = self.reconnect(gateway).await;
            cuts_left.fetch_sub(1, Ordering::Relaxed);
        }
        while !self.read(&mut gateway, usize::MAX).await {}
        self.messages
    }
}

/// Where what came is not what was sent.
fn fault(got: &[String], sent: &[&str]) -> Option<String> {
    let same = got
        .iter()
        .zip(sent)
        .take_while(|(got, sent)| got == sent)
        .count();
    if same == got.len() && same == sent.len() {
        return None;
    }
    let place = |id: &String| sent.iter().position(|sent| sent == id);
    let after: Vec<_> = got[same..].iter().take(5).map(place).collect();
    Some(format!(
        "{} messages of {}: after the first {same} came {after:?}",
        got.len(),
        sent.len()
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_i10_sessions_cut_at_random_moments_see_every_message_once_and_in_order() {
    let mut random = Rng::with_seed(seed());
    let setup = Setup::new()
        // The slowest reader of a busy machine must not be refused for being slow.
        .set("gateway.replay_max_events=1000000")
        .set("gateway.replay_max_bytes=268435456")
        .set("gateway.lane_max_frames=1000000")
        .set("gateway.lane_max_bytes=268435456")
        .set("guild.recent_max_messages=1000000")
        .set("guild.recent_max_bytes=1000000000");
    let world = Arc::new(World::with(setup, SESSIONS).await);
    let cuts_left = Arc::new(AtomicUsize::new(SESSIONS * CUTS));
    let mut readers = JoinSet::new();
    for account in &world.members {
        let session = world.login(account).await;
        let reader = Reader {
            world: Arc::clone(&world),
            random: random.fork(),
            cut: Cut {
                id: session.id.clone(),
                token: session.token.clone(),
                seq: session.seq(),
            },
            messages: Vec::new(),
        };
        readers.spawn(reader.run(session, Arc::clone(&cuts_left)));
    }
    let mut posters = post_until(&world, POSTERS, move || {
        cuts_left.load(Ordering::Relaxed) == 0
    });
    // Whatever fails first is what went wrong.
    while let Some(done) = posters.join_next().await {
        done.unwrap();
        if let Some(failed) = readers.try_join_next() {
            failed.unwrap();
        }
    }
    world.owner.rest.say(&world.channel, "end").await;
    let mut history = world.owner.rest.history(&world.channel).await;
    history.pop();
    let history: Vec<&str> = history.iter().map(|message| text(&message["id"])).collect();
    assert!(history.is_sorted());
    println!("{} messages", history.len());
    while let Some(messages) = readers.join_next().await {
        let messages = messages.unwrap();
        if let Some(fault) = fault(&messages, &history) {
            panic!("{fault}");
        }
    }
}
