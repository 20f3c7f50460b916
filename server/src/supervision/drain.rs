//! A node's way to its end: whoever orders it, a signal, the operator or another node, and how far it is.

use serde::Serialize;
use tokio::sync::watch;

use crate::clock;

/// What a node that ends is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It hands its guilds over to other nodes.
    Guilds,
    /// Its clients reconnect elsewhere.
    Clients,
    /// Open requests are answered, and what is kept is written.
    Closing,
}

/// How far a node is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// What it is at.
    pub step: Step,
    /// Guilds that ran when it began to hand them over; 0 where there is nobody to take them.
    pub guilds: usize,
}

/// Whether a node is to end, and how far it is. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    progress: watch::Sender<Option<Progress>>,
}

impl Drain {
    /// Has the node end. False where it is about to.
    pub fn order(&self) -> bool {
        self.progress.send_if_modified(|progress| {
            let is_new = progress.is_none();
            if is_new {
                *progress = Some(Progress {
                    since_ms: clock::unix_ms(),
                    step: Step::Guilds,
                    guilds: 0,
                });
            }
            is_new
        })
    }

    /// Waits until the node is to end.
    pub async fn ordered(&self) {
        let mut progress = self.progress.subscribe();
        // This handle keeps the other end.
        let _ = progress.wait_for(Option::is_some).await;
    }

    /// The node begins to hand over so many guilds.
    pub fn hands_over(&self, guilds: usize) {
        self.change(|progress| progress.guilds = guilds);
    }

    /// The node has come to the next step.
    pub fn comes_to(&self, step: Step) {
        self.change(|progress| progress.step = step);
    }

    /// How far it is; none where nobody wants its end.
    pub fn progress(&self) -> Option<Progress> {
        *self.progress.borrow()
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        self.progress
            .send_if_modified(|progress| progress.as_mut().map(change).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_ordered_once_and_goes_on_from_there() {
        let drain = Drain::default();
        drain.comes_to(Step::Closing);
        assert_eq!(drain.progress(), None);
        let other = drain.clone();
        let waits = async { other.ordered().await };
        let orders = async {
            tokio::task::yield_now().await;
            assert!(drain.order());
        };
        tokio::join!(waits, orders);
        assert!(!drain.order());
        drain.ordered().await;
        drain.hands_over(7);
        drain.comes_to(Step::Clients);
        let progress = other.progress().unwrap();
        assert_eq!((progress.step, progress.guilds), (Step::Clients, 7));
    }
}
