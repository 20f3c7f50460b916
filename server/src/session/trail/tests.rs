use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dir::{Found, TrailDir};
use super::{Image, Past, Standing, Trail};
use crate::counters::Counters;
use crate::fanout::{HubId, Visibility};
use crate::protocol::objects::{Member, Presence, User};
use crate::protocol::{GuildId, Permissions, Position, UserId};
use crate::session::id::SessionId;
use crate::session::state::SessionParts;

const CATS: GuildId = GuildId::new(10);
const DOGS: GuildId = GuildId::new(20);

fn table(guild: GuildId, everyone: Permissions) -> Arc<Visibility> {
    Arc::new(Visibility {
        guild,
        owner: UserId::new(1),
        everyone,
        roles: HashMap::new(),
        channels: Vec::new(),
        direct: false,
    })
}

fn user() -> Arc<User> {
    Arc::new(User::new(UserId::new(7), "alice", false))
}

fn member(nick: &str) -> Arc<Member> {
    let joined = "2026-01-01T00:00:00.000000+00:00";
    let json = serde_json::json!({"user": *user(), "nick": nick, "roles": [], "joined_at": joined});
    Arc::new(serde_json::from_value(json).unwrap())
}

fn image(id: SessionId, seq: u64, guilds: &[(GuildId, Position)]) -> Image {
    let guilds = guilds.iter().map(|(guild, position)| Standing {
        guild: *guild,
        position: *position,
        member: member("first"),
        in_room: true,
    });
    Image {
        number: 0,
        order: 0,
        id: id.to_string(),
        user: user(),
        intents: u64::MAX,
        shard: (0, 1),
        large_threshold: 50,
        presence: Presence::default(),
        seq,
        guilds: guilds.collect(),
        asked: Vec::new(),
        claim: 0,
    }
}

/// A data directory and the processes that used it.
struct Data(tempfile::TempDir);

struct Run {
    dir: Arc<TrailDir>,
    found: Vec<Found>,
}

impl Data {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self) -> Run {
        let (dir, found) = TrailDir::open(self.0.path()).unwrap().unwrap();
        Run { dir, found }
    }

    /// A session of a run that is not looked at again, with what its trail calls it.
    fn session(&self) -> (Trail, SessionId, u32) {
        let (mut trail, id) = (self.run().trail(0), SessionId::random());
        let number = settled(&mut trail, id);
        (trail, id, number)
    }

    fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.0.path().join("session-trails")).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    }
}

impl Run {
    fn trail(&self, hub: u32) -> Trail {
        let dir = Some(Arc::clone(&self.dir));
        Trail::new(dir, HubId(hub), 1 << 20, Arc::new(Counters::default()))
    }

    fn past(&self, id: SessionId) -> Option<&Past> {
        let found = self.found.iter().find(|found| found.past.id() == id);
        found.map(|found| &found.past)
    }

    fn at(&self, id: SessionId, seq: u64) -> Option<SessionParts> {
        self.past(id)?.at(seq).ok()
    }
}

/// Its position in a guild.
fn position(parts: &SessionParts, guild: GuildId) -> Option<Position> {
    let mut present = parts.present.iter();
    let part = present.find(|part| part.guild == guild)?;
    Some(part.position)
}

/// Who sees what in both guilds.
fn tables(trail: &mut Trail) {
    for guild in [CATS, DOGS] {
        trail.table(4, &table(guild, Permissions::NONE));
    }
}

/// A session in two guilds; READY was 1, the guilds 2 and 3.
fn settled(trail: &mut Trail, id: SessionId) -> u32 {
    tables(trail);
    let number = trail.session(|| image(id, 0, &[]));
    trail.own(number);
    for guild in [CATS, DOGS] {
        trail.stands(number, guild, 5, &member("first"));
        trail.own(number);
    }
    number
}

