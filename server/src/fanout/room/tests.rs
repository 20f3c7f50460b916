use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use smallvec::SmallVec;

use super::*;
use crate::fanout::Frame;
use crate::fanout::VisibleChannel;
use crate::protocol::objects::{Overwrite, OverwriteType, User};
use crate::protocol::{Permissions, RoleId, Timestamp};

const GUILD: GuildId = GuildId::new(10);
const OPEN: ChannelId = ChannelId::new(100);
const SECRET: ChannelId = ChannelId::new(200);
const OWNER: UserId = UserId::new(1);

/// Everything that sessions were handed, in order.
#[derive(Default)]
struct Seen {
    frames: HashMap<SessionKey, Vec<Frame>>,
    removed: Vec<(SessionKey, GuildId)>,
}

impl Seen {
    fn of(&self, session: SessionKey) -> Vec<String> {
        let frames = self.frames.get(&session).into_iter().flatten();
        frames
            .map(|frame| String::from_utf8_lossy(&frame.to_bytes()).into_owned())
            .collect()
    }
}

impl Deliver for Seen {
    fn deliver(&mut self, session: SessionKey, frame: &Frame, _: Option<Position>) {
        self.frames.entry(session).or_default().push(frame.clone());
    }

    fn deliver_run(&mut self, session: SessionKey, run: &Run, first: Position) {
        for (frame, position) in run.events().iter().zip(first..) {
            self.deliver(session, frame, Some(position));
        }
    }

    fn table_changed(&mut self, _: Position, _: &Arc<Visibility>) {}

    fn member_changed(&mut self, _: SessionKey, _: Position, _: &Arc<Member>) {}

    fn removed(&mut self, session: SessionKey, guild: GuildId) {
        self.removed.push((session, guild));
    }
}

fn member(user: u64, roles: &[u64]) -> Arc<Member> {
    let user = User::new(UserId::new(user), format!("user{user}"), false);
    let roles: Vec<RoleId> = roles.iter().map(|role| RoleId::new(*role)).collect();
    let joined_at = Timestamp::from_unix_ms(0);
    let member = serde_json::json!({ "user": user, "roles": roles, "joined_at": joined_at });
    Arc::new(serde_json::from_value(member).unwrap())
}

/// #open for everyone, #secret for those with role 5, unless `closed`: then for nobody.
fn table(secret: Option<bool>) -> Arc<Visibility> {
    let channel = |id: ChannelId, overwrites| VisibleChannel {
        id,
        overwrites,
        body: format!("{{\"id\":\"{id}\"}}").into(),
    };
    let overwrite = |id: u64, allow, deny| Overwrite {
        id,
        kind: OverwriteType::Role,
        allow,
        deny,
    };
    let view = Permissions::VIEW_CHANNEL;
    let mut channels = vec![channel(OPEN, Vec::new())];
    if let Some(open_to_role) = secret {
        let mut overwrites = vec![overwrite(GUILD.get(), Permissions::default(), view)];
        if open_to_role {
            overwrites.push(overwrite(5, view, Permissions::default()));
        }
        channels.push(channel(SECRET, overwrites));
    }
    Arc::new(Visibility {
        guild: GUILD,
        owner: OWNER,
        everyone: view,
        roles: [(RoleId::new(5), Permissions::default())].into(),
        channels,
        direct: false,
    })
}

fn message(position: Position, channel: ChannelId) -> Item {
    Item::Dispatch(Dispatch {
        position: Some(position),
        event: EventName::MessageCreate,
        body: format!("m{position}").into(),
        intent: Intents::GUILD_MESSAGES,
        channel: Some(channel),
        audience: Audience::Everyone,
        subject: None,
    })
}

const ALL: Intents = Intents::from_bits(u64::MAX);

#[test]
fn i6_an_event_is_encoded_once_and_shared_by_every_session() {
    let mut room = Room::new(GUILD, table(Some(true)), 0);
    for session in 0..100 {
        room.join(session, ALL, member(session as u64 + 2, &[]), 0);
    }
    let item = message(1, OPEN);
    let Item::Dispatch(dispatch) = &item else {
        unreachable!()
    };
    let body = dispatch.body.as_ptr();
    let mut seen = Seen::default();
    room.apply(std::slice::from_ref(&item), &mut seen);
    assert_eq!(seen.frames.len(), 100);
    assert!(
        seen.frames
            .values()
            .all(|frames| frames.len() == 1 && frames[0].to_bytes().as_ptr() == body)
    );
}

#[test]
fn a_private_channel_reaches_only_those_who_may_see_it() {
    let mut room = Room::new(GUILD, table(Some(true)), 0);
    room.join(1, ALL, member(2, &[]), 0);
    room.join(2, ALL, member(3, &[5]), 0);
    room.join(3, ALL, member(OWNER.get(), &[]), 0);
    room.join(4, Intents::GUILDS, member(4, &[5]), 0);
    let mut seen = Seen::default();
    room.apply(&[message(1, SECRET), message(2, OPEN)], &mut seen);
    assert_eq!(seen.of(1), ["m2"]);
    assert_eq!(seen.of(2), ["m1", "m2"]);
    assert_eq!(seen.of(3), ["m1", "m2"]);
    assert!(seen.of(4).is_empty(), "without the intent nothing comes");
}

