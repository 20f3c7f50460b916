//! Sessions between two runs of the process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::storage::Storage;
use super::{StartError, data_error};
use crate::session::checkpoint;
use crate::session::links::WorkerLinks;
use crate::session::parked::Parked;
use crate::session::trail::TrailDir;

/// Begins to note what sessions are handed, and takes those of runs that were killed. Those that a clean stop has kept whole are
/// in `links`.
pub(super) fn trails_of(
    storage: &Storage,
    dir: &Path,
    links: &WorkerLinks,
) -> Result<Option<Arc<TrailDir>>, StartError> {
    if !storage.is_kept() {
        return Ok(None);
    }
    let opened = TrailDir::open(dir).map_err(|error| data_error(dir, &error))?;
    let Some((trails, found)) = opened else {
        tracing::warn!("this system does not name its boot: no session is resumed after a crash");
        return Ok(None);
    };
    let count = links.parked.fill_found(found);
    tracing::info!(count, "sessions of a run that was killed");
    Ok(Some(trails))
}

/// Removes what was noted in earlier runs once no session of theirs can come back.
pub(super) fn forget_former_runs(trails: Arc<TrailDir>, window: Duration) {
    #[allow(clippy::disallowed_methods)] // ends with the node, or with the window
    actix_rt::spawn(async move {
        tokio::time::sleep(window).await;
        // What fails is logged there; a panic would be too.
        let _ = actix_rt::task::spawn_blocking(move || trails.forget_former_runs()).await;
    });
}

/// Writes the sessions that can be resumed; what they have seen was kept before they saw it. Without
/// the file their clients start anew. Trails stay where sessions from before a crash have not come back yet: `waiting` of them.
pub(super) fn keep_sessions(
    dir: &Path,
    sessions: &[Parked],
    waiting: usize,
    trails: Option<&TrailDir>,
) {
    match checkpoint::save(dir, sessions) {
        Ok(left_out) => {
            let count = sessions.len() - left_out;
            tracing::info!(count, left_out, waiting, "sessions kept");
            if let Some(trails) = trails.filter(|_| waiting == 0) {
                trails.clear();
            }
        }
        Err(error) => tracing::error!(%error, "no session is kept"),
    }
}
