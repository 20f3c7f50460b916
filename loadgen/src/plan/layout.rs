//! Who is a member of what, who may see which channel, and what each session is like.

use super::client::{ALL_INTENTS, Client, NO_MESSAGES};
use super::zipf::Zipf;
use crate::scenario::Scenario;

/// Most members that may see a private channel beside the owner: each is an entry in its overwrites.
const MAX_INSIDERS: usize = 50;

/// A channel that the run posts in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Index of its guild.
    pub guild: u32,
    /// Whether not every member may see it.
    pub is_private: bool,
    /// Users who may see it, ascending.
    pub seen_by: Vec<u32>,
    /// Those of them who stay for the whole run.
    pub senders: Vec<u32>,
}

/// Users, guilds, rooms and sessions of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many users.
    pub users: u32,
    /// Members of each guild, ascending; the first one owns it.
    pub members: Vec<Vec<u32>>,
    /// Of each guild the members that come and go.
    pub visitors: Vec<Vec<u32>>,
    /// In the order of their guilds; the public room of a guild comes first.
    pub rooms: Vec<Room>,
    /// What each session is like.
    pub sessions: Vec<Client>,
    /// Guilds of each user, ascending.
    guilds_of: Vec<Vec<u32>>,
}

impl Plan {
    /// The plan of a scenario that was checked; the same seed makes the same one.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ 0x006c_6179_6f75_7400);
        let users = scenario.sessions;
        let guilds_of = memberships(scenario, &mut random);
        let mut members = vec![Vec::new(); scenario.guilds.count as usize];
        for (user, guilds) in (0..).zip(&guilds_of) {
            for guild in guilds {
                members[*guild as usize].push(user);
            }
        }
        let churns = scenario
            .churn
            .as_ref()
            .is_some_and(|churn| churn.leaves > 0.0);
        let visitors: Vec<Vec<u32>> = members
            .iter()
            .map(|members| {
                // The last quarter; never the owner, and somebody stays to write.
                let stay = members.len() - members.len() / 4;
                if churns {
                    members[stay..].to_vec()
                } else {
                    Vec::new()
                }
            })
            .collect();
        Self {
            users,
            rooms: rooms(scenario, &members, &visitors, &mut random),
            members,
            visitors,
            sessions: sessions(scenario, &mut random),
            guilds_of,
        }
    }

    /// Whether some sessions need not see all messages of their rooms: they leave for a while, or read too slowly.
    pub fn has_absences(&self) -> bool {
        self.visitors.iter().any(|visitors| !visitors.is_empty())
            || self
                .sessions
                .iter()
                .any(|client| client.bytes_per_second.is_some())
    }

    /// The guild of each room.
    pub fn guild_of(&self) -> Vec<u32> {
        self.rooms.iter().map(|room| room.guild).collect()
    }

    /// The guilds of a session, ascending, when `ids` are their snowflakes.
    pub fn guilds_of(&self, session: u32, ids: &[u64]) -> Vec<u32> {
        let client = &self.sessions[session as usize];
        let guilds = self.guilds_of[client.user as usize].iter().copied();
        guilds
            .filter(|guild| client.has(ids[*guild as usize]))
            .collect()
    }

    /// The rooms that a session must see, ascending, when `ids` are the guilds' snowflakes.
    pub fn rooms_of(&self, session: u32, ids: &[u64]) -> Vec<u32> {
        let client = &self.sessions[session as usize];
        let mut rooms = Vec::new();
        for guild in self.guilds_of(session, ids) {
            let first = self.rooms.partition_point(|room| room.guild < guild);
            let of_guild = (first as u32..).zip(&self.rooms[first..]);
            let of_guild = of_guild.take_while(|(_, room)| room.guild == guild);
            let seen =
                of_guild.filter(|(_, room)| room.seen_by.binary_search(&client.user).is_ok());
            rooms.extend(seen.map(|(index, _)| index));
        }
        rooms
    }

    /// The sessions that worker `worker` of `workers` owns: every `workers`th, so that each guild is on all of them.
    pub fn sessions_of(&self, worker: u32, workers: u32) -> impl Iterator<Item = u32> + use<> {
        (worker..self.sessions.len() as u32).step_by(workers as usize)
    }
}

/// The guilds of each user, ascending. Each guild gets somebody.
fn memberships(scenario: &Scenario, random: &mut fastrand::Rng) -> Vec<Vec<u32>> {
    let guilds = &scenario.guilds;
    let (count, each) = (u64::from(guilds.count), u64::from(guilds.per_session));
    if guilds.size_skew == 0.0 {
        let of = |user: u32| {
            let first = u64::from(user) * each;
            let mut of: Vec<u32> = (0..each)
                .map(|step| ((first + step) % count) as u32)
                .collect();
            of.sort_unstable();
            of
        };
        return (0..scenario.sessions).map(of).collect();
    }
    let zipf = Zipf::new(guilds.count as usize, guilds.size_skew);
    let mut of: Vec<Vec<u32>> = vec![Vec::new(); scenario.sessions as usize];
    // Nobody has more than their number of guilds: the memberships suffice, as the scenario was checked.
    for guild in 0..guilds.count {
        of[(guild % scenario.sessions) as usize].push(guild);
    }
    for of in &mut of {
        let mut tries = 0;
        while (of.len() as u64) < each {
            // The likely ones may all be taken: then whichever is free.
            let guild = if tries < 50 {
                zipf.pick(random) as u32
            } else {
                random.u32(..guilds.count)
            };
            tries += 1;
            if !of.contains(&guild) {
                of.push(guild);
            }
        }
        of.sort_unstable();
    }
    of
}

