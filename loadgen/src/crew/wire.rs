//! What coordinator and workers say to each other, line by line.

use std::io::{BufRead, Read as _, Write};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::check::Checker;
use crate::client::fleet::{Charge, Finished, Gauges};
use crate::client::storm::Storm;
use crate::client::tally::{Counters, histogram};
use crate::shared::Times;

/// Longest line in bytes: a checker of millions of messages.
pub const LONGEST: u64 = 1 << 30;

/// From the coordinator to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// The first line: what the worker's sessions are.
    Take(Box<Charge>),
    /// When messages begin and what is measured.
    Times(Times),
    /// All connections break.
    Storm(Storm),
    /// The end: close, and say what was observed.
    Stop,
}

/// From a worker to the coordinator.
#[derive(Debug, Serialize, Deserialize)]
pub enum Word {
    /// What its threads show, in order.
    Shown(Vec<Shown>),
    /// The times are known.
    Informed,
    /// What is left of a thread, in order; after the last one the worker ends.
    Finished(Box<Left>),
}

/// What one thread shows: its gauges, and what came since the line before.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Shown {
    thread: u32,
    ready: u32,
    detached: u32,
    lost: u32,
    delivered: u64,
    reads: u64,
    violations: u64,
    error: Option<String>,
    latency: Bars,
    /// Rooms that had deliveries, and how many.
    rooms: Vec<(u32, u32)>,
}

impl Shown {
    /// What these gauges show; takes what came lately out of them.
    pub fn take(gauges: &Gauges) -> Self {
        let mut lately = gauges.lately.lock().unwrap_or_else(PoisonError::into_inner);
        let error = gauges.last_error.lock();
        let rooms = (0..).zip(&mut lately.per_room);
        let rooms = rooms
            .map(|(room, count)| (room, std::mem::take(count)))
            .filter(|(_, count)| *count > 0);
        let rooms = rooms.collect();
        let latency = Bars::of(&lately.latency);
        lately.latency.reset();
        Self {
            thread: gauges.thread.load(Ordering::Relaxed),
            ready: gauges.ready.load(Ordering::Relaxed),
            detached: gauges.detached.load(Ordering::Relaxed),
            lost: gauges.lost.load(Ordering::Relaxed),
            delivered: gauges.delivered.load(Ordering::Relaxed),
            reads: gauges.reads.load(Ordering::Relaxed),
            violations: gauges.violations.load(Ordering::Relaxed),
            error: error.ok().and_then(|error| error.clone()),
            latency,
            rooms,
        }
    }

    /// Makes these gauges show the same.
    pub fn put(self, gauges: &Gauges) {
        let mut lately = gauges.lately.lock().unwrap_or_else(PoisonError::into_inner);
        self.latency.add_to(&mut lately.latency);
        for (room, count) in self.rooms {
            if let Some(place) = lately.per_room.get_mut(room as usize) {
                *place += count;
            }
        }
        gauges.thread.store(self.thread, Ordering::Relaxed);
        gauges.ready.store(self.ready, Ordering::Relaxed);
        gauges.detached.store(self.detached, Ordering::Relaxed);
        gauges.lost.store(self.lost, Ordering::Relaxed);
        gauges.delivered.store(self.delivered, Ordering::Relaxed);
        gauges.reads.store(self.reads, Ordering::Relaxed);
        gauges.violations.store(self.violations, Ordering::Relaxed);
        if let Ok(mut error) = gauges.last_error.lock() {
            *error = self.error;
        }
    }
}

/// What is left of a thread.
#[derive(Debug, Serialize, Deserialize)]
pub struct Left {
    checker: Checker,
    latency: Bars,
    naive: Bars,
    lag: Bars,
    counters: Counters,
}

impl From<Finished> for Left {
    fn from(finished: Finished) -> Self {
        Self {
            latency: Bars::of(&finished.latency),
            naive: Bars::of(&finished.naive),
            lag: Bars::of(&finished.lag),
            checker: finished.checker,
            counters: finished.counters,
        }
    }
}

impl From<Left> for Finished {
    fn from(left: Left) -> Self {
        Self {
            latency: left.latency.histogram(),
            naive: left.naive.histogram(),
            lag: left.lag.histogram(),
            checker: left.checker,
            counters: left.counters,
        }
    }
}

/// The buckets of a histogram that are not empty, each with a value of it and its count. Exact: the value falls into the
/// same bucket again.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Bars(Vec<(u64, u64)>);