#[test]
fn a_permission_change_takes_effect_at_its_position() {
    let mut room = Room::new(GUILD, table(Some(true)), 0);
    room.join(1, ALL, member(2, &[5]), 0);
    room.join(2, ALL, member(3, &[]), 0);
    let mut seen = Seen::default();
    room.apply(
        &[
            message(1, SECRET),
            Item::Visibility {
                position: 2,
                table: table(Some(false)),
            },
            message(3, SECRET),
            Item::Visibility {
                position: 4,
                table: table(Some(true)),
            },
            Item::Member {
                position: 5,
                member: member(3, &[5]),
            },
            message(6, SECRET),
            Item::Visibility {
                position: 7,
                table: table(None),
            },
            message(8, SECRET),
        ],
        &mut seen,
    );
    let deleted = r#"{"t":"CHANNEL_DELETE","op":0,"d":{"guild_id":"10","id":"200"}"#;
    let created = r#"{"t":"CHANNEL_CREATE","op":0,"d":{"guild_id":"10","id":"200"}"#;
    assert_eq!(seen.of(1), ["m1", deleted, created, "m6", deleted]);
    assert_eq!(seen.of(2), [created, "m6", deleted]);
}

#[test]
fn who_leaves_is_told_once_and_gets_nothing_more() {
    let mut room = Room::new(GUILD, table(None), 0);
    room.join(1, ALL, member(2, &[]), 0);
    room.join(2, ALL, member(3, &[]), 0);
    let mut seen = Seen::default();
    let left = Item::Left {
        position: 2,
        user: UserId::new(2),
    };
    room.apply(&[message(1, OPEN), left, message(3, OPEN)], &mut seen);
    assert_eq!(
        seen.of(1),
        ["m1", r#"{"t":"GUILD_DELETE","op":0,"d":{"id":"10"}"#]
    );
    assert_eq!(seen.of(2), ["m1", "m3"]);
    assert_eq!(seen.removed, [(1, GUILD)]);
    room.apply(&[Item::Deleted { position: 4 }], &mut seen);
    assert!(room.is_empty());
    assert_eq!(seen.removed.len(), 2);
}

#[test]
fn audiences_are_kept_apart() {
    let mut room = Room::new(GUILD, table(None), 0);
    room.join(1, ALL, member(2, &[]), 0);
    room.join(2, ALL, member(3, &[]), 0);
    let to = |audience, body: &'static str| {
        Item::Dispatch(Dispatch {
            position: None,
            event: EventName::TypingStart,
            body: Bytes::from_static(body.as_bytes()),
            intent: Intents::NONE,
            channel: None,
            audience,
            subject: None,
        })
    };
    let mut seen = Seen::default();
    let user = UserId::new(2);
    room.apply(
        &[
            to(Audience::Only(user), "only"),
            to(Audience::Except(user), "except"),
        ],
        &mut seen,
    );
    assert_eq!(
        (seen.of(1), seen.of(2)),
        (vec!["only".to_owned()], vec!["except".to_owned()])
    );
}

#[derive(Debug, Clone)]
enum Step {
    /// Messages come that are gathered.
    Gather(u64),
    /// A group's moment comes: its sessions are handed what waits, so many places at a time.
    HandOutTo(usize, usize),
    /// Somebody's roles change, and a message that comes with it.
    Change,
    /// A session goes and comes back with what it has.
    Move(usize),
    /// The hub panicked: it asks for everything after the room's position.
    Rejoin,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_u64..4).prop_map(Step::Gather),
        6 => (0_usize..GROUPS, 1_usize..20).prop_map(|(group, slice)| Step::HandOutTo(group, slice)),
        1 => Just(Step::Change),
        2 => (0_usize..16).prop_map(Step::Move),
        1 => Just(Step::Rejoin),
    ];
    proptest::collection::vec(step, 0..80)
}

fn dispatches(items: &[Item]) -> impl Iterator<Item = &Dispatch> {
    items.iter().map(|item| match item {
        Item::Dispatch(dispatch) => dispatch,
        other => panic!("{other:?} cannot be gathered"),
    })
}