fn rooms(
    scenario: &Scenario,
    members: &[Vec<u32>],
    visitors: &[Vec<u32>],
    random: &mut fastrand::Rng,
) -> Vec<Room> {
    let mut rooms = Vec::new();
    for (guild, (members, visitors)) in (0..).zip(members.iter().zip(visitors)) {
        let stays = |user: &&u32| visitors.binary_search(user).is_err();
        let senders: Vec<u32> = members.iter().filter(stays).copied().collect();
        rooms.push(Room {
            guild,
            is_private: false,
            seen_by: members.clone(),
            senders: senders.clone(),
        });
        let private = scenario.guilds.private.as_ref();
        if let Some(private) = private.filter(|private| random.f64() < private.guilds) {
            let wanted = (members.len() as f64 * private.insiders).ceil() as usize;
            // Who leaves and comes back is none: what becomes of its entry in the overwrites is the server's business.
            let mut insiders = senders[1..].to_vec();
            random.shuffle(&mut insiders);
            insiders.truncate(wanted.saturating_sub(1).min(MAX_INSIDERS));
            insiders.push(members[0]);
            insiders.sort_unstable();
            rooms.push(Room {
                guild,
                is_private: true,
                senders: insiders.clone(),
                seen_by: insiders,
            });
        }
    }
    rooms
}

fn sessions(scenario: &Scenario, random: &mut fastrand::Rng) -> Vec<Client> {
    let clients = scenario.clients.clone().unwrap_or_default();
    let mut sessions = Vec::with_capacity(scenario.sessions as usize);
    for user in 0..scenario.sessions {
        let mut client = Client::of(user);
        client.is_compressed = random.f64() < clients.compressed;
        let kind = random.f64();
        if kind < clients.all_intents {
            client.intents = ALL_INTENTS;
        } else if kind < clients.all_intents + clients.no_messages {
            client.intents = NO_MESSAGES;
        }
        if let Some(slow) = &scenario.slow
            && random.f64() < slow.share
        {
            client.bytes_per_second = Some(slow.bytes_per_second);
        }
        if random.f64() < clients.sharded {
            for shard in 0..2 {
                sessions.push(Client {
                    shard: Some((shard, 2)),
                    ..client
                });
            }
        } else {
            sessions.push(client);
        }
    }
    sessions
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::{Churn, Clients, Guilds, Private};

    proptest! {
        #[test]
        fn even_guilds_differ_by_one_member_at_most(sessions in 1_u32..200, count in 1_u32..20, per in 1_u32..20) {
            let per_session = per.min(count);
            prop_assume!(sessions * per_session >= count);
            let mut scenario = Scenario::plain();
            scenario.sessions = sessions;
            scenario.guilds = Guilds { count, per_session, ..Guilds::default() };
            let plan = Plan::new(&scenario, 1);
            let sizes = plan.members.iter().map(Vec::len);
            prop_assert!(sizes.clone().max().unwrap() - sizes.clone().min().unwrap() <= 1);
            prop_assert_eq!(sizes.sum::<usize>(), (sessions * per_session) as usize);
            prop_assert_eq!(plan.rooms.len(), count as usize);
            prop_assert_eq!(plan.sessions.len(), sessions as usize);
        }

        #[test]
        fn every_room_has_senders_and_only_those_see_it_who_may(
            sessions in 5_u32..80, count in 1_u32..12, per in 1_u32..4, skew in 0.0_f64..1.5, insiders in 0.0_f64..1.0, seed: u64,
        ) {
            let mut scenario = Scenario::plain();
            scenario.sessions = sessions;
            let private = Some(Private { guilds: 0.5, insiders, traffic: 0.3 });
            scenario.guilds = Guilds { count, per_session: per.min(count), size_skew: skew, private };
            scenario.churn = Some(Churn { leaves: 1.0, ..Churn::default() });
            scenario.clients = Some(Clients { sharded: 0.5, ..Clients::default() });
            prop_assume!(scenario.check().is_ok());
            let plan = Plan::new(&scenario, seed);
            let ids: Vec<u64> = (0..u64::from(count)).map(|guild| (guild + 7) << 22).collect();
            for room in &plan.rooms {
                let members = &plan.members[room.guild as usize];
                let owner = members[0];
                prop_assert!(!room.senders.is_empty() && room.seen_by.contains(&owner));
                prop_assert!(room.seen_by.is_sorted() && room.seen_by.iter().all(|user| members.contains(user)));
                prop_assert!(room.senders.iter().all(|user| room.seen_by.contains(user)));
                prop_assert!(!plan.visitors[room.guild as usize].contains(&owner));
            }
            // Each user's sessions together see each of the user's rooms once.
            let mut seen = vec![Vec::new(); sessions as usize];
            for (session, client) in (0..).zip(&plan.sessions) {
                let rooms = plan.rooms_of(session, &ids);
                prop_assert!(rooms.is_sorted());
                seen[client.user as usize].extend(rooms);
            }
            for (user, mut seen) in (0..).zip(seen) {
                seen.sort_unstable();
                let rooms = (0..).zip(&plan.rooms);
                let expected: Vec<u32> = rooms
                    .filter(|(_, room)| room.seen_by.contains(&user)).map(|(room, _)| room).collect();
                prop_assert_eq!(seen, expected);
            }
        }
    }
}
