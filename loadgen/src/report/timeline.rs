//! How a run went from second to second.

use serde::{Deserialize, Serialize};

/// The whole course. Times are seconds from the first message's intended time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// Start of the measured part.
    pub steady_from_s: f64,
    /// Its end.
    pub steady_to_s: f64,
    /// One each second.
    pub samples: Vec<Sample>,
    /// Storms and faults.
    pub marks: Vec<Mark>,
    /// The busiest guilds, the busiest first.
    pub heat: Vec<Heat>,
}

/// What happened since the sample before.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sample {
    /// When it was taken.
    pub at_s: f64,
    /// Messages acknowledged per second.
    pub acked_per_s: f64,
    /// Deliveries per second.
    pub deliveries_per_s: f64,
    /// Median of intended send time to reception.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// 99.9th percentile.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// Cores that the server used; 0 if its process is not known.
    pub server_cores: f64,
    /// Cores that the generator used.
    pub generator_cores: f64,
    /// Resident bytes of the server; 0 if its process is not known.
    pub server_rss_bytes: u64,
    /// Sessions without a connection.
    pub detached: u64,
    /// Violations so far.
    pub violations: u64,
}

/// Something that was done to the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mark {
    /// When it began.
    pub from_s: f64,
    /// When it was over.
    pub to_s: f64,
    /// What it was.
    pub label: String,
    /// Why it did not work, if it did not.
    pub error: Option<String>,
}

/// One guild over time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Heat {
    /// Its index.
    pub guild: u32,
    /// Deliveries, by sample.
    pub deliveries: Vec<u32>,
}
