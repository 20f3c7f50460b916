//! Samples of a run, one each second.

use std::sync::PoisonError;

use super::fleet::Workers;
use crate::client::tally::Lately;
use crate::clock::SECOND;
use crate::plan::Plan;
use crate::procfs::{ProcessCpu, resident_bytes};
use crate::report::{Heat, Mark, Sample, Timeline, ratio};

/// Guilds of the heat map: the busiest ones.
const HEAT_ROWS: usize = 40;

/// Samples kept; when there are more, every other one goes, and from then on each stands for twice the time.
const MAX_SAMPLES: usize = 1_200;

/// What is needed for the next sample, and all those before it.
pub(super) struct Recording {
    start: u64,
    guild_of: Vec<u32>,
    guilds: usize,
    samples: Vec<Sample>,
    /// Deliveries of each guild, by sample.
    heat: Vec<Vec<u32>>,
    last: Last,
}

struct Last {
    at: u64,
    acked: u64,
    delivered: u64,
    /// With the process that it is of.
    server: Option<(u32, ProcessCpu)>,
    /// Of each of its processes.
    generator: Vec<ProcessCpu>,
}

impl Recording {
    pub(super) fn new(plan: &Plan, start: u64) -> Self {
        Self {
            start,
            guild_of: plan.guild_of(),
            guilds: plan.members.len(),
            samples: Vec::new(),
            heat: Vec::new(),
            last: Last {
                at: start,
                acked: 0,
                delivered: 0,
                server: None,
                generator: Vec::new(),
            },
        }
    }

    /// Takes a sample.
    pub(super) fn sample(
        &mut self,
        now: u64,
        acked: u64,
        server: Option<u32>,
        workers: &Workers,
    ) -> Sample {
        let mut all = Lately::new(self.guild_of.len());
        for gauges in workers.gauges() {
            let mut lately = gauges.lately.lock().unwrap_or_else(PoisonError::into_inner);
            all.latency
                .add(&lately.latency)
                .expect("invariant: all have the same bounds");
            lately.latency.reset();
            let rooms = all.per_room.iter_mut().zip(&mut lately.per_room);
            for (sum, room) in rooms {
                *sum += std::mem::take(room);
            }
        }
        let mut guilds = vec![0; self.guilds];
        for (guild, deliveries) in self.guild_of.iter().zip(&all.per_room) {
            guilds[*guild as usize] += deliveries;
        }
        let seconds = (now - self.last.at) as f64 / SECOND as f64;
        // A process that is just being restarted has none.
        let cpu = server.and_then(|pid| Some((pid, ProcessCpu::of(pid).ok()?)));
        let used = match (&self.last.server, &cpu) {
            (Some((before, from)), Some((now, to))) if before == now => to.since(from).ran,
            _ => 0,
        };
        let processes = workers.processes().into_iter();
        let processes = processes.map(|pid| ProcessCpu::of(pid).unwrap_or_default());
        let generator: Vec<ProcessCpu> = processes.collect();
        let pairs = generator.iter().zip(&self.last.generator);
        let own: u64 = pairs.map(|(to, from)| to.since(from).ran).sum();
        let delivered = workers.delivered();
        let at = |quantile| all.latency.value_at_quantile(quantile) as f64 / 1_000.0;
        let sample = Sample {
            at_s: (now - self.start) as f64 / SECOND as f64,
            acked_per_s: ratio((acked - self.last.acked) as f64, seconds),
            deliveries_per_s: ratio((delivered - self.last.delivered) as f64, seconds),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: all.latency.max() as f64 / 1_000.0,
            server_cores: ratio(used as f64 / 1e9, seconds),
            generator_cores: ratio(own as f64 / 1e9, seconds),
            server_rss_bytes: server.map_or(0, |pid| resident_bytes(pid).unwrap_or_default()),
            detached: workers.detached(),
            violations: workers.violations(),
        };
        self.last = Last {
            at: now,
            acked,
            delivered,
            server: cpu,
            generator,
        };
        self.samples.push(sample.clone());
        self.heat.push(guilds);
        if self.samples.len() > MAX_SAMPLES {
            let mut number = 0;
            let mut keeps = || {
                number += 1;
                number % 2 == 0
            };
            self.samples.retain(|_| keeps());
            self.thin_heat();
        }
        sample
    }

    /// Adds each first of two to the second.
    fn thin_heat(&mut self) {
        let pairs = std::mem::take(&mut self.heat);
        for pair in pairs.chunks(2) {
            if let [first, second] = pair {
                let sum = first.iter().zip(second).map(|(a, b)| a + b);
                self.heat.push(sum.collect());
            }
        }
    }

    pub(super) fn finish(self, marks: Vec<Mark>, steady: (f64, f64)) -> Timeline {
        let mut totals: Vec<(u64, u32)> = (0..self.guilds)
            .map(|guild| {
                let column = self.heat.iter().map(|row| u64::from(row[guild]));
                (column.sum(), guild as u32)
            })
            .collect();
        totals.sort_by_key(|(total, guild)| (u64::MAX - total, *guild));
        totals.truncate(HEAT_ROWS);
        let rows = totals.iter().map(|(_, guild)| {
            let column = self.heat.iter().map(|row| row[*guild as usize]);
            Heat {
                guild: *guild,
                deliveries: column.collect(),
            }
        });
        Timeline {
            steady_from_s: steady.0,
            steady_to_s: steady.1,
            heat: rows.collect(),
            samples: self.samples,
            marks,
        }
    }
}
