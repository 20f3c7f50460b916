//! How busy guilds and executors are now: two readings a short window apart, taken when somebody
//! asks, so that nobody pays for it otherwise.

use std::collections::HashMap;
use std::time::Duration;

use super::view::{GuildInfo, View};
use crate::clock;
use crate::protocol::GuildId;

/// The window where none is asked for.
pub(super) const DEFAULT_WINDOW: Duration = Duration::from_millis(250);
/// The longest window.
pub(super) const MAX_WINDOW: Duration = Duration::from_secs(10);

/// A guild and the share of a thread that it used, 0 to 1.
pub(super) struct Measured {
    pub(super) guild: GuildInfo,
    pub(super) load: f64,
}

/// Measures every running guild over a window. A guild that was not there at its start is measured
/// from its own start.
pub(super) async fn measure(view: &dyn View, window: Duration) -> Vec<Measured> {
    let before: HashMap<GuildId, u64> = view
        .guilds()
        .into_iter()
        .map(|guild| (guild.id, guild.busy_ns))
        .collect();
    let from = clock::uptime();
    if !window.is_zero() {
        tokio::time::sleep(window).await;
    }
    let after = view.guilds();
    let elapsed_ns = clock::uptime().saturating_sub(from).as_nanos().max(1) as f64;
    after
        .into_iter()
        .map(|guild| {
            // An actor that was started again counts from zero: less than before.
            let base = before
                .get(&guild.id)
                .copied()
                .filter(|&busy| busy <= guild.busy_ns)
                .unwrap_or(0);
            let load = (guild.busy_ns - base) as f64 / elapsed_ns;
            Measured {
                load: load.min(1.0),
                guild,
            }
        })
        .collect()
}
