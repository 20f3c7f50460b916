//! How long a hub holds events back so that several go out in one write.
//!
//! Most of what a delivery costs is the system call, so that a further event in a write is nearly free.
//! A hub with little to do writes at once, or after the least pace that is set. The more of its thread's
//! time it would take to write each event by itself, the longer events wait for company, up to the setting;
//! but not longer than until the last one comes that is to be expected in that time; and until the first one
//! does, or not at all where that one is far; and not longer than until there is enough for a connection that
//! another event would not make a byte cheaper. All of it is computed from what arrives and what a write costs
//! here, neither of which the pace changes: it does not swing.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::lane::Flushed;
use super::moments::Length;

/// How often the pace is thought over.
const WINDOW: Duration = Duration::from_millis(100);
/// Share of the thread's time, were each event written by itself, from which on events are held back.
const LOW: f64 = 0.1;
/// The share from which on they are held back as long as the setting allows.
const HIGH: f64 = 1.0;
/// Share of the thread's time that is enough for writes: it is of no use to hold events back any longer
/// than takes the writes down to this.
const ENOUGH: f64 = 0.05;
/// So many events must be expected in that time for it to be made long enough for the first one.
const COMPANY: f64 = 0.3;
/// Part of the events that would fit in a pace for which it is made long enough: for the last ones of many all would wait.
const MOST: f64 = 0.95;
/// How much longer than to the last event that is expected they are held back, in times between two.
const LATE: f64 = 0.1;
/// With as many bytes a write is full: that is two segments of a connection's, of which each is at most 64 KiB, and what is under way to
/// a thousand clients is no more than their sockets take. To wait for another one makes a byte hardly cheaper, but all of them later.
const FULL: f64 = 96.0 * 1024.0;
/// What an event costs in a write that is made anyway, about.
const EVENT_COST: Duration = Duration::from_nanos(200);
/// What a write costs before there is a measurement.
const FIRST_GUESS: f64 = 5_000e-9;
/// Weight of a window against the ones before it.
const NEWEST: f64 = 0.4;

/// The pace of one hub.
#[derive(Debug)]
pub struct Pace {
    bounds: RangeInclusive<Duration>,
    now: Duration,
    /// When the window began, on the hub's clock.
    began: Duration,
    window: Window,
    /// Seconds that a write takes, without its events.
    write_cost: f64,
    /// Events a second.
    rate: f64,
    /// Events a second of one connection among those that are written to.
    rate_of_one: f64,
    /// Bytes a second of that one.
    bytes_of_one: f64,
    /// Connections written to in a window.
    active: f64,
}

/// What happened since the pace was thought over.
#[derive(Debug, Default)]
struct Window {
    flushed: Flushed,
    /// Connections that were written to.
    connections: u64,
    busy: Duration,
}

impl Pace {
    /// Begins with the shortest pace; with an empty range it is always the end of it.
    pub fn new(bounds: RangeInclusive<Duration>) -> Self {
        Self {
            now: *bounds.start().min(bounds.end()),
            bounds,
            began: Duration::ZERO,
            window: Window::default(),
            write_cost: FIRST_GUESS,
            rate: 0.0,
            rate_of_one: 0.0,
            bytes_of_one: 0.0,
            active: 0.0,
        }
    }

    /// How long after its last write a connection is not written to again. Zero: not at all.
    pub const fn get(&self) -> Duration {
        self.now
    }

    /// How long what is held back waits for company.
    pub fn length(&self) -> Length {
        // The least pace is kept whatever is to be expected.
        let is_chosen = self.now > *self.bounds.start() && self.rate_of_one > 0.0;
        Length {
            pace_ms: self.now.as_millis() as u64,
            between_ms: is_chosen.then(|| 1e3 / self.rate_of_one),
        }
    }

    /// When the present window began, on the hub's clock.
    pub const fn window_began(&self) -> Duration {
        self.began
    }

    /// So much was written, and it took so long; to `connections` for the first time in this window.
    pub fn wrote(&mut self, flushed: Flushed, connections: u64, busy: Duration) {
        self.window.flushed += flushed;
        self.window.connections += connections;
        self.window.busy += busy;
    }

