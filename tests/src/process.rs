//! What the system says about a process.

use std::fs;
use std::time::Duration;

/// Clock ticks per second in `/proc/PID/stat`; fixed on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// A process by its id.
#[derive(Debug, Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// Resident memory in bytes.
    pub fn memory(self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most resident memory so far, in bytes.
    pub fn peak_memory(self) -> u64 {
        self.status("VmHWM:")
    }

    /// Open file descriptors.
    pub fn open_files(self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0)).map_or(0, Iterator::count)
    }

    /// CPU time used so far, of user and system together.
    pub fn cpu(self) -> Duration {
        let text = self.read("stat");
        // The second field is the name in brackets and may hold anything.
        let (_, rest) = text.rsplit_once(')').expect("stat names the process");
        let ticks: u64 = rest
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().expect("ticks are a number"))
            .sum();
        Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
    }

    /// A figure of `/proc/PID/status` in bytes.
    fn status(self, key: &str) -> u64 {
        let text = self.read("status");
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let figure = line.and_then(|line| line.split_whitespace().next());
        let kib: u64 = figure
            .and_then(|figure| figure.parse().ok())
            .unwrap_or_else(|| panic!("process {} has no {key}", self.0));
        kib * 1_024
    }

    fn read(self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.0);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

/// `bytes` in MiB, for messages.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
