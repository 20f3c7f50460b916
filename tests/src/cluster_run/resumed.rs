//! What becomes of the sessions of a node that goes.

use std::time::{Duration, Instant};

use super::house::House;
use crate::admin::{Admin, Metrics};

/// How long the sessions of a node that is gone may take to be back.
const BACK: Duration = Duration::from_secs(30);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);

/// What the server calls the outcomes of Resumes at another node.
const OUTCOMES: [&str; 6] = ["let_go", "noted", "later", "earlier", "unknown", "ended"];
/// How many of them, from the first on, are whole.
const WHOLE: usize = 2;

/// Resumes of sessions of other nodes, by outcome, on the nodes that stay.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Resumed([f64; OUTCOMES.len()]);

/// The sessions of a node that is about to go, and what the others had taken over before.
#[derive(Debug)]
pub(super) struct Leaving {
    node: usize,
    sessions: f64,
    before: Resumed,
}

impl Resumed {
    /// Those so far.
    async fn at(house: &House, nodes: &[usize]) -> Self {
        let mut all = Self::default();
        for node in nodes {
            let metrics = metrics(house, *node).await;
            for (sum, outcome) in all.0.iter_mut().zip(OUTCOMES) {
                let label = format!("outcome=\"{outcome}\"");
                *sum += metrics.sum("guildhall_resumes_elsewhere_total", &[&label]);
            }
        }
        all
    }

    fn since(self, before: Self) -> Self {
        let mut since = self;
        for (now, before) in since.0.iter_mut().zip(before.0) {
            *now -= before;
        }
        since
    }

    fn all(self) -> f64 {
        self.0.iter().sum()
    }

    /// Those that went on whole.
    pub(super) fn whole(self) -> f64 {
        self.0[..WHOLE].iter().sum()
    }

    /// Those that were refused.
    pub(super) fn refused(self) -> f64 {
        self.all() - self.whole()
    }
}

impl std::fmt::Display for Resumed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} resumed at other nodes", self.whole())?;
        if self.all() > 0.0 {
            write!(f, " ({:.0} %)", 100.0 * self.whole() / self.all())?;
        }
        write!(f, ", {} refused", self.refused())?;
        let others = OUTCOMES.iter().zip(self.0).skip(WHOLE);
        for (outcome, count) in others.filter(|(_, count)| *count > 0.0) {
            write!(f, ", {outcome} {count}")?;
        }
        Ok(())
    }
}

impl Leaving {
    /// A node is about to go, and these stay.
    pub(super) async fn of(house: &House, node: usize, stay: &[usize]) -> Self {
        let sessions = metrics(house, node).await;
        Self {
            node,
            sessions: sessions.sum("guildhall_sessions", &["state=\"active\""]),
            before: Resumed::at(house, stay).await,
        }
    }

    /// Waits until as many Resumes were answered by those that stay as there were sessions; says what came of them.
    pub(super) async fn come_back(&self, house: &House, stay: &[usize]) -> Resumed {
        let began = Instant::now();
        loop {
            let resumed = Resumed::at(house, stay).await.since(self.before);
            if resumed.all() >= self.sessions || began.elapsed() > BACK {
                println!(
                    "  of {} sessions of node {}: {resumed}",
                    self.sessions,
                    self.node + 1
                );
                return resumed;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn metrics(house: &House, node: usize) -> Metrics {
    Admin::of(house.node(node)).metrics().await
}