proptest! {
    /// *Invariant I3*, where groups are handed what waits at moments of their own: the position that a session stands at
    /// is that of what it was handed, and it sees each message once.
    #[test]
    fn i3_order_holds_where_groups_have_their_moments(steps in steps()) {
        let mut log: Vec<Item> = Vec::new();
        let mut room = Room::new(GUILD, table(None), 0);
        let mut places: Vec<usize> =
            (0..16).map(|key| room.join(key, ALL, member(key as u64 + 2, &[]), 0)).collect();
        let mut seen = Seen::default();
        let after = |log: &[Item], position| -> Vec<Item> {
            log.iter().filter(|item| item.position().unwrap() > position).cloned().collect()
        };
        for step in steps {
            let next = log.last().map_or(1, |item| item.position().unwrap() + 1);
            match step {
                Step::Gather(count) => {
                    log.extend((next..next + count).map(|position| message(position, OPEN)));
                    room.gather(dispatches(&log[log.len() - count as usize..]));
                }
                Step::HandOutTo(group, slice) => {
                    let group = Group::ALL[group];
                    for from in (0..room.places()).step_by(slice) {
                        room.hand_out_in(group, from..from + slice, &mut seen);
                    }
                    room.handed_out_to(group);
                }
                Step::Change => {
                    let changed = Item::Member { position: next, member: member(2, &[]) };
                    log.extend([message(next, OPEN), changed]);
                    room.apply(&log[log.len() - 2..], &mut seen);
                    prop_assert_eq!(room.waiting(), 0);
                }
                Step::Move(key) => {
                    let parts = room.take(places[key]).unwrap();
                    let last = log.iter().rev().map(|item| item.position().unwrap());
                    let handed = seen.of(key).len();
                    let messages = last.filter(|position| *position <= parts.position).count();
                    let changes = log.iter().filter(|item| {
                        matches!(item, Item::Member { position, .. } if *position <= parts.position)
                    });
                    prop_assert_eq!(handed, messages - changes.count());
                    // The worker hands out before it takes a session in.
                    room.hand_out(&mut seen);
                    let missed = after(&log, parts.position);
                    places[key] = room.rejoin(key, ALL, parts, (&missed, 0), &mut seen).unwrap();
                }
                Step::Rejoin => {
                    room.forget_waiting();
                    let missed = after(&log, room.position());
                    room.apply(&missed, &mut seen);
                }
            }
            prop_assert!(room.position() <= room.newest());
            prop_assert_eq!(room.waiting() == 0, room.waiting_bytes() == 0);
        }
        room.hand_out(&mut seen);
        let messages = log.iter().filter(|item| matches!(item, Item::Dispatch(_)));
        let expected: Vec<String> =
            messages.map(|item| format!("m{}", item.position().unwrap())).collect();
        for key in 0..16 {
            prop_assert_eq!(seen.of(key), expected.clone());
        }
    }

    /// *Invariant I3*: whatever room it is in, and however often it moves between two, a session
    /// sees every message after the position at which it joined, in order, each once.
    #[test]
    fn i3_order_holds_across_joins_and_moves_between_workers(
        joins_at in 0_u64..20,
        batches in proptest::collection::vec(1_u64..5, 1..20),
        moves in proptest::collection::vec(any::<bool>(), 20),
        lags in proptest::collection::vec(0_usize..3, 20),
    ) {
        let mut log: Vec<Item> = Vec::new();
        let mut rooms = [Room::new(GUILD, table(None), 0), Room::new(GUILD, table(None), 0)];
        // Each room has another session, so that it stays.
        rooms[0].join(90, ALL, member(8, &[]), 0);
        rooms[1].join(91, ALL, member(9, &[]), 0);
        let mut applied = [0_usize, 0];
        let mut seen = Seen::default();
        let mut place: Option<(usize, usize)> = None;
        let mut joined_at = 0;
        for (round, size) in batches.iter().enumerate() {
            for _ in 0..*size {
                log.push(message(log.len() as u64 + 1, OPEN));
            }
            // One worker may lag behind the other.
            for (which, room) in rooms.iter_mut().enumerate() {
                let lag = if (round + which) % 2 == 0 { lags[round] } else { 0 };
                let until = log.len().saturating_sub(lag).max(applied[which]);
                room.apply(&log[applied[which]..until], &mut seen);
                applied[which] = until;
            }
            if place.is_none() && log.len() as u64 > joins_at {
                joined_at = rooms[0].position();
                place = Some((0, rooms[0].join(1, ALL, member(2, &[]), 0)));
            }
            if let Some((which, at)) = place && moves[round] {
                let parts = rooms[which].take(at).unwrap();
                let other = 1 - which;
                let missed: SmallVec<[Item; 8]> = log
                    .iter()
                    .filter(|item| {
                        let position = item.position().unwrap();
                        position > parts.position && position <= rooms[other].position()
                    })
                    .cloned()
                    .collect();
                let at = rooms[other].rejoin(1, ALL, parts, (&missed, 0), &mut seen).unwrap();
                place = Some((other, at));
            }
        }
        for (which, room) in rooms.iter_mut().enumerate() {
            room.apply(&log[applied[which]..], &mut seen);
        }
        if place.is_some() {
            let expected: Vec<String> =
                (joined_at + 1..=log.len() as u64).map(|position| format!("m{position}")).collect();
            prop_assert_eq!(seen.of(1), expected);
        }
    }
}