    /// Thinks the pace over, if it is time to. `at` is the hub's clock.
    pub fn tick(&mut self, at: Duration) {
        let took = at.saturating_sub(self.began);
        if took < WINDOW {
            return;
        }
        let window = std::mem::take(&mut self.window);
        self.began = at;
        let seconds = took.as_secs_f64();
        // After a pause the past counts for nothing.
        let newest = if took > 5 * WINDOW { 1.0 } else { NEWEST };
        let mix = |before: f64, now: f64| before + (now - before) * newest;
        let rate = window.flushed.events as f64 / seconds;
        self.rate = mix(self.rate, rate);
        let connections = window.connections.max(1) as f64;
        self.rate_of_one = mix(self.rate_of_one, rate / connections);
        let bytes_of_one = window.flushed.bytes as f64 / seconds / connections;
        self.bytes_of_one = mix(self.bytes_of_one, bytes_of_one);
        let active = window.connections as f64 * WINDOW.as_secs_f64() / seconds;
        self.active = mix(self.active, active);
        if window.flushed.writes > 0 {
            let events = EVENT_COST.as_secs_f64() * window.flushed.events as f64;
            let cost = (window.busy.as_secs_f64() - events) / window.flushed.writes as f64;
            // What is far off is not the cost of a write but another process that had the processor.
            let cost = cost.clamp(self.write_cost / 4.0, self.write_cost * 4.0);
            self.write_cost = mix(self.write_cost, cost.clamp(500e-9, 50_000e-9));
        }
        self.now = self.decide();
    }

    fn decide(&self) -> Duration {
        let share = self.rate * self.write_cost;
        let ramp = ((share - LOW) / (HIGH - LOW)).clamp(0.0, 1.0);
        let useful = self.active * self.write_cost / ENOUGH;
        let (shortest, longest) = (*self.bounds.start(), *self.bounds.end());
        let full = FULL / self.bytes_of_one.max(1.0);
        let pace = self
            .until_the_last(longest.as_secs_f64() * ramp)
            .min(useful)
            .min(full);
        let pace = Duration::from_millis((pace * 1e3).round() as u64);
        pace.max(shortest).min(longest)
    }

