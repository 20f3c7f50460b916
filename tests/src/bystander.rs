//! Somebody else on the same server, who must notice nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::deadline::{eventually, within};
use crate::numbered;
use crate::session::Session;
use crate::world::World;

/// The series of a bystander's messages.
const SERIES: &str = "bystander";
/// Between an answer and the next message.
const PAUSE: Duration = Duration::from_millis(5);
/// The longest that a message may take from its request to the bystander's session. Far above what it
/// takes, far below any timeout of the server: whoever waits that long has noticed.
const NOTICED: Duration = Duration::from_secs(5);
/// Messages that have to come for it to count as served.
const SERVED: usize = 5;

/// A session that is sent messages all the time, over REST, and checks that each comes once, in
/// order and soon.
pub struct Bystander {
    stop: Arc<AtomicBool>,
    received: Arc<AtomicUsize>,
    talk: JoinHandle<usize>,
    listen: JoinHandle<Duration>,
}

impl Bystander {
    /// Starts one in the world's guild: the owner talks, a session of the owner listens. It is served
    /// when this returns.
    pub async fn start(world: &World) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let received = Arc::new(AtomicUsize::new(0));
        let sent: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let session = world.login(&world.owner).await;
        let talk = {
            let (rest, channel) = (world.owner.rest.clone(), world.channel.clone());
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            tokio::spawn(async move {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    sent.lock().await.push(Instant::now());
                    rest.say(&channel, &numbered::content(SERIES, number)).await;
                    number += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                rest.say(&channel, "bystander goes").await;
                number
            })
        };
        let listen = tokio::spawn(listen(session, sent, Arc::clone(&received)));
        let bystander = Self {
            stop,
            received,
            talk,
            listen,
        };
        bystander.is_served().await;
        bystander
    }

    /// Panics where it does not get several more messages.
    pub async fn is_served(&self) {
        let from = self.received.load(Ordering::Relaxed);
        eventually("messages for a bystander", || async {
            assert!(!self.listen.is_finished(), "the bystander's session failed");
            (self.received.load(Ordering::Relaxed) >= from + SERVED).then_some(())
        })
        .await;
    }

    /// Panics where it has noticed anything, now or before.
    pub async fn noticed_nothing(self) {
        self.is_served().await;
        self.stop.store(true, Ordering::Relaxed);
        let talked = within("the bystander's last message", self.talk).await;
        let talked = talked.expect("the bystander could talk");
        let slowest = within("the bystander's last message", self.listen).await;
        let slowest = slowest.expect("the bystander's session was in order");
        assert_eq!(self.received.load(Ordering::Relaxed), talked);
        assert!(slowest < NOTICED, "a bystander's message took {slowest:?}");
    }
}

/// Checks order until the last message; gives the longest way of one.
async fn listen(
    mut session: Session,
    sent: Arc<Mutex<Vec<Instant>>>,
    received: Arc<AtomicUsize>,
) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut next = 0;
    loop {
        let payload = session.next().await;
        if !payload.is("MESSAGE_CREATE") {
            continue;
        }
        if payload.d["content"] == "bystander goes" {
            return slowest;
        }
        let Some(number) = numbered::number(SERIES, &payload.d) else {
            continue;
        };
        assert_eq!(number, next, "the bystander's messages are out of order");
        next += 1;
        let way = sent.lock().await[number].elapsed();
        slowest = slowest.max(way);
        received.store(next, Ordering::Relaxed);
    }
}
