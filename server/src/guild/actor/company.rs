//! Appends that wait for company.
//!
//! An append is a commit of the store, or a message to a cluster's log, and what follows it wakes the hubs once. Where a
//! guild's records come so fast that each finds the last append just ended, but not so fast that several gather behind it, most
//! of what a message costs before it is delivered is paid for each one. Such a guild's appends begin [`APART`] from each other.
//!
//! Whoever sends a message only when the last one is acknowledged would just be slower for it. So it is looked at what comes
//! of it: where fewer records come than before, or none in addition, appends do not wait any more, and it is tried again later
//! and later.

use std::time::{Duration, Instant};

use actix::{AsyncContext, Context};

use super::GuildActor;
use crate::clock;

/// From the beginning of an append to that of the next one.
const APART: Duration = Duration::from_millis(4);
/// It is thought over after so many appends.
const LOOK_AFTER: u32 = 32;
/// Time in which they must have come for others to wait: there would be fewer of them by a quarter at least.
const OFTEN: Duration = Duration::from_millis(96);
/// With as many records in each, they have company enough.
const FEW: u64 = 4;
/// Records that two appends must bring for it to be worth the wait.
const WORTH: u64 = 3;
/// Share of the records a second that there were before; with less, their senders wait for the appends.
const LESS: f64 = 0.75;
/// After so many appends already it is enough that there are less than half.
const EARLY: u32 = 8;
const HALF: f64 = 0.5;
/// Time until it is tried again; twice as long each time, up to [`LATEST`].
const AGAIN: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(64);

/// Whether a guild's appends wait, and what came of it.
#[derive(Debug)]
pub(super) struct Company {
    /// While appends wait: the records a second before they did.
    before: Option<f64>,
    /// When the last append began.
    last: Option<Instant>,
    /// When the timer goes off that is set.
    timer: Option<Instant>,
    /// What is looked at began with this append.
    since: Option<Instant>,
    appends: u32,
    records: u64,
    /// Not tried before this.
    not_before: Option<Instant>,
    /// How long it is not tried when it was no use.
    pause: Duration,
}

impl Default for Company {
    fn default() -> Self {
        Self::new()
    }
}

impl Company {
    pub(super) const fn new() -> Self {
        Self {
            before: None,
            last: None,
            timer: None,
            since: None,
            appends: 0,
            records: 0,
            not_before: None,
            pause: AGAIN,
        }
    }

    /// Whether an append waits for its time.
    pub(super) fn is_waiting(&self) -> bool {
        self.timer.is_some()
    }

    /// When the next append may begin; `None` for at once.
    fn waits_until(&self, now: Instant) -> Option<Instant> {
        let until = self.last.filter(|_| self.before.is_some())? + APART;
        (until > now).then_some(until)
    }

    /// Notes that an append began.
    fn began(&mut self, now: Instant, records: usize) {
        self.last = Some(now);
        let Some(since) = self.since else {
            self.since = Some(now);
            return;
        };
        self.appends += 1;
        self.records += records as u64;
        let took = now.saturating_duration_since(since).as_secs_f64();
        let rate = self.records as f64 / took.max(1e-6);
        let is_below = |share| self.before.is_some_and(|before| rate < share * before);
        let is_lost = self.appends == EARLY && is_below(HALF);
        if self.appends < LOOK_AFTER && !is_lost {
            return;
        }
        let is_no_use = is_lost || is_below(LESS);
        let (appends, records) = (u64::from(self.appends), self.records);
        (self.since, self.appends, self.records) = (Some(now), 0, 0);
        if self.before.is_some() {
            if is_no_use || 2 * records < WORTH * appends {
                self.before = None;
                self.not_before = Some(now + self.pause);
                self.pause = LATEST.min(2 * self.pause);
            } else {
                self.pause = AGAIN;
            }
        } else if took < OFTEN.as_secs_f64()
            && records < FEW * appends
            && self.not_before.is_none_or(|time| time <= now)
        {
            self.before = Some(rate);
        }
    }
}

