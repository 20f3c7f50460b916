//! A node that stops lets all its sessions go, and asks their clients to come back elsewhere: at a paced rate, each at a
//! random moment.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::{Instant, sleep};

use super::Elsewhere;
use crate::fanout::HubId;
use crate::session::links::HubMail;
use crate::session::parked::Parked;

/// How often some are let go.
const EVERY: Duration = Duration::from_millis(50);
/// How long a worker may take for that.
const LETS_GO: Duration = Duration::from_secs(5);
/// States that are on their way at the same time.
const TOGETHER: usize = 64;

/// A session that a worker has let go.
#[derive(Debug)]
pub struct Leaving {
    /// The session.
    pub session: Parked,
    /// Its connection's key and generation, if it has one: the client is told once the session is kept.
    pub connection: Option<(usize, u32)>,
}

impl Elsewhere {
    /// Lets every session go, spread over this time; those that come meanwhile too. Each client is asked to reconnect
    /// once the final state of its session is kept. Answers how many were let go.
    pub async fn let_all_go(&self, over: Duration) -> usize {
        let began = Instant::now();
        let mut gone = 0;
        loop {
            let share = began.elapsed().as_secs_f64() / over.as_secs_f64().max(1e-3);
            gone += self.let_share_go(share.min(1.0)).await;
            if share >= 1.0 {
                return gone;
            }
            sleep(EVERY).await;
        }
    }

    /// Lets those sessions go whose moment is in this share of the time.
    async fn let_share_go(&self, share: f64) -> usize {
        let leaving = self.inner.links.let_go(share, LETS_GO).await;
        let kept = stream::iter(leaving).map(|(hub, leaving)| async move {
            let connection = leaving.connection.map(|connection| (hub, connection));
            let kept = self.keep(leaving.session).await.is_ok();
            (connection, kept)
        });
        let kept: Vec<_> = kept.buffer_unordered(TOGETHER).collect().await;
        let mut clients: HashMap<HubId, Vec<(usize, u32)>> = HashMap::new();
        for (hub, connection) in kept.iter().filter_map(|(connection, _)| *connection) {
            clients.entry(hub).or_default().push(connection);
        }
        for (hub, connections) in clients {
            let mail = HubMail::AskToReconnect { connections };
            self.inner.links.post(hub, mail);
        }
        kept.iter().filter(|(_, kept)| *kept).count()
    }

    /// Keeps sessions that the workers have handed over at the end; answers those that could not be.
    pub async fn keep_all(&self, sessions: Vec<Parked>) -> Vec<Parked> {
        let kept = stream::iter(sessions).map(|session| self.keep(session));
        let kept = kept.buffer_unordered(TOGETHER);
        let failed = kept
            .filter(|kept| std::future::ready(kept.is_err()))
            .count();
        if failed.await == 0 {
            return Vec::new();
        }
        self.inner.links.parked.take_whole()
    }
}
