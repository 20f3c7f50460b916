//! What a run costs: CPU time and memory of the generator and of the server between two points in time.

use std::io;

use crate::clock;
use crate::procfs::{CpuTime, ProcessCpu, resident_bytes, thread_cpu};
use crate::report::{Server, Thread, ratio};

/// A thread busier than this share of the time has no core left to be quick with.
const FULL: f64 = 0.9;

/// A receiving loop later than this (milliseconds, 99th percentile) spoils the latencies it measures.
const SLOW_LOOP_MS: f64 = 20.0;

/// More late sends than this share are no open loop any more.
const LATE_SHARE: f64 = 0.01;

/// A thread of the generator that is watched.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What it is for.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// Its thread id.
    pub id: u32,
}

/// Everything that is read at one point in time.
#[derive(Debug)]
pub struct Snapshot {
    at: u64,
    /// Of each of its processes.
    generator: Vec<ProcessCpu>,
    threads: Vec<CpuTime>,
    server: Option<ProcessCpu>,
    /// Deliveries so far.
    delivered: u64,
    /// Reads so far.
    reads: u64,
}

impl Snapshot {
    /// Reads it all. `generator` are the generator's processes, `delivered` and `reads` the workers' sums.
    pub fn take(
        watched: &[Watched],
        generator: &[u32],
        server: Option<u32>,
        delivered: u64,
        reads: u64,
    ) -> io::Result<Self> {
        let threads = watched.iter().map(|thread| {
            thread_cpu(thread.pid, thread.id)
                .map_err(|error| io::Error::other(format!("{}: {error}", thread.name)))
        });
        let generator = generator.iter().map(|pid| ProcessCpu::of(*pid));
        Ok(Self {
            at: clock::now(),
            generator: generator.collect::<io::Result<_>>()?,
            threads: threads.collect::<io::Result<_>>()?,
            // One that is just being restarted has none.
            server: server.and_then(|pid| ProcessCpu::of(pid).ok()),
            delivered,
            reads,
        })
    }
}

/// What was used between two snapshots.
#[derive(Debug)]
pub struct Usage {
    nanoseconds: u64,
    delivered: u64,
    reads: u64,
    /// Nanoseconds on a core, of all its processes.
    generator: u64,
    threads: Vec<CpuTime>,
    server: Option<CpuTime>,
}

/// Resident bytes of the server at three points.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerMemory {
    /// Before the first session connected.
    pub before: u64,
    /// With all sessions ready and no traffic.
    pub idle: u64,
    /// At the end of the traffic.
    pub after: u64,
}

impl Usage {
    /// From one snapshot to a later one of the same threads.
    pub fn between(from: &Snapshot, to: &Snapshot) -> Self {
        let threads = to.threads.iter().zip(&from.threads);
        let processes = to.generator.iter().zip(&from.generator);
        Self {
            nanoseconds: (to.at - from.at) * 1_000,
            delivered: to.delivered - from.delivered,
            reads: to.reads - from.reads,
            generator: processes.map(|(to, from)| to.since(from).ran).sum(),
            threads: threads.map(|(to, from)| to.since(*from)).collect(),
            server: to
                .server
                .as_ref()
                .zip(from.server.as_ref())
                .map(|(to, from)| to.since(from)),
        }
    }

    /// Deliveries for each second.
    pub fn deliveries_per_second(&self) -> f64 {
        ratio(self.delivered as f64, self.nanoseconds as f64 / 1e9)
    }

    /// CPU seconds of the generator.
    pub fn generator_seconds(&self) -> f64 {
        self.generator as f64 / 1e9
    }

    /// CPU microseconds of the generator for each delivery.
    pub fn generator_per_delivery(&self) -> f64 {
        self.per_delivery(self.generator)
    }

    /// Deliveries for each read.
    pub fn deliveries_per_read(&self) -> f64 {
        ratio(self.delivered as f64, self.reads as f64)
    }

    fn per_delivery(&self, nanoseconds: u64) -> f64 {
        ratio(nanoseconds as f64 / 1_000.0, self.delivered as f64)
    }

    fn share(&self, nanoseconds: u64) -> f64 {
        ratio(nanoseconds as f64, self.nanoseconds as f64)
    }

