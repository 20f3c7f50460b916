//! The messages of a run, planned before it begins: each has its time, its room and its sender.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::layout::Plan;
use super::pace::Pace;
use super::zipf::Zipf;
use crate::clock::{self, SECOND};
use crate::scenario::{Arrivals, Scenario};

/// Messages of one user in one room and second, beyond which another one writes: below the server's limit of ten.
const USER_LIMIT: u8 = 7;

/// Senders drawn before they take turns.
const DRAWS: usize = 12;

/// One message to be posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Number within the run, from 0.
    pub number: u64,
    /// Index of the room.
    pub room: u32,
    /// Number within the room, from 0.
    pub publish: u32,
    /// Which user sends it.
    pub sender: u32,
    /// When it is to be sent, in microseconds of [`crate::clock`].
    pub intended: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Microseconds from the start.
    at: u64,
    room: u32,
    publish: u32,
    sender: u32,
}

/// The open-loop schedule: each message is due at its time, whatever happened to those before it.
#[derive(Debug, Clone)]
pub struct Schedule {
    entries: Arc<[Entry]>,
    per_room: Arc<[u32]>,
    start: u64,
    /// Microseconds from the start to the end.
    length: u64,
}

impl Schedule {
    /// The messages of a scenario that was checked, from time 0 on; the same seed makes the same ones.
    pub fn new(scenario: &Scenario, plan: &Plan, seed: u64) -> Self {
        let mut traffic = Traffic::new(scenario, plan, seed);
        let mut per_room = vec![0_u32; plan.rooms.len()];
        let pace = Pace::new(scenario.traffic.rate, &scenario.phases);
        let total = pace.total();
        let mut entries = Vec::with_capacity(total as usize + 16);
        let mut due = 0.0;
        for number in 0_u64.. {
            match scenario.traffic.arrivals {
                Arrivals::Even => due = number as f64,
                Arrivals::Poisson => due -= (1.0 - traffic.random.f64()).ln(),
            }
            // Rounded, so that a rate times a time that is a whole number gives that number.
            if due + 1e-9 >= total.floor() {
                break;
            }
            let seconds = pace.when(due);
            let room = traffic.room(number, seconds);
            let publish = &mut per_room[room as usize];
            let sender = traffic.sender(room, *publish, seconds);
            entries.push(Entry {
                at: (seconds * SECOND as f64).round() as u64,
                room,
                publish: *publish,
                sender,
            });
            *publish += 1;
        }
        Self {
            entries: entries.into(),
            per_room: per_room.into(),
            start: 0,
            length: clock::from_seconds(scenario.phases.total()),
        }
    }

    /// The same from this time on.
    #[must_use]
    pub fn starting(&self, start: u64) -> Self {
        Self {
            start,
            ..self.clone()
        }
    }

    /// Messages in the run.
    pub fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Whether nothing is to be posted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Messages of each room.
    pub fn per_room(&self) -> &[u32] {
        &self.per_room
    }

    /// Message number `number`, if the run has so many.
    pub fn get(&self, number: u64) -> Option<Planned> {
        let entry = self.entries.get(usize::try_from(number).ok()?)?;
        Some(Planned {
            number,
            room: entry.room,
            publish: entry.publish,
            sender: entry.sender,
            intended: self.start + entry.at,
        })
    }

    /// The whole time that it covers.
    pub fn span(&self) -> Range<u64> {
        self.start..self.start + self.length
    }
}

/// Draws rooms and senders.
struct Traffic<'a> {
    scenario: &'a Scenario,
    plan: &'a Plan,
    random: fastrand::Rng,
    guilds: Zipf,
    /// By room.
    senders: Vec<Zipf>,
    /// Where the turns of senders begin.
    offset: u64,
    /// By guild, its first room.
    first: Vec<u32>,
    /// Messages of a user in a room in the current second.
    lately: HashMap<(u32, u32), u8>,
    second: u64,
}

impl<'a> Traffic<'a> {
    fn new(scenario: &'a Scenario, plan: &'a Plan, seed: u64) -> Self {
        let traffic = &scenario.traffic;
        let mut random = fastrand::Rng::with_seed(seed);
        let rooms = plan.rooms.iter();
        let mut first = vec![0; plan.members.len()];
        for (index, room) in (0..).zip(&plan.rooms) {
            if !room.is_private {
                first[room.guild as usize] = index;
            }
        }
        Self {
            scenario,
            plan,
            offset: random.u64(..1 << 32),
            random,
            guilds: Zipf::new(plan.members.len(), traffic.guild_skew),
            senders: rooms
                .map(|room| Zipf::new(room.senders.len(), traffic.sender_skew))
                .collect(),
            first,
            lately: HashMap::new(),
            second: 0,
        }
    }

    fn room(&mut self, number: u64, seconds: f64) -> u32 {
        let guild = self.guild(number, seconds);
        let first = self.first[guild];
        let private = first as usize + 1;
        let has_private = self
            .plan
            .rooms
            .get(private)
            .is_some_and(|room| room.guild as usize == guild);
        let share = self.scenario.guilds.private.as_ref();
        match share {
            Some(share) if has_private && self.random.f64() < share.traffic => first + 1,
            _ => first,
        }
    }

