//! A node on paper: guilds that want so much time, threads that have so much, and a clock moved by hand.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::rebalance::MIN_PIECE;
use super::{
    BalanceSettings, Balancer, Decision, MAX_AT_ONCE, MAX_PER_MINUTE, Smooth, Tenant, Thread,
};

const SECOND: Duration = Duration::from_secs(1);
const HALF_LIFE: Duration = Duration::from_secs(2);
/// From this share on a thread makes its guilds wait.
const CROWDED: f64 = 0.7;

/// A guild.
#[derive(Debug, Clone)]
pub(super) struct Guild {
    pub(super) thread: usize,
    /// The share of a thread that it would take if it had one.
    pub(super) wants: f64,
    pub(super) by_hand: bool,
    share: Smooth,
}

/// The node. What a decision must never do panics.
pub(super) struct Node {
    pub(super) settings: BalanceSettings,
    balancer: Balancer,
    shared: usize,
    pub(super) stuck: Vec<usize>,
    pub(super) guilds: Vec<Guild>,
    pub(super) now: Duration,
    /// Every decision with its time.
    pub(super) history: Vec<(Duration, Decision)>,
    last_move: BTreeMap<u64, Duration>,
    minute: VecDeque<Duration>,
    /// Every so many moves one fails.
    pub(super) fails_every: Option<usize>,
}

impl Node {
    pub(super) fn new(settings: BalanceSettings, shared: usize, wants: &[(usize, f64)]) -> Self {
        let guild = |&(thread, wants): &(usize, f64)| Guild {
            thread: thread % shared,
            wants,
            by_hand: false,
            share: Smooth::default(),
        };
        Self {
            balancer: Balancer::new(settings.clone()),
            settings,
            shared,
            stuck: Vec::new(),
            guilds: wants.iter().map(guild).collect(),
            now: Duration::from_secs(1_000),
            history: Vec::new(),
            last_move: BTreeMap::new(),
            minute: VecDeque::new(),
            fails_every: None,
        }
    }