    /// The generator's threads; `lags` are their loops' lateness in milliseconds, where there is a loop.
    pub fn threads(&self, watched: &[Watched], lags: &[Option<f64>]) -> Vec<Thread> {
        let threads = watched.iter().zip(&self.threads).zip(lags);
        threads
            .map(|((thread, time), lag)| Thread {
                name: thread.name.clone(),
                utilisation: self.share(time.ran),
                starved: self.share(time.waited),
                lag_p99_ms: *lag,
            })
            .collect()
    }

    /// The server's part of the report.
    pub fn server(&self, memory: ServerMemory, sessions: u32) -> Option<Server> {
        self.server.map(|time| Server {
            cpu_s: time.ran as f64 / 1e9,
            cores: self.share(time.ran),
            cpu_us_per_delivery: self.per_delivery(time.ran),
            rss_before_bytes: memory.before,
            rss_idle_bytes: memory.idle,
            rss_bytes: memory.after,
            rss_bytes_per_session: ratio(
                memory.idle.saturating_sub(memory.before) as f64,
                f64::from(sessions),
            ),
        })
    }
}

/// Resident bytes of the server, 0 if it was not named.
pub fn server_memory(server: Option<u32>) -> io::Result<u64> {
    server.map_or(Ok(0), resident_bytes)
}

/// Why the generator was the bottleneck, in words; empty if it was not.
pub fn limits(threads: &[Thread], late_sends: u64, sends: u64) -> Vec<String> {
    let mut limits = Vec::new();
    let late = ratio(late_sends as f64, sends as f64);
    if late > LATE_SHARE {
        limits.push(format!(
            "{:.1} % of the messages left more than 5 ms late",
            late * 100.0
        ));
    }
    for thread in threads {
        if thread.utilisation > FULL {
            limits.push(format!(
                "thread {} was busy {:.0} % of the time",
                thread.name,
                thread.utilisation * 100.0
            ));
        }
        if let Some(lag) = thread.lag_p99_ms.filter(|lag| *lag > SLOW_LOOP_MS) {
            limits.push(format!(
                "the loop of thread {} ran {lag:.0} ms late (p99), {:.0} % of the time it waited for a core",
                thread.name,
                thread.starved * 100.0
            ));
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(utilisation: f64, lag: f64) -> Thread {
        Thread {
            name: "t".to_owned(),
            utilisation,
            starved: 0.0,
            lag_p99_ms: Some(lag),
        }
    }

    #[test]
    fn a_starved_generator_says_so() {
        assert!(limits(&[thread(0.5, 2.0)], 10, 1_000).is_empty());
        assert_eq!(limits(&[thread(0.95, 2.0)], 0, 1_000).len(), 1);
        assert_eq!(limits(&[thread(0.5, 30.0)], 0, 1_000).len(), 1);
        assert_eq!(limits(&[thread(0.5, 2.0)], 11, 1_000).len(), 1);
    }

    #[test]
    fn usage_is_what_lies_between() {
        let own = std::process::id();
        let watched = [Watched {
            name: "main".to_owned(),
            pid: own,
            id: rustix::thread::gettid()
                .as_raw_nonzero()
                .get()
                .cast_unsigned(),
        }];
        let began = std::time::Instant::now();
        let from = Snapshot::take(&watched, &[own], Some(own), 10, 5).unwrap();
        let mut sum = 0_u64;
        let to = loop {
            for i in 0..1_000_000_u64 {
                sum = std::hint::black_box(sum.wrapping_add(i));
            }
            let to = Snapshot::take(&watched, &[own], Some(own), 110, 30).unwrap();
            if to.threads[0].since(from.threads[0]).ran > 10_000_000 {
                break to;
            }
        };
        let usage = Usage::between(&from, &to);
        assert!((usage.deliveries_per_read() - 4.0).abs() < 1e-9);
        let threads = usage.threads(&watched, &[None]);
        let ran = to.threads[0].since(from.threads[0]).ran as f64;
        // Time passes while a snapshot is taken: between the two themselves it may have run for a little longer.
        assert!(ran <= began.elapsed().as_nanos() as f64);
        assert!((threads[0].utilisation - ran / usage.nanoseconds as f64).abs() < 1e-9);
        assert!(usage.generator_per_delivery() >= 100.0);
        let memory = ServerMemory {
            before: 1_000,
            idle: 3_000,
            after: 4_000,
        };
        let server = usage.server(memory, 2).unwrap();
        assert!((server.rss_bytes_per_session - 1_000.0).abs() < 1e-9);
        assert!(server.cpu_us_per_delivery >= 100.0);
    }
}
