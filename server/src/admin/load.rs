//! How busy guilds are: smoothed, as it is measured all the time, or over a window from now on.

use std::collections::HashMap;
use std::time::Duration;

use super::view::{GuildInfo, View};
use crate::clock;
use crate::protocol::GuildId;

/// The longest window.
pub(super) const MAX_WINDOW: Duration = Duration::from_secs(10);

/// Every running guild. With a window, its load is measured over it; a guild that was not there at its
/// start is measured from its own start.
pub(super) async fn measure(view: &dyn View, window: Option<Duration>) -> Vec<GuildInfo> {
    let Some(window) = window else {
        return view.guilds();
    };
    let before: HashMap<GuildId, u64> = view
        .guilds()
        .into_iter()
        .map(|guild| (guild.id, guild.busy_ns))
        .collect();
    let from = clock::uptime();
    if !window.is_zero() {
        tokio::time::sleep(window).await;
    }
    let mut after = view.guilds();
    let elapsed_ns = clock::uptime().saturating_sub(from).as_nanos().max(1) as f64;
    for guild in &mut after {
        // An actor that was started again counts from zero: less than before.
        let base = before
            .get(&guild.id)
            .copied()
            .filter(|&busy| busy <= guild.busy_ns)
            .unwrap_or(0);
        guild.load = ((guild.busy_ns - base) as f64 / elapsed_ns).min(1.0);
    }
    after
}