#[test]
fn i10_a_run_of_records_is_each_of_them() {
    let data = Data::new();
    let (mut trail, id, number) = data.session();
    trail.delivered(number, CATS, Some(6));
    trail.delivered_run(number, DOGS, 9..12);
    trail.delivered_run(number, CATS, 7..300);
    trail.delivered(number, DOGS, Some(12));
    trail.commit();
    let after = data.run();
    let at = |seq| {
        let parts = after.at(id, seq)?;
        Some((position(&parts, CATS)?, position(&parts, DOGS)?))
    };
    assert_eq!(at(4), Some((6, 5)));
    assert_eq!(at(5), Some((6, 9)));
    assert_eq!(at(7), Some((6, 11)));
    assert_eq!(at(8), Some((7, 11)));
    assert_eq!(at(300), Some((299, 11)));
    assert_eq!(at(301), Some((299, 12)));
    assert_eq!(at(302), None);
}

#[test]
fn i10_a_session_is_where_it_was_after_each_number() {
    let data = Data::new();
    let (mut trail, id, number) = data.session();
    trail.delivered(number, CATS, Some(6));
    trail.delivered(number, DOGS, Some(9));
    trail.delivered(number, CATS, None);
    trail.delivered(number, CATS, Some(7));
    trail.passing(number);
    trail.commit();
    let after = data.run();
    let at = |seq| {
        after.at(id, seq).map(|parts| {
            assert_eq!(
                (parts.outbox.first_seq, parts.outbox.sent_seq),
                (seq + 1, seq)
            );
            assert!(parts.outbox.frames.is_empty());
            [CATS, DOGS].map(|guild| position(&parts, guild).unwrap())
        })
    };
    // A GUILD_CREATE may not have arrived.
    assert_eq!(at(0), None);
    assert_eq!(at(2), None);
    assert_eq!(at(3), Some([5, 5]));
    assert_eq!(at(4), Some([6, 5]));
    assert_eq!(at(5), Some([6, 9]));
    assert_eq!(at(6), Some([6, 9]));
    assert_eq!(at(7), Some([7, 9]));
    assert_eq!(at(8), Some([7, 9]));
    assert_eq!(at(9), None, "it was never sent");
}

#[test]
fn i10_what_no_guild_gives_again_must_have_arrived() {
    let data = Data::new();
    let first = data.run();
    let mut trail = first.trail(0);
    let ids = [(); 4].map(|()| SessionId::random());
    let numbers = ids.map(|id| settled(&mut trail, id));
    // Two events of one record.
    trail.delivered(numbers[0], CATS, Some(6));
    trail.delivered(numbers[0], CATS, Some(6));
    // A chunk of members.
    trail.delivered(numbers[1], CATS, Some(6));
    trail.own(numbers[1]);
    // It left a guild, whose log says so.
    trail.delivered(numbers[2], CATS, Some(6));
    trail.left(numbers[2], CATS, false);
    // It joined one that tells it nothing.
    trail.delivered(numbers[3], CATS, Some(6));
    trail.stands(numbers[3], GuildId::new(30), 1, &member("first"));
    trail.delivered(numbers[3], GuildId::new(30), Some(2));
    trail.commit();
    let after = data.run();
    let can = |n: usize| [3, 4, 5].map(|seq| after.at(ids[n], seq).is_some());
    assert_eq!(can(0), [true, false, true]);
    assert_eq!(can(1), [false, false, true]);
    assert_eq!(can(2), [true, true, false]);
    let left = after.at(ids[2], 4).unwrap();
    assert_eq!(position(&left, CATS), None);
    assert_eq!(after.at(ids[2], 3).unwrap().present.len(), 2);
    assert_eq!(
        can(3),
        [false, false, false],
        "no table of that guild is known"
    );
}

#[test]
fn i3_roles_and_tables_are_those_of_the_number() {
    let data = Data::new();
    let (mut trail, id, number) = data.session();
    trail.delivered(number, CATS, Some(6));
    trail.table(7, &table(CATS, Permissions::VIEW_CHANNEL));
    trail.delivered(number, CATS, Some(8));
    trail.member(number, CATS, 9, &member("second"));
    trail.delivered(number, CATS, Some(10));
    trail.commit();
    let after = data.run();
    let at = |seq| {
        let parts = after.at(id, seq).unwrap();
        let part = parts.present.iter().find(|part| part.guild == CATS);
        let part = part.unwrap();
        (
            part.position,
            part.table.everyone,
            part.member.nick.clone().unwrap(),
        )
    };
    assert_eq!(at(4), (6, Permissions::NONE, "first".into()));
    assert_eq!(at(5), (9, Permissions::VIEW_CHANNEL, "second".into()));
    assert_eq!(at(6), (10, Permissions::VIEW_CHANNEL, "second".into()));
}

