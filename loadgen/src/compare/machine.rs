//! What the comparison ran on.

use std::fs;

use serde::Serialize;

/// The machine at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Cores.
    pub cores: usize,
    /// What the processor calls itself.
    pub processor: String,
    /// The kernel's release.
    pub kernel: String,
    /// Threads that wanted to run, on average over the last minute: far above what the comparison itself needs (about
    /// one for the server and one for the generator), and others were at work.
    pub load: f64,
}

impl Machine {
    /// As it is now.
    pub(super) fn now() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let load = read("/proc/loadavg");
        let info = read("/proc/cpuinfo");
        let processor = info.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == "model name").then(|| value.trim().to_owned())
        });
        Self {
            cores: info
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            processor: processor.unwrap_or_default(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: load
                .split_whitespace()
                .next()
                .and_then(|first| first.parse().ok())
                .unwrap_or_default(),
        }
    }
}