    fn guild(&mut self, number: u64, seconds: f64) -> usize {
        let count = self.plan.members.len();
        if let Some(share) = self.hot_share(seconds) {
            if self.random.f64() < share {
                return 0;
            }
            return 1 + self.guilds.pick(&mut self.random) % (count - 1);
        }
        if self.scenario.traffic.guild_skew == 0.0 {
            (number % count as u64) as usize
        } else {
            self.guilds.pick(&mut self.random)
        }
    }

    /// The hot guild's share of the messages: up to the middle of the steady phase, and down again.
    fn hot_share(&self, seconds: f64) -> Option<f64> {
        let hot = self.scenario.hot.as_ref()?;
        let phases = &self.scenario.phases;
        let steady = (seconds - phases.ramp_up - phases.warm_up) / phases.steady;
        let swollen = 1.0 - (2.0 * steady.clamp(0.0, 1.0) - 1.0).abs();
        Some(hot.from + (hot.to - hot.from) * swollen)
    }

    fn sender(&mut self, room: u32, publish: u32, seconds: f64) -> u32 {
        let senders = &self.plan.rooms[room as usize].senders;
        let turn = ((u64::from(publish) + self.offset) % senders.len() as u64) as usize;
        if self.scenario.traffic.sender_skew == 0.0 {
            return senders[turn];
        }
        let second = seconds as u64;
        if second != self.second {
            self.second = second;
            self.lately.clear();
        }
        // One who has written much lately lets another one write.
        for _ in 0..DRAWS {
            let sender = senders[self.senders[room as usize].pick(&mut self.random)];
            let count = self.lately.entry((room, sender)).or_default();
            if *count < USER_LIMIT {
                *count += 1;
                return sender;
            }
        }
        senders[turn]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Guilds, Hot, Phases};

    fn schedule(scenario: &Scenario, seed: u64) -> Vec<Planned> {
        scenario.check().unwrap();
        let plan = Plan::new(scenario, seed);
        let schedule = Schedule::new(scenario, &plan, seed).starting(1_000_000);
        let all: Vec<Planned> = (0..schedule.len())
            .map(|number| schedule.get(number).unwrap())
            .collect();
        assert!(schedule.get(schedule.len()).is_none());
        for (room, count) in (0..).zip(schedule.per_room()) {
            let of_room = all.iter().filter(|planned| planned.room == room);
            assert!(of_room.map(|planned| planned.publish).eq(0..*count));
        }
        assert!(all.is_sorted_by_key(|planned| planned.intended));
        let span = schedule.span();
        assert!(all.iter().all(|planned| span.contains(&planned.intended)));
        for planned in &all {
            let senders = &plan.rooms[planned.room as usize].senders;
            assert!(senders.contains(&planned.sender));
        }
        all
    }

    #[test]
    fn even_messages_come_at_their_rate_in_turns() {
        let mut scenario = Scenario::plain();
        scenario.sessions = 12;
        scenario.guilds.count = 3;
        scenario.traffic.rate = 150.0;
        scenario.phases = Phases {
            warm_up: 0.2,
            steady: 1.0,
            ..Phases::default()
        };
        let all = schedule(&scenario, 7);
        assert_eq!(all.len(), 180);
        assert_eq!(all[0].intended, 1_000_000);
        assert_eq!(all[150].intended, 2_000_000);
        assert!(
            all.iter()
                .zip(0..)
                .all(|(planned, number)| planned.room == number % 3)
        );
        assert_eq!(all, schedule(&scenario, 7));
        assert_ne!(all, schedule(&scenario, 8));
    }

    #[test]
    fn a_hot_guild_swells_and_shrinks() {
        let mut scenario = Scenario::load("hot-guild").unwrap();
        scenario.traffic.rate = 1_000.0;
        let all = schedule(&scenario, 3);
        let share = |from: f64, to: f64| {
            let within = |planned: &&Planned| {
                let at = planned.intended as f64 / 1e6 - 1.0 - 3.0;
                (from..to).contains(&at)
            };
            let all: Vec<_> = all.iter().filter(within).collect();
            all.iter().filter(|planned| planned.room == 0).count() as f64 / all.len() as f64
        };
        assert!(share(0.0, 0.5) < 0.06);
        assert!(share(9.5, 10.5) > 0.7);
        assert!(share(19.5, 20.0) < 0.06);
        assert_eq!(
            scenario.hot,
            Some(Hot {
                from: 0.01,
                to: 0.8
            })
        );
    }

    #[test]
    fn nobody_writes_faster_than_the_server_allows_while_others_could() {
        let mut scenario = Scenario::load("chat").unwrap();
        scenario.guilds = Guilds {
            count: 1,
            per_session: 1,
            ..scenario.guilds
        };
        scenario.traffic.rate = 100.0;
        let all = schedule(&scenario, 3);
        let mut counts = HashMap::new();
        for planned in &all {
            let second = (planned.intended - 1_000_000) / SECOND;
            *counts
                .entry((planned.room, planned.sender, second))
                .or_insert(0) += 1;
        }
        let most = counts.values().max().unwrap();
        assert!(*most <= i32::from(USER_LIMIT) + 1, "{most}");
        // Some do write much more than others.
        let of_one = |sender| {
            all.iter()
                .filter(|planned| planned.sender == sender)
                .count()
        };
        assert!(of_one(0) > 20 * of_one(250).max(1) / 2);
    }
}