#[test]
fn a_session_that_sees_nothing_does_not_fall_behind_its_room() {
    let data = Data::new();
    let (mut trail, id, number) = data.session();
    for position in [5, 100, 300, 900] {
        trail.progress(CATS, position);
    }
    trail.left(number, DOGS, true);
    trail.own(number);
    trail.progress(DOGS, 5);
    trail.progress(DOGS, 5_000);
    trail.commit();
    let parts = data.run().at(id, 4).unwrap();
    assert_eq!(position(&parts, CATS), Some(900));
    assert_eq!(position(&parts, DOGS), None);
    assert_eq!(parts.asked, [(DOGS, false)]);
}

#[test]
fn i10_a_file_that_is_cut_off_counts_as_far_as_it_goes() {
    let data = Data::new();
    let (mut trail, id, number) = data.session();
    trail.commit();
    for position in 6..10 {
        trail.delivered(number, CATS, Some(position));
        trail.commit();
    }
    let [path] = data.files().try_into().unwrap();
    let whole = fs::read(&path).unwrap();
    let mut reached = Vec::new();
    for len in (0..whole.len()).step_by(3).chain([whole.len()]) {
        fs::write(&path, &whole[..len]).unwrap();
        let after = data.run();
        let last = (0..20).rev().find(|seq| after.at(id, *seq).is_some());
        if let Some(last) = last {
            let parts = after.at(id, last).unwrap();
            assert_eq!(position(&parts, CATS), Some(last + 2));
        }
        reached.extend(last);
    }
    assert!(reached.is_sorted(), "{reached:?}");
    reached.dedup();
    assert_eq!(reached, [3, 4, 5, 6, 7]);
    // A byte that is not what was written ends it as well.
    for place in (0..whole.len()).step_by(5) {
        let mut changed = whole.clone();
        changed[place] ^= 0x40;
        fs::write(&path, &changed).unwrap();
        let after = data.run();
        assert!(after.at(id, 7).is_none(), "{place}");
    }
}

#[test]
fn a_session_goes_on_in_the_next_file_and_on_another_worker() {
    let data = Data::new();
    let (first, id) = (data.run(), SessionId::random());
    let [mut one, mut two] = [first.trail(0), first.trail(1)];
    let mut number = settled(&mut one, id);
    one.delivered(number, CATS, Some(6));
    let mut seq = 4;
    for _ in 0..3 {
        one.begin_file(|trail| {
            tables(trail);
            let places = [(CATS, seq + 2), (DOGS, 5)];
            number = trail.session(|| image(id, seq, &places));
        });
        seq += 1;
        one.delivered(number, CATS, Some(seq + 2));
    }
    one.moved(number);
    one.progress(CATS, 5_000);
    one.commit();
    assert_eq!(
        data.files().len(),
        2 + 1,
        "the newest and the one before it"
    );
    tables(&mut two);
    let number = two.session(|| image(id, 7, &[(CATS, 9), (DOGS, 5)]));
    two.delivered(number, CATS, Some(10));
    two.commit();
    let after = data.run();
    let at = |seq| {
        after
            .at(id, seq)
            .map(|parts| position(&parts, CATS).unwrap())
    };
    assert_eq!(at(4), None, "its file is gone");
    assert_eq!(at(5), Some(7));
    assert_eq!(at(6), Some(8));
    assert_eq!(at(7), Some(9));
    assert_eq!(at(8), Some(10));
    assert_eq!(at(9), None);
}

