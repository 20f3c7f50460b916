//! Who is where and who sends what when: the shape of a run, computed from its settings alone.

use std::ops::Range;

use crate::clock::SECOND;

/// Sessions, guilds and who is a member of what.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Gateway sessions; session `i` belongs to user `i`.
    pub sessions: u32,
    /// Guilds, by index.
    pub guilds: u32,
    /// Guilds that each session is a member of.
    pub guilds_per_session: u32,
}

impl Plan {
    /// The guilds of a session, ascending.
    pub fn guilds_of(&self, session: u32) -> Vec<u32> {
        let first = u64::from(session) * u64::from(self.guilds_per_session);
        let guilds = u64::from(self.guilds);
        let mut of: Vec<u32> = (0..u64::from(self.guilds_per_session))
            .map(|step| ((first + step) % guilds) as u32)
            .collect();
        of.sort_unstable();
        of
    }

    /// The members of each guild, ascending. Sizes differ by one at most.
    pub fn members(&self) -> Vec<Vec<u32>> {
        let mut members = vec![Vec::new(); self.guilds as usize];
        for session in 0..self.sessions {
            for guild in self.guilds_of(session) {
                members[guild as usize].push(session);
            }
        }
        members
    }

    /// The sessions that worker `worker` of `workers` owns: every `workers`th, so that each guild is on all of them.
    pub fn sessions_of(&self, worker: u32, workers: u32) -> impl Iterator<Item = u32> + use<> {
        (worker..self.sessions).step_by(workers as usize)
    }
}

/// One message to be posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Number within the run, from 0.
    pub number: u64,
    /// Index of the guild.
    pub guild: u32,
    /// Number within the guild, from 0.
    pub publish: u32,
    /// Which session's user sends it.
    pub sender: u32,
    /// When it is to be sent, in microseconds of [`crate::clock`].
    pub intended: u64,
}

/// The open-loop schedule: publish `i` is due at `start + i / rate`, whatever happened to those before it.
#[derive(Debug, Clone)]
pub struct Schedule {
    members: Vec<Vec<u32>>,
    /// Messages per second.
    rate: f64,
    start: u64,
    count: u64,
    /// Where the rotation of senders begins.
    offset: u64,
}

impl Schedule {
    /// `count` messages at `rate` per second from `start` on; `members` as of [`Plan::members`], none empty.
    pub fn new(members: Vec<Vec<u32>>, rate: f64, start: u64, count: u64, seed: u64) -> Self {
        assert!(
            members.iter().all(|members| !members.is_empty()),
            "invariant: each guild has a member"
        );
        let offset = fastrand::Rng::with_seed(seed).u64(..1 << 32);
        Self {
            members,
            rate,
            start,
            count,
            offset,
        }
    }

    /// Messages in the run.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether nothing is to be posted.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Messages of each guild.
    pub fn per_guild(&self) -> Vec<u32> {
        let guilds = self.members.len() as u64;
        (0..guilds)
            .map(|guild| ((self.count + guilds - 1 - guild) / guilds) as u32)
            .collect()
    }

    /// Message number `number`, if the run has so many.
    pub fn get(&self, number: u64) -> Option<Planned> {
        if number >= self.count {
            return None;
        }
        let guilds = self.members.len() as u64;
        let guild = number % guilds;
        let publish = number / guilds;
        let members = &self.members[guild as usize];
        let sender = members[((publish + self.offset) % members.len() as u64) as usize];
        Some(Planned {
            number,
            guild: guild as u32,
            publish: publish as u32,
            sender,
            intended: self.start + (number as f64 * SECOND as f64 / self.rate).round() as u64,
        })
    }

    /// The time from the first message of the schedule to the place of the one after the last.
    pub fn span(&self) -> Range<u64> {
        self.start..self.start + (self.count as f64 * SECOND as f64 / self.rate).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sessions_spread_evenly(sessions in 1_u32..200, guilds in 1_u32..20, per in 1_u32..20) {
            let per = per.min(guilds);
            let plan = Plan { sessions, guilds, guilds_per_session: per };
            let members = plan.members();
            let sizes = members.iter().map(Vec::len);
            prop_assert!(sizes.clone().max().unwrap() - sizes.clone().min().unwrap() <= 1);
            prop_assert_eq!(sizes.sum::<usize>(), (sessions * per) as usize);
            for (guild, members) in members.iter().enumerate() {
                for member in members {
                    prop_assert!(plan.guilds_of(*member).contains(&(guild as u32)));
                }
            }
        }

        #[test]
        fn workers_share_the_sessions(sessions in 1_u32..200, workers in 1_u32..9) {
            let plan = Plan { sessions, guilds: 1, guilds_per_session: 1 };
            let mut all: Vec<u32> = (0..workers).flat_map(|worker| plan.sessions_of(worker, workers)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..sessions).collect::<Vec<_>>());
        }

        #[test]
        fn the_schedule_numbers_each_guild_without_gap(count in 0_u64..500, guilds in 1_u32..9, seed: u64) {
            let plan = Plan { sessions: 20, guilds, guilds_per_session: 1 };
            let members = plan.members();
            let schedule = Schedule::new(members.clone(), 100.0, 1_000, count, seed);
            let mut next = vec![0; guilds as usize];
            for number in 0..count {
                let planned = schedule.get(number).unwrap();
                prop_assert_eq!(planned.publish, next[planned.guild as usize]);
                next[planned.guild as usize] += 1;
                prop_assert!(members[planned.guild as usize].contains(&planned.sender));
                prop_assert_eq!(planned.intended, 1_000 + number * 10_000);
            }
            prop_assert_eq!(schedule.per_guild(), next);
            prop_assert_eq!(schedule.get(count), None);
        }
    }
}