impl GuildActor {
    /// Begins the next append, now or when it may.
    pub(super) fn append_next(&mut self, ctx: &mut Context<Self>) {
        if !self.core.has_batch() {
            return;
        }
        let now = clock::now();
        let is_staying = self.appends.claiming.is_none() && !self.is_departing();
        let company = &mut self.appends.company;
        if is_staying && let Some(until) = company.waits_until(now) {
            if company.timer.is_none() {
                company.timer = Some(until);
                ctx.run_later(until - now, Self::waited);
            }
            return;
        }
        let Some(batch) = self.core.next_batch() else {
            return;
        };
        company.began(now, batch.records.len());
        self.append(batch, now, ctx);
    }

    fn waited(&mut self, ctx: &mut Context<Self>) {
        // Whoever has the guild by now, or has begun anew with it, has forgotten the timer.
        if let Some(appends) = self.appends.made()
            && appends
                .company
                .timer
                .take_if(|until| *until <= clock::now())
                .is_some()
        {
            self.advance(ctx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: Duration = Duration::from_micros(400);
    const STEP: Duration = Duration::from_micros(100);

    /// A guild whose appends take [`COMMIT`], on a clock of its own.
    struct Guild {
        company: Company,
        now: Instant,
        pending: usize,
        ends: Option<Instant>,
        appends: u32,
        acknowledged: usize,
        in_flight: usize,
        longest_wait: Duration,
        oldest: Option<Instant>,
    }

    impl Guild {
        fn new() -> Self {
            Self {
                company: Company::default(),
                now: clock::now(),
                pending: 0,
                ends: None,
                appends: 0,
                acknowledged: 0,
                in_flight: 0,
                longest_wait: Duration::ZERO,
                oldest: None,
            }
        }

        fn send(&mut self, count: usize) {
            self.pending += count;
            self.oldest.get_or_insert(self.now);
        }

        /// Goes on by [`STEP`]; answers how many records were acknowledged in it.
        fn step(&mut self) -> usize {
            self.now += STEP;
            let mut done = 0;
            if self.ends.is_some_and(|ends| ends <= self.now) {
                self.ends = None;
                done = std::mem::take(&mut self.in_flight);
                self.acknowledged += done;
            }
            let may = self.company.waits_until(self.now).is_none();
            if self.ends.is_none() && self.pending > 0 && may {
                self.company.began(self.now, self.pending);
                self.appends += 1;
                self.in_flight = std::mem::take(&mut self.pending);
                self.ends = Some(self.now + COMMIT);
                let waited = self.now - self.oldest.take().unwrap_or(self.now);
                self.longest_wait = self.longest_wait.max(waited);
            }
            done
        }
    }

    /// So many messages a second, whatever becomes of them, for ten seconds.
    fn steady(rate: usize) -> Guild {
        let mut guild = Guild::new();
        let mut sent = 0;
        for step in 0..100_000 {
            let due = step * rate / 10_000;
            if due > sent {
                guild.send(due - sent);
                sent = due;
            }
            guild.step();
        }
        guild
    }

    #[test]
    fn what_comes_often_comes_together() {
        for rate in [400, 1_000, 2_000, 5_000] {
            let guild = steady(rate);
            assert!(guild.acknowledged >= 10 * rate - 50);
            assert!(guild.appends < 2_700, "{rate}: {}", guild.appends);
            assert!(
                guild.longest_wait <= APART + STEP,
                "{rate}: {:?}",
                guild.longest_wait
            );
        }
    }

    #[test]
    fn what_comes_seldom_does_not_wait() {
        for rate in [1, 50, 200, 250] {
            let guild = steady(rate);
            assert!(guild.appends as usize >= 10 * rate - 1);
            assert!(guild.longest_wait <= STEP, "{rate}");
        }
    }

    #[test]
    fn many_that_gather_by_themselves_do_not_wait() {
        let guild = steady(50_000);
        assert!(guild.company.before.is_none());
        assert!(guild.longest_wait <= COMMIT + STEP);
    }

    /// Senders that each wait for their last message lose next to nothing by it.
    #[test]
    fn senders_in_step_are_not_held_up() {
        for senders in [1, 2, 3] {
            let mut guild = Guild::new();
            guild.send(senders);
            for _ in 0..600_000 {
                let done = guild.step();
                if done > 0 {
                    guild.send(done);
                }
            }
            let alone = 60_000_000 / (COMMIT + STEP).as_micros() as usize * senders;
            assert!(
                guild.acknowledged > alone * 98 / 100,
                "{senders}: {}",
                guild.acknowledged
            );
        }
    }
}