    fn ids(&self) -> Vec<usize> {
        let own = self.guilds.iter().map(|it| it.thread);
        let mut ids: Vec<usize> = (0..self.shared)
            .chain(own.filter(|&id| id >= self.shared))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn share_of(&self, thread: usize) -> f64 {
        let here = self.guilds.iter().filter(|it| it.thread == thread);
        here.map(|it| it.share.get()).sum()
    }

    /// A second goes by, in which each guild wants what it wants times `noise`.
    pub(super) fn second(&mut self, mut noise: impl FnMut(usize) -> f64) -> usize {
        self.now += SECOND;
        let wants: Vec<f64> = (0..self.guilds.len())
            .map(|i| self.guilds[i].wants * noise(i))
            .collect();
        for id in self.ids() {
            let here = |(guild, _): &(&mut Guild, &f64)| guild.thread == id;
            let pairs = self.guilds.iter_mut().zip(&wants);
            let total: f64 = pairs.filter(here).map(|(_, wants)| wants).sum();
            for (guild, wants) in self.guilds.iter_mut().zip(&wants).filter(here) {
                let got = wants / total.max(1.0);
                guild.share.add(got, SECOND, HALF_LIFE);
            }
        }
        let (threads, tenants) = self.input();
        let decisions = self.balancer.decide(self.now, &threads, &tenants);
        assert!(decisions.len() <= MAX_AT_ONCE + self.guilds.len().min(MAX_PER_MINUTE));
        for decision in &decisions {
            self.check_and_do(decision);
        }
        decisions.len()
    }

    pub(super) fn input(&self) -> (Vec<Thread>, Vec<Tenant>) {
        let thread = |id: usize| {
            let share = self.share_of(id);
            Thread {
                id,
                dedicated: id >= self.shared,
                stuck: self.stuck.contains(&id),
                share,
                delay: Duration::from_millis(if share < CROWDED { 1 } else { 20 }),
                guilds: self.guilds.iter().filter(|it| it.thread == id).count(),
            }
        };
        let tenant = |(i, guild): (usize, &Guild)| Tenant {
            guild: i as u64,
            thread: guild.thread,
            share: guild.share.get(),
            delay: Duration::ZERO,
            fixed: guild.by_hand,
        };
        let tenants = self.guilds.iter().enumerate().map(tenant).collect();
        (self.ids().into_iter().map(thread).collect(), tenants)
    }

    fn check_and_do(&mut self, decision: &Decision) {
        let id = decision.guild();
        let guild = &self.guilds[id as usize];
        assert!(
            !guild.by_hand,
            "what was placed by hand stays: {decision:?}"
        );
        let last = self.last_move.insert(id, self.now);
        let since = last.map(|last| self.now.saturating_sub(last));
        let settled = since.is_none_or(|since| since >= self.settings.settle);
        assert!(settled, "moved again after {since:?}: {decision:?}");
        self.minute.push_back(self.now);
        while self
            .minute
            .front()
            .is_some_and(|at| self.now.saturating_sub(*at) >= 60 * SECOND)
        {
            self.minute.pop_front();
        }
        assert!(self.minute.len() <= MAX_PER_MINUTE, "too many moves");
        let (from, to) = match *decision {
            Decision::Rebalance { from, to, .. } => {
                assert!(from < self.shared && to < self.shared, "{decision:?}");
                (from, to)
            }
            Decision::Promote { from, .. } => {
                assert!(from < self.shared, "{decision:?}");
                let taken = self.ids().into_iter().chain(self.stuck.iter().copied());
                (from, taken.max().map_or(0, |last| last + 1))
            }
            Decision::Demote { from, to, .. } => {
                assert!(from >= self.shared && to < self.shared, "{decision:?}");
                (from, to)
            }
        };
        assert_eq!(from, guild.thread, "{decision:?}");
        assert_ne!(from, to, "{decision:?}");
        for thread in [from, to] {
            assert!(!self.stuck.contains(&thread), "stuck: {decision:?}");
        }
        self.history.push((self.now, *decision));
        let fails = self
            .fails_every
            .is_some_and(|every| self.history.len().is_multiple_of(every));
        if !fails {
            self.guilds[id as usize].thread = to;
        }
        let own = self.ids().len() - self.shared;
        assert!(own <= self.settings.max_dedicated, "{own} dedicated");
    }

    /// Decisions after a moment.
    pub(super) fn after(&self, moment: Duration) -> usize {
        self.history.iter().filter(|(at, _)| *at > moment).count()
    }

    /// The shortest time after which a guild came back to a thread that it had left.
    pub(super) fn soonest_return(&self) -> Option<Duration> {
        let mut left = BTreeMap::new();
        let mut soonest = None;
        for (at, decision) in &self.history {
            let (from, to) = match *decision {
                Decision::Rebalance { from, to, .. } | Decision::Demote { from, to, .. } => {
                    (from, Some(to))
                }
                Decision::Promote { from, .. } => (from, None),
            };
            let guild = decision.guild();
            if let Some(away) = to.and_then(|to| left.get(&(guild, to))) {
                let away = at.saturating_sub(*away);
                soonest = Some(soonest.map_or(away, |soonest: Duration| soonest.min(away)));
            }
            left.insert((guild, from), *at);
        }
        soonest
    }

    /// Whether shared threads are as even as moves of single guilds can make them.
    pub(super) fn is_even(&self) -> bool {
        let shares: Vec<f64> = (0..self.shared).map(|id| self.share_of(id)).collect();
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        let low = shares.iter().copied().fold(f64::INFINITY, f64::min);
        (0..self.shared).all(|id| {
            let share = shares[id];
            let within = share <= 1.5 * mean || low >= 0.5 * mean;
            let improves = |it: &&Guild| {
                let piece = it.share.get();
                it.thread == id && piece >= MIN_PIECE && piece <= (share - low) / 2.0
            };
            within || share < self.settings.min_share || !self.guilds.iter().any(|it| improves(&it))
        })
    }
}
