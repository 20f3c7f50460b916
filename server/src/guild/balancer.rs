//! Looks each second how busy guilds and their threads are.

use std::time::Duration;

use super::loads::Loads;
use super::registry::Registry;
use crate::clock;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// Looks until it is dropped.
pub async fn run(registry: Registry) {
    let mut loads = Loads::new(registry);
    let mut looks = tokio::time::interval(PERIOD);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = clock::now();
    loop {
        looks.tick().await;
        let passed = last.elapsed();
        last = clock::now();
        loads.tick(passed);
    }
}
