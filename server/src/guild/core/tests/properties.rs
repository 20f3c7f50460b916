//! Random lives of a guild, against the invariants.

mod history;
mod life;
mod steps;

use proptest::prelude::*;

use self::life::{Life, durable, tell};
use self::steps::{Step, steps};
use super::world::{GUILD, World};
use crate::fanout::Item;
use crate::guild::command::{Caller, Command};
use crate::guild::core::{CoreSettings, GuildCore, Replay, record, render};
use crate::guild::event::Event;
use crate::protocol::Permissions;

/// Small enough that forgetting happens.
fn small() -> CoreSettings {
    CoreSettings {
        max_messages: 12,
        max_message_bytes: 400,
        max_nonces: 4,
        max_batch_records: 3,
        ..CoreSettings::default()
    }
}

/// Small enough that commands are refused.
fn tiny() -> CoreSettings {
    CoreSettings {
        max_pending_records: 6,
        max_waiting: 12,
        ..small()
    }
}

fn lived(settings: CoreSettings, steps: &[Step]) -> Life {
    let mut life = Life::new(settings);
    for step in steps {
        life.take(step);
    }
    life
}

fn rebuilt(life: &Life, settings: CoreSettings) -> GuildCore {
    let mut core = GuildCore::with_settings(GUILD, settings);
    for (entry, position) in life.journal.iter().zip(1..) {
        core.apply(position, record::decode(entry).unwrap());
    }
    core
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// The checks are in [`Life`]: no output before its position, answers in order and once,
    /// positions dense, items in position order, attachments between them.
    #[test]
    fn i2_no_ghost_and_i3_order_hold_whenever_the_journal_acknowledges(
        steps in steps(80),
        is_tiny: bool,
    ) {
        let mut life = lived(if is_tiny { tiny() } else { small() }, &steps);
        life.settle();
        prop_assert!(life.open_tickets().is_empty(), "unanswered: {:?}", life.open_tickets());
    }

    #[test]
    fn i9_core_is_pure_the_same_inputs_give_the_same_outputs(steps in steps(60)) {
        let (mut one, mut other) = (lived(small(), &steps), lived(small(), &steps));
        one.settle();
        other.settle();
        prop_assert_eq!(one.told, other.told);
        prop_assert_eq!(one.journal, other.journal);
    }

    #[test]
    fn i9_replaying_the_journal_gives_the_same_state(steps in steps(80), at in 0.0..1.0) {
        let mut life = lived(small(), &steps);
        life.settle();
        prop_assert_eq!(life.core.acknowledged(), life.core.position());
        let live = life.core.image();
        let replayed = rebuilt(&life, small());
        prop_assert_eq!(&replayed.image(), &live);

        // From a snapshot in between it is the same.
        let cut = (life.journal.len() as f64 * at) as usize;
        let mut prefix = GuildCore::with_settings(GUILD, small());
        for (entry, position) in life.journal[..cut].iter().zip(1..) {
            prefix.apply(position, record::decode(entry).unwrap());
        }
        let image = prefix.image();
        let mut resumed = GuildCore::from_snapshot(&image, small()).unwrap();
        prop_assert_eq!(&resumed.image(), &image);
        for (entry, position) in life.journal.iter().zip(1..).skip(cut) {
            resumed.apply(position, record::decode(entry).unwrap());
        }
        prop_assert_eq!(resumed.position(), life.core.position());
        prop_assert_eq!(&resumed.image(), &live);
    }

    #[test]
    fn i3_a_missed_stretch_is_rendered_as_it_was_sent(steps in steps(80)) {
        let mut life = lived(small(), &steps);
        life.settle();
        let mut replay = Replay::new(GUILD, small().into());
        let mut again = Vec::new();
        for (entry, position) in life.journal.iter().zip(1..) {
            let event = record::decode(entry).unwrap();
            let scope = render::Scope { guild: GUILD, direct: false };
            let alone = render::items(scope, position, &event);
            let whole = replay.step(position, event);
            // All but the tables needs nothing but the record.
            let without_tables = whole
                .iter()
                .filter(|item| !matches!(item, Item::Visibility { .. }))
                .map(tell);
            prop_assert!(without_tables.eq(alone.iter().map(tell)));
            again.extend(whole.iter().map(tell));
        }
        let sent: Vec<String> = life.items.iter().filter(|i| durable(i)).map(tell).collect();
        prop_assert_eq!(sent, again);
    }

    #[test]
    fn i2_no_ghost_is_left_after_a_crash_and_i4_nothing_acknowledged_is_lost(steps in steps(80)) {
        // Whatever is in flight is lost: the journal did not take it.
        let life = lived(small(), &steps);
        let acknowledged = life.journal.len() as u64;
        prop_assert!(life.items.iter().all(|item| item.position() <= Some(acknowledged)));
        let core = rebuilt(&life, small());
        let mut world = World::with(small());
        world.core = core;
        world.journal.clone_from(&life.journal);
        world.now_ms = life.now_ms;
        // What a client was told is there is there, unless an acknowledged record says otherwise.
        let mut there = std::collections::BTreeSet::new();
        for entry in &life.journal {
            match record::decode(entry).unwrap() {
                Event::MessageCreated { message, .. } => {
                    there.insert(message.id);
                }
                Event::MessageDeleted { message_id, .. } => {
                    there.remove(&message_id);
                }
                _ => {}
            }
        }
        for id in &life.sent {
            prop_assert!(there.contains(id) || life.was_removed(*id), "{id:?} is lost");
        }
        for channel in world.core.channel_ids().collect::<Vec<_>>() {
            let page = Command::GetMessages {
                channel,
                page: crate::guild::command::Page::Latest,
                limit: 100,
            };
            let shown = world.ask(Caller::Operator, page);
            if let Ok(crate::guild::command::Reply::Json(body)) = shown {
                let shown: serde_json::Value = serde_json::from_slice(&body).unwrap();
                for message in shown.as_array().unwrap() {
                    prop_assert!(there.contains(&super::world::id_of(message)), "a ghost");
                }
            }
        }
    }

    #[test]
    fn i4_a_nonce_makes_one_message_however_often_it_is_sent(steps in steps(80)) {
        // Time stands still: nothing is forgotten by age, and there is room for every nonce.
        let steps: Vec<Step> = steps
            .into_iter()
            .filter(|step| !matches!(step, Step::Wait(_)))
            .collect();
        let settings = CoreSettings { max_nonces: 1_000, ..small() };
        let mut life = lived(settings, &steps);
        life.settle();
        let mut seen = std::collections::HashSet::new();
        for entry in &life.journal {
            if let Event::MessageCreated { message, nonce: Some(nonce), .. } =
                record::decode(entry).unwrap()
            {
                let key = (message.author.id, message.channel_id, nonce);
                prop_assert!(seen.insert(key), "sent twice");
            }
        }
    }

    #[test]
    fn the_table_and_the_permission_check_agree_on_who_sees_what(steps in steps(80)) {
        let mut life = lived(small(), &steps);
        life.settle();
        let now_ms = life.now_ms;
        let Ok(guild) = life.core.state.guild_mut() else {
            return Ok(());
        };
        let table = guild.table();
        for member in guild.members.values() {
            let caller = Caller::User(std::sync::Arc::clone(&member.user));
            let rights = super::super::rights::Rights::of(guild, &caller, now_ms).unwrap();
            let set = table.visible_to(member.user.id, &member.roles);
            for channel in guild.channels.values() {
                let slot = table.slot(channel.id).expect("a slot for every channel");
                let sees = rights.within(channel).contains(Permissions::VIEW_CHANNEL);
                prop_assert_eq!(set.contains(slot), sees);
            }
        }
    }
}