#[test]
fn i10_numbers_that_were_given_anew_mean_the_new_events() {
    let data = Data::new();
    let (mut trail, id, number) = data.session();
    for position in 6..10 {
        trail.delivered(number, CATS, Some(position));
    }
    trail.commit();
    // It came back after 5 and was handed other events than before.
    let second = data.run();
    let mut trail = second.trail(0);
    tables(&mut trail);
    let number = trail.session(|| image(id, 5, &[(CATS, 7), (DOGS, 5)]));
    trail.delivered(number, DOGS, Some(100));
    trail.delivered(number, CATS, Some(8));
    trail.commit();
    let third = data.run();
    let at = |seq| {
        let parts = third.at(id, seq)?;
        Some([CATS, DOGS].map(|guild| position(&parts, guild).unwrap()))
    };
    assert_eq!(at(4), Some([6, 5]));
    assert_eq!(at(5), Some([7, 5]));
    assert_eq!(at(6), Some([7, 100]));
    assert_eq!(at(7), Some([8, 100]));
    assert_eq!(at(8), None);
    third.dir.forget_former_runs();
    assert!(data.run().past(id).is_none());
}

#[test]
fn an_ended_session_is_not_found() {
    let data = Data::new();
    let (first, id) = (data.run(), SessionId::random());
    let mut trail = first.trail(0);
    settled(&mut trail, id);
    trail.commit();
    let second = data.run();
    assert!(second.past(id).is_some());
    let mut trail = second.trail(0);
    let other = SessionId::random();
    trail.session(|| image(other, 0, &[]));
    trail.ended(id);
    trail.commit();
    let third = data.run();
    assert!(third.past(id).is_none());
    let other = third.found.iter().find(|found| found.past.id() == other);
    assert_eq!(other.unwrap().detached_ms, third.dir.began_ms());
    third.dir.clear();
    assert!(data.run().found.is_empty());
}

#[test]
fn a_file_from_before_the_machine_was_started_anew_is_passed_over() {
    let data = Data::new();
    let (first, id) = (data.run(), SessionId::random());
    let mut trail = first.trail(0);
    settled(&mut trail, id);
    trail.commit();
    let [path] = data.files().try_into().unwrap();
    let content = fs::read(&path).unwrap();
    let mut fold = super::fold::Fold::new("another boot");
    fold.file(&content, 1);
    assert!(fold.finish(0).is_empty());
    let mut fold = super::fold::Fold::new(first.dir.boot());
    fold.file(&content, 1);
    assert_eq!(fold.finish(0).len(), 1);
}

#[test]
fn i10_a_write_that_fails_gives_up_what_would_be_out_of_date() {
    let data = Data::new();
    let (mut trail, id, number) = data.session();
    trail.commit();
    trail.break_file();
    trail.delivered(number, CATS, Some(6));
    trail.commit();
    assert!(!trail.is_on() && trail.wants_new_file());
    assert_eq!(data.files(), Vec::<PathBuf>::new());
    trail.delivered(number, CATS, Some(7));
    trail.commit();
    trail.begin_file(|trail| {
        trail.table(4, &table(CATS, Permissions::NONE));
        trail.session(|| image(id, 5, &[(CATS, 7)]));
    });
    assert!(trail.is_on() && !trail.wants_new_file());
    let after = data.run();
    assert_eq!(position(&after.at(id, 5).unwrap(), CATS), Some(7));
    assert!(after.at(id, 4).is_none());
}

#[test]
fn a_long_trail_is_known_from_its_newest_part_on() {
    let data = Data::new();
    let (mut trail, id, number) = data.session();
    for position in 6..20_000 {
        trail.delivered(number, CATS, Some(position));
    }
    trail.commit();
    let after = data.run();
    let last = 3 + 20_000 - 6;
    for seq in [last, last - 1_000, last - 2_000] {
        let parts = after.at(id, seq).unwrap();
        assert_eq!(position(&parts, CATS), Some(seq + 2));
    }
    assert!(after.at(id, last - 5_000).is_none());
    let bytes = fs::metadata(&data.files()[0]).unwrap().len();
    assert!(bytes < 2 * 20_000 + 4_096, "{bytes} bytes");
}

#[test]
fn what_is_no_trail_is_left_alone() {
    let data = Data::new();
    let first = data.run();
    let folder = data.0.path().join("session-trails");
    for name in ["notes.txt", "1-2", "1-2-3-4", "a-b-c"] {
        fs::write(folder.join(name), b"mine").unwrap();
    }
    first.dir.clear();
    assert_eq!(data.files().len(), 4);
    assert!(data.run().found.is_empty());
    assert!(Path::new(&folder).exists());
}
