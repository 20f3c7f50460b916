//! The process itself, read from `/proc` at each scrape. Elsewhere than on Linux there is nothing.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

/// Ticks per second in `/proc/PID/stat`: fixed by the kernel's interface for user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the process uses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ProcessFigures {
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// CPU time used so far, in seconds.
    pub cpu_seconds: f64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// How many there may be; none where there is no limit.
    pub max_fds: Option<u64>,
}

impl ProcessFigures {
    /// Reads them; `None` where the system does not tell. Takes some tens of microseconds.
    pub fn read() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let rss_kib: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?
            .split_whitespace()
            .next()?
            .parse()
            .ok()?;
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the command in parentheses and may hold spaces itself.
        let (_, after_command) = stat.rsplit_once(')')?;
        let ticks: u64 = after_command
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u64>)
            .sum::<Result<_, _>>()
            .ok()?;
        Some(Self {
            resident_bytes: rss_kib * 1024,
            cpu_seconds: ticks as f64 / TICKS_PER_SECOND,
            open_fds: open_fds()?,
            max_fds: getrlimit(Resource::Nofile).current,
        })
    }
}

/// Since Linux 6.2 the size of the directory is the number of descriptors, which spares a listing
/// of 100,000 entries.
fn open_fds() -> Option<u64> {
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64),
        open => Some(open),
    }
}

/// Shows [`ProcessFigures`] under the names that every Prometheus client uses.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(figures) = ProcessFigures::read() else {
            return Ok(());
        };
        let cpu = ConstCounter::new(figures.cpu_seconds);
        cpu.encode(encoder.encode_descriptor(
            "process_cpu_seconds",
            "CPU time used.",
            None,
            cpu.metric_type(),
        )?)?;
        for (name, help, value) in [
            (
                "process_resident_memory_bytes",
                "Resident memory.",
                figures.resident_bytes,
            ),
            (
                "process_open_fds",
                "Open file descriptors.",
                figures.open_fds,
            ),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        if let Some(limit) = figures.max_fds {
            let gauge = ConstGauge::new(limit);
            gauge.encode(encoder.encode_descriptor(
                "process_max_fds",
                "Most open file descriptors.",
                None,
                gauge.metric_type(),
            )?)?;
        }
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_read() {
        let before = ProcessFigures::read().unwrap();
        assert!(before.resident_bytes > 1 << 20);
        let held: Vec<_> = (0..20)
            .map(|_| fs::File::open("/proc/self/stat").unwrap())
            .collect();
        let during = ProcessFigures::read().unwrap();
        assert!(during.open_fds >= held.len() as u64);
        assert!(during.cpu_seconds >= before.cpu_seconds);
        assert!(during.max_fds.is_none_or(|limit| limit > during.open_fds));
    }
}
