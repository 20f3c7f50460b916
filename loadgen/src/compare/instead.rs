//! What can be measured of servers instead of a load at several rates.

use anyhow::Result;

use super::Versions;
use super::peer::Peer;
use super::report::Report;
use super::round::Stage;

/// One server's figures, over all rounds.
pub(super) trait Instead {
    /// None yet.
    fn none(peer: Peer, sessions: u32) -> Self;

    /// Adds a round of a fresh server; answers its version.
    fn round(&mut self, stage: &Stage<'_>, peer: Peer) -> Result<String>;

    /// Fills in the summaries.
    fn summarize(&mut self);
}

/// The figures of all servers, which take turns.
pub(super) fn measure<T: Instead>(
    stage: &Stage<'_>,
    peers: &[Peer],
    report: &mut Report,
) -> (Vec<T>, Versions) {
    let mut versions = Versions::new();
    let sessions = stage.args.receivers();
    let none = |peer: &Peer| T::none(*peer, sessions);
    let mut all: Vec<T> = peers.iter().map(none).collect();
    for _ in 0..stage.args.rounds.get() {
        for (peer, one) in peers.iter().zip(&mut all) {
            match one.round(stage, *peer) {
                Ok(version) => {
                    versions.insert(peer.name(), version);
                }
                Err(error) => report.failed(*peer, 0.0, &error),
            }
        }
    }
    all.iter_mut().for_each(T::summarize);
    (all, versions)
}
