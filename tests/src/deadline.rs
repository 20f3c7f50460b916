//! Waiting for conditions.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long any one condition may take. Far more than it takes on a busy machine: a test that reaches
/// it has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What `future` gives. Panics, naming `what`, when it takes longer than [`DEADLINE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

/// Asks again until `ask` gives something. Panics, naming `what`, when that takes longer than
/// [`DEADLINE`].
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + DEADLINE;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {DEADLINE:?}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
