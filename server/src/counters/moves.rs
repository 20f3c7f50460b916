//! How often guilds were moved from one thread to another, by kind and outcome.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::labels::{Label, MoveKind, MoveOutcome};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Labels {
    kind: &'static str,
    outcome: &'static str,
}

/// Moves by kind and outcome, each there from the start.
#[derive(Debug, Clone)]
pub struct MoveCounts {
    pub(super) family: Family<Labels, Counter>,
    /// By kind, then by outcome.
    parts: Vec<Vec<Counter>>,
}

impl Default for MoveCounts {
    fn default() -> Self {
        let family = Family::<Labels, Counter>::default();
        let count = |kind: &MoveKind, outcome: &MoveOutcome| {
            family.get_or_create_owned(&Labels {
                kind: kind.value(),
                outcome: outcome.value(),
            })
        };
        let outcomes = |kind| MoveOutcome::ALL.iter().map(|it| count(kind, it)).collect();
        let parts = MoveKind::ALL.iter().map(outcomes).collect();
        Self { family, parts }
    }
}

impl MoveCounts {
    /// The moves of a kind that ended so.
    pub fn of(&self, kind: MoveKind, outcome: MoveOutcome) -> &Counter {
        &self.parts[kind.index()][outcome.index()]
    }
}