    /// Until the last event has come of those to be expected in so many seconds after another one.
    fn until_the_last(&self, seconds: f64) -> f64 {
        let company = seconds * self.rate_of_one;
        if company < COMPANY {
            return 0.0;
        }
        ((company * MOST).floor().max(1.0) + LATE) / self.rate_of_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(45);
    const WRITE: Duration = Duration::from_micros(5);
    const EVENT_BYTES: u64 = 200;

    fn flushed(events: u64, writes: u64, event_bytes: u64) -> Flushed {
        Flushed {
            events: events as usize,
            writes: writes as usize,
            bytes: (events * event_bytes) as usize,
            blocked: false,
        }
    }

    /// Runs a hub for a while: every connection is handed so many events a second.
    fn run(pace: &mut Pace, from: Duration, seconds: f64, connections: u64, rate: f64) -> Duration {
        run_sized(pace, from, seconds, connections, (rate, EVENT_BYTES))
    }

    /// The same with events of so many bytes.
    fn run_sized(
        pace: &mut Pace,
        from: Duration,
        seconds: f64,
        connections: u64,
        (rate, bytes): (f64, u64),
    ) -> Duration {
        let end = from + Duration::from_secs_f64(seconds);
        let mut at = from;
        let mut owed = 0.0;
        let mut written_at = Duration::ZERO;
        while at < end {
            let step = pace.get().max(Duration::from_millis(2));
            at += step;
            owed += rate * step.as_secs_f64();
            let events = owed.floor();
            owed -= events;
            if events > 0.0 {
                let is_new = written_at <= pace.window_began();
                written_at = at;
                let batches = if pace.get().is_zero() { events } else { 1.0 };
                let writes = connections * batches as u64;
                let all = connections * events as u64;
                let busy = WRITE * writes as u32 + EVENT_COST * all as u32;
                let flushed = flushed(all, writes, bytes);
                pace.wrote(flushed, if is_new { connections } else { 0 }, busy);
            }
            pace.tick(at);
        }
        at
    }

    #[test]
    fn a_hub_with_little_to_do_writes_at_once() {
        for (connections, rate) in [(1, 10.0), (100, 20.0), (1_000, 10.0), (1_000, 25.0)] {
            let mut pace = Pace::new(Duration::ZERO..=LONGEST);
            run(&mut pace, Duration::ZERO, 5.0, connections, rate);
            assert_eq!(pace.get(), Duration::ZERO, "{connections} at {rate}");
        }
    }

    #[test]
    fn a_hub_that_would_drown_in_writes_holds_events_back_as_long_as_it_may() {
        for rate in [200.0, 400.0, 2_000.0] {
            let mut pace = Pace::new(Duration::ZERO..=LONGEST);
            let longest = LONGEST.mul_f64(0.85)..=LONGEST;
            let at = run(&mut pace, Duration::ZERO, 3.0, 1_000, rate);
            assert!(longest.contains(&pace.get()), "{rate}: {:?}", pace.get());
            // It stays there: what it saves does not make it stop to save.
            let at = run(&mut pace, at, 3.0, 1_000, rate);
            assert!(longest.contains(&pace.get()), "{rate}: {:?}", pace.get());
            run(&mut pace, at, 2.0, 1_000, 5.0);
            assert_eq!(pace.get(), Duration::ZERO);
        }
    }

    #[test]
    fn it_lasts_until_the_last_event_that_is_to_be_expected() {
        for (rate, company) in [(50.0, 1.0), (60.0, 1.0), (100.0, 1.0), (400.0, 17.0)] {
            let mut pace = Pace::new(Duration::ZERO..=LONGEST);
            run(&mut pace, Duration::ZERO, 5.0, 1_000, rate);
            let events = pace.get().as_secs_f64() * rate;
            assert!(
                (company..company + 0.4).contains(&events),
                "{rate}: {events}"
            );
            let between_ms = pace.length().between_ms.unwrap();
            assert!((between_ms * rate / 1e3 - 1.0).abs() < 0.1, "{between_ms}");
        }
    }

    #[test]
    fn in_between_more_wait_together_the_higher_the_rate_is() {
        let rates = [40.0, 60.0, 90.0, 120.0, 150.0, 200.0];
        let paces = rates.map(|rate| {
            let mut pace = Pace::new(Duration::ZERO..=LONGEST);
            run(&mut pace, Duration::ZERO, 5.0, 1_000, rate);
            pace.get()
        });
        let pairs = std::iter::zip(rates, paces);
        let company = pairs.map(|(rate, pace)| (rate * pace.as_secs_f64()).floor());
        assert!(company.is_sorted(), "{paces:?}");
        assert!(
            paces[1] > Duration::ZERO && paces[1] < LONGEST / 2,
            "{paces:?}"
        );
    }

    #[test]
    fn a_write_that_is_full_does_not_wait() {
        for (rate, bytes) in [(3_000.0, 900), (1_000.0, 4_000), (200.0, 15_000)] {
            let mut pace = Pace::new(Duration::ZERO..=LONGEST);
            run_sized(&mut pace, Duration::ZERO, 5.0, 1_000, (rate, bytes));
            let held = pace.get().as_secs_f64() * rate * bytes as f64;
            assert!(
                (0.8 * FULL..=1.1 * FULL).contains(&held),
                "{rate} of {bytes}: {held}"
            );
        }
    }

    #[test]
    fn one_busy_connection_is_not_held_back_for_nothing() {
        let mut pace = Pace::new(Duration::ZERO..=LONGEST);
        run(&mut pace, Duration::ZERO, 5.0, 1, 100_000.0);
        assert!(pace.get() <= Duration::from_millis(1), "{:?}", pace.get());
    }

    #[test]
    fn after_a_pause_it_starts_anew() {
        let mut pace = Pace::new(Duration::ZERO..=LONGEST);
        let at = run(&mut pace, Duration::ZERO, 3.0, 1_000, 400.0);
        pace.wrote(flushed(10, 10, EVENT_BYTES), 10, 10 * WRITE);
        pace.tick(at + Duration::from_secs(60));
        assert_eq!(pace.get(), Duration::ZERO);
    }

    #[test]
    fn it_is_never_shorter_than_is_set() {
        let shortest = Duration::from_millis(20);
        let mut pace = Pace::new(shortest..=LONGEST);
        assert_eq!(pace.get(), shortest);
        let at = run(&mut pace, Duration::ZERO, 3.0, 1_000, 400.0);
        assert!(pace.get() > 2 * shortest, "{:?}", pace.get());
        assert!(pace.length().between_ms.is_some());
        run(&mut pace, at, 3.0, 1, 1.0);
        assert_eq!(pace.get(), shortest);
        assert_eq!(pace.length().between_ms, None, "nor are windows cut short");
        let off = Pace::new(shortest..=Duration::ZERO);
        assert_eq!(off.get(), Duration::ZERO);
    }

    #[test]
    fn a_setting_of_zero_turns_it_off() {
        let mut pace = Pace::new(Duration::ZERO..=Duration::ZERO);
        run(&mut pace, Duration::ZERO, 3.0, 1_000, 400.0);
        assert_eq!(pace.get(), Duration::ZERO);
    }
}