impl Bars {
    fn of(histogram: &Histogram<u64>) -> Self {
        let bars = histogram.iter_recorded();
        Self(
            bars.map(|bar| (bar.value_iterated_to(), bar.count_at_value()))
                .collect(),
        )
    }

    fn add_to(&self, histogram: &mut Histogram<u64>) {
        for (value, count) in &self.0 {
            histogram.saturating_record_n(*value, *count);
        }
    }

    fn histogram(&self) -> Histogram<u64> {
        let mut histogram = histogram();
        self.add_to(&mut histogram);
        histogram
    }
}

/// Writes one line, at once.
pub fn write(to: &mut impl Write, what: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// Reads one line; `None` at the end.
pub fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> Result<Option<T>> {
    let mut line = Vec::new();
    from.take(LONGEST).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    ensure!(
        line.ends_with(b"\n"),
        "a line that ends early, or is longer than {LONGEST} bytes"
    );
    let parsed = serde_json::from_slice(&line);
    parsed
        .with_context(|| {
            let start = String::from_utf8_lossy(&line[..line.len().min(100)]);
            format!("a line that makes no sense: {start}")
        })
        .map(Some)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;
    use crate::check::{Observation, Outcome, finish};

    proptest! {
        #[test]
        fn a_histogram_is_the_same_on_the_other_side(values in prop::collection::vec(0_u64..700_000_000, 0..300)) {
            let mut before = histogram();
            for value in &values {
                before.saturating_record(*value);
            }
            let after = Bars::of(&before).histogram();
            prop_assert_eq!(&before, &after);
            prop_assert_eq!(before.max(), after.max());
            prop_assert!((before.mean() - after.mean()).abs() < 1e-9);
        }

        #[test]
        fn a_checker_judges_the_same_on_the_other_side(
            seen in prop::collection::vec((0_u32..3, 0_u32..200), 0..400),
            covered in 0_u64..300,
        ) {
            let rooms = || (0..3).map(|session| (session, vec![0, 1]));
            let mut checker = Checker::new(rooms(), vec![200, 200]);
            for session in 0..3 {
                checker.observe(Observation::Identified { session });
                checker.observe(Observation::Snapshot { session, room: 0, last_message: Some(5), sent_by: covered });
            }
            for (session, publish) in seen {
                checker.observe(Observation::Message { session, room: 0, publish, id: u64::from(publish) * 3 + 1 });
            }
            let outcomes = [(0..200).map(|publish| Outcome::Acked(publish * 3 + 1)).collect(), vec![Outcome::Unsent; 200]];
            let sent = [(1..201).collect(), vec![u64::MAX; 200]];
            let text = serde_json::to_vec(&checker).unwrap();
            let again: Checker = serde_json::from_slice(&text).unwrap();
            let (here, there) = (finish(&[checker], &outcomes, &sent), finish(&[again], &outcomes, &sent));
            prop_assert_eq!(here.delivered, there.delivered);
            prop_assert_eq!(here.violations.first(), there.violations.first());
            prop_assert_eq!(here.violations.total(), there.violations.total());
        }
    }

    #[test]
    fn gauges_show_the_same_and_deliveries_are_told_once() {
        let (here, there) = (Gauges::new(3), Gauges::new(3));
        here.delivered.store(7, Ordering::Relaxed);
        {
            let mut lately = here.lately.lock().unwrap();
            lately.per_room[2] = 7;
            lately.latency.record_n(1_500, 7).unwrap();
        }
        for _ in 0..2 {
            let mut line = Vec::new();
            write(&mut line, &Word::Shown(vec![Shown::take(&here)])).unwrap();
            let word: Word = read(&mut BufReader::new(&line[..])).unwrap().unwrap();
            let Word::Shown(shown) = word else {
                panic!("{word:?}");
            };
            for shown in shown {
                shown.put(&there);
            }
        }
        assert_eq!(there.delivered.load(Ordering::Relaxed), 7);
        let lately = there.lately.lock().unwrap();
        assert_eq!(lately.per_room, [0, 0, 7]);
        assert_eq!(lately.latency.len(), 7);
    }

    #[test]
    fn half_a_line_is_an_error_and_the_end_is_none() {
        assert!(read::<Order>(&mut &b""[..]).unwrap().is_none());
        assert!(read::<Order>(&mut &b"\"Stop\""[..]).is_err());
        assert!(matches!(
            read::<Order>(&mut &b"\"Stop\"\n"[..]).unwrap(),
            Some(Order::Stop)
        ));
        assert!(read::<Order>(&mut &b"\"Go\"\n"[..]).is_err());
    }
}
