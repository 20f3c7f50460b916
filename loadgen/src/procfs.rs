//! CPU time and memory of processes and threads, read from `/proc`.

use std::collections::BTreeMap;
use std::{fs, io};

/// What a thread or process has used since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Nanoseconds on a core.
    pub ran: u64,
    /// Nanoseconds ready to run, but without a core.
    pub waited: u64,
}

impl CpuTime {
    /// What was used since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            ran: self.ran.saturating_sub(earlier.ran),
            waited: self.waited.saturating_sub(earlier.waited),
        }
    }
}

/// CPU time of each thread of a process, by thread id.
#[derive(Debug, Clone, Default)]
pub struct ProcessCpu {
    threads: BTreeMap<u32, CpuTime>,
}

impl ProcessCpu {
    /// The threads that process `pid` has now.
    pub fn of(pid: u32) -> io::Result<Self> {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let name = entry?.file_name();
            let Some(tid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // A thread may end between the two reads.
            if let Ok(time) = thread_cpu(pid, tid) {
                threads.insert(tid, time);
            }
        }
        Ok(Self { threads })
    }

    /// What the process used since `earlier`; a thread that ended in between is left out.
    pub fn since(&self, earlier: &Self) -> CpuTime {
        let mut sum = CpuTime::default();
        for (tid, time) in &self.threads {
            let before = earlier.threads.get(tid).copied().unwrap_or_default();
            let used = time.since(before);
            sum.ran += used.ran;
            sum.waited += used.waited;
        }
        sum
    }
}

/// CPU time of one thread (`schedstat`).
pub fn thread_cpu(pid: u32, tid: u32) -> io::Result<CpuTime> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat"))?;
    parse_schedstat(&text).ok_or_else(|| io::Error::other("unexpected schedstat line"))
}

fn parse_schedstat(text: &str) -> Option<CpuTime> {
    let mut fields = text.split_ascii_whitespace();
    Some(CpuTime {
        ran: fields.next()?.parse().ok()?,
        waited: fields.next()?.parse().ok()?,
    })
}

/// Resident memory of process `pid` in bytes.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse_resident(&text).ok_or_else(|| io::Error::other("no VmRSS line in status"))
}

/// The most resident memory that process `pid` has had, in bytes.
pub fn peak_resident_bytes(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse_kilobytes(&text, "VmHWM:").ok_or_else(|| io::Error::other("no VmHWM line in status"))
}

/// Nanoseconds that core `cpu` has been busy since the machine started, to 10 ms; those of a hypervisor's other guests are
/// part of it.
pub fn busy(cpu: usize) -> io::Result<u64> {
    let text = fs::read_to_string("/proc/stat")?;
    parse_busy(&text, cpu).ok_or_else(|| io::Error::other("no line of that core in stat"))
}

fn parse_busy(stat: &str, cpu: usize) -> Option<u64> {
    /// The kernel tells user space of 100 ticks a second, whatever it uses itself.
    const TICK: u64 = 10_000_000;
    let name = format!("cpu{cpu} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name))?;
    let fields = line.split_ascii_whitespace().map(str::parse::<u64>);
    let fields: Vec<u64> = fields.collect::<Result<_, _>>().ok()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
    let [user, nice, system, _, _, irq, softirq, steal, ..] = fields[..] else {
        return None;
    };
    Some((user + nice + system + irq + softirq + steal) * TICK)
}

/// Times that the threads of process `pid` went to sleep of their own will.
pub fn sleeps(pid: u32) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the two reads.
        if let Ok(text) = fs::read_to_string(entry?.path().join("status")) {
            sum += parse_sleeps(&text).unwrap_or_default();
        }
    }
    Ok(sum)
}

fn parse_sleeps(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}

fn parse_resident(status: &str) -> Option<u64> {
    parse_kilobytes(status, "VmRSS:")
}

fn parse_kilobytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_understood() {
        let time = CpuTime {
            ran: 120,
            waited: 7,
        };
        assert_eq!(parse_schedstat("120 7 3\n"), Some(time));
        assert_eq!(parse_schedstat("120"), None);
        assert_eq!(
            parse_resident("VmSize:\t 9 kB\nVmRSS:\t    1234 kB\n"),
            Some(1234 * 1024)
        );
        let status = "voluntary_ctxt_switches:\t17\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(parse_sleeps(status), Some(17));
        let stat =
            "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 100 100 4 5 6 7 8\ncpu10 0 0 0 0 0 0 0 0\n";
        assert_eq!(parse_busy(stat, 0), Some(210_000_000));
        assert_eq!(parse_busy(stat, 1), None);
        assert_eq!(parse_busy(stat, 10), Some(0));
    }

    #[test]
    fn a_busy_thread_shows_in_its_process() {
        let pid = std::process::id();
        let before = ProcessCpu::of(pid).unwrap();
        let mut sum = 0_u64;
        let used = loop {
            for i in 0..1_000_000_u64 {
                sum = std::hint::black_box(sum.wrapping_add(i));
            }
            let used = ProcessCpu::of(pid).unwrap().since(&before);
            if used.ran > 5_000_000 {
                break used;
            }
        };
        assert!(used.ran > 5_000_000);
        assert!(resident_bytes(pid).unwrap() > 100_000);
    }
}
