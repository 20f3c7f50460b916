use serde_json::json;

use super::world::*;
use crate::guild::command::{AllowedMentions, Command, MessageEdit, Page, Reply};
use crate::guild::core::CoreSettings;
use crate::protocol::objects::{MessageReference, Nonce};
use crate::protocol::{ApiError, ChannelId, MessageId, RoleId, UserId};

fn edit(id: MessageId, content: &str) -> Command {
    let edit = MessageEdit {
        content: Some(content.to_owned()),
        ..MessageEdit::default()
    };
    Command::EditMessage(GENERAL, id, Box::new(edit))
}

fn history(page: Page, limit: usize) -> Command {
    Command::GetMessages {
        channel: GENERAL,
        page,
        limit,
    }
}

fn contents(world: &mut World, page: Page, limit: usize) -> Vec<String> {
    let found = world.get(ALICE, history(page, limit));
    let found = found.as_array().unwrap();
    found
        .iter()
        .map(|message| message["content"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_message_is_answered_and_dispatched_with_every_key_clients_need() {
    let mut world = World::new();
    let reply = world.get(
        ALICE,
        send_with(GENERAL, |message| {
            message.content = "hello".to_owned();
            message.nonce = Some(Nonce::Text("n1".to_owned()));
        }),
    );
    assert_eq!(world.events(), ["MESSAGE_CREATE"]);
    let id = id_of(&reply);
    let expected = json!({
        "id": id.to_string(), "type": 0, "channel_id": "2000", "content": "hello",
        "author": {"id": "2", "username": "user2", "discriminator": "0", "global_name": null,
            "avatar": null, "bot": false, "public_flags": 0},
        "timestamp": "2018-03-03T09:46:40.000000+00:00", "edited_timestamp": null, "tts": false,
        "mention_everyone": false, "mentions": [], "mention_roles": [], "attachments": [],
        "embeds": [], "components": [], "pinned": false, "flags": 0, "nonce": "n1",
    });
    assert_eq!(reply, expected);
    world.send(ALICE, "again");
    let data = world.last_data();
    assert_eq!(data["guild_id"], "1000");
    assert_eq!(data["content"], "again");
    let member = json!({"roles": [], "joined_at": data["member"]["joined_at"], "deaf": false, "mute": false, "flags": 0});
    assert_eq!(
        data["member"], member,
        "what is optional and null is left out"
    );
    assert!(data["member"]["joined_at"].is_string());
    assert!(data.get("nonce").is_none() && data.get("channel_type").is_none());
}

#[test]
fn message_ids_rise_whatever_the_clock_does() {
    let mut world = World::new();
    let mut last = MessageId::new(0);
    for step in [0, 5_000, 0, 1] {
        world.now_ms = START_MS + step;
        let id = world.send(ALICE, "x");
        assert!(id > last);
        last = id;
    }
}

#[test]
fn direct_messages_have_no_guild_and_tell_their_channel_type() {
    let mut world = World::direct();
    world.send(ALICE, "hi");
    let data = world.last_data();
    assert_eq!(data["channel_type"], 1);
    assert!(data.get("guild_id").is_none() && data.get("member").is_none());
    assert_eq!(
        world.fails(EVE, create(GENERAL, "x")),
        ApiError::MISSING_ACCESS
    );
    // There is no moderation among equals.
    let id = world.send(ALICE, "mine");
    assert_eq!(
        world.fails(BOB, Command::DeleteMessage(GENERAL, id)),
        ApiError::MISSING_PERMISSIONS
    );
    assert_eq!(
        world.fails(ALICE, Command::BulkDelete(GENERAL, vec![id, id])),
        ApiError::NOT_IN_DIRECT_MESSAGES
    );
}

#[test]
fn what_cannot_be_sent_is_refused_with_discords_codes() {
    let mut world = World::new();
    let long = "é".repeat(2_001);
    let cases = [
        (create(GENERAL, ""), 50_006),
        (create(GENERAL, " \n "), 50_006),
        (create(GENERAL, &long), 50_035),
        (create(ChannelId::new(77), "x"), 10_003),
        (
            send_with(GENERAL, |message| {
                message.nonce = Some(Nonce::Text("é".repeat(26)));
            }),
            50_035,
        ),
        (
            send_with(GENERAL, |message| {
                let raw = serde_json::value::RawValue::from_string("{}".to_owned()).unwrap();
                message.embeds = vec![raw; 11];
            }),
            50_035,
        ),
    ];
    for (command, code) in cases {
        assert_eq!(world.fails(ALICE, command).code, code);
    }
    assert!(world.ask_as(ALICE, create(GENERAL, &long[2..])).is_ok());
    assert_eq!(
        world.fails(EVE, create(GENERAL, "x")),
        ApiError::MISSING_ACCESS
    );
}

#[test]
fn i4_a_nonce_that_is_sent_again_is_one_message() {
    let mut world = World::new();
    let with_nonce = |channel, n| {
        send_with(channel, |message| {
            message.nonce = Some(Nonce::Number(n));
            message.enforce_nonce = true;
        })
    };
    let first = world.get(ALICE, with_nonce(GENERAL, 1));
    let second = world.get(ALICE, with_nonce(GENERAL, 1));
    assert_eq!(first["id"], second["id"]);
    assert_eq!(world.events(), ["MESSAGE_CREATE"]);
    for (who, command) in [
        (BOB, with_nonce(GENERAL, 1)),
        (ALICE, with_nonce(OTHER, 1)),
        (ALICE, with_nonce(GENERAL, 2)),
    ] {
        assert_ne!(world.get(who, command)["id"], first["id"]);
    }
    // It is remembered through a rebuild.
    world.core = world.rebuilt(CoreSettings::default());
    assert_eq!(world.get(ALICE, with_nonce(GENERAL, 1))["id"], first["id"]);
    world.now_ms += 10 * 60 * 1_000;
    assert_ne!(world.get(ALICE, with_nonce(GENERAL, 1))["id"], first["id"]);
}

#[test]
fn a_retry_of_a_deleted_message_does_not_send_it_again() {
    let mut world = World::new();
    let command = || {
        send_with(GENERAL, |message| {
            message.nonce = Some(Nonce::Number(1));
            message.enforce_nonce = true;
        })
    };
    let id = id_of(&world.get(ALICE, command()));
    world
        .ask_as(ALICE, Command::DeleteMessage(GENERAL, id))
        .unwrap();
    assert_eq!(world.fails(ALICE, command()), ApiError::UNKNOWN_MESSAGE);
}

#[test]
fn mentions_count_as_far_as_they_are_allowed() {
    let mut world = World::new();
    let parse = |kinds: &[&str]| AllowedMentions {
        parse: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        ..AllowedMentions::default()
    };
    let listed = AllowedMentions {
        users: vec![BOB, UserId::new(77)],
        ..AllowedMentions::default()
    };
    let cases = [
        (None, json!(["3", "4"]), true),
        (Some(parse(&[])), json!([]), false),
        (Some(parse(&["users"])), json!(["3", "4"]), false),
        (Some(parse(&["everyone"])), json!([]), true),
        (Some(listed), json!(["3"]), false),
    ];
    for (allowed, users, everyone) in cases {
        let reply = world.get(
            OWNER,
            send_with(GENERAL, |message| {
                message.content = "<@3> <@!3> <@4> <@9> <@&1000> @everyone".to_owned();
                message.allowed_mentions = allowed;
            }),
        );
        let found: Vec<_> = reply["mentions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["id"].clone())
            .collect();
        assert_eq!(json!(found), users);
        assert_eq!(reply["mention_everyone"], everyone);
        assert_eq!(reply["mention_roles"], json!([]));
    }
}

#[test]
fn replies_carry_what_they_reply_to() {
    let mut world = World::new();
    let first = world.send(ALICE, "first");
    let reply_to = |message_id, channel_id, must_exist, replied_user| {
        send_with(GENERAL, |message| {
            let reference = MessageReference {
                message_id,
                channel_id,
                guild_id: None,
            };
            message.reference = Some((reference, must_exist));
            message.allowed_mentions = Some(AllowedMentions {
                replied_user,
                ..AllowedMentions::default()
            });
        })
    };
    let reply = world.get(BOB, reply_to(first, GENERAL, true, true));
    assert_eq!(reply["type"], 19);
    assert_eq!(
        reply["message_reference"],
        json!({"message_id": first.to_string(), "channel_id": "2000", "guild_id": "1000"})
    );
    assert_eq!(reply["referenced_message"]["content"], "first");
    assert_eq!(reply["mentions"][0]["id"], "2");
    assert_eq!(world.last_data()["referenced_message"]["content"], "first");
    let quiet = world.get(BOB, reply_to(first, GENERAL, true, false));
    assert_eq!(quiet["mentions"], json!([]));

    let gone = MessageId::new(1);
    assert_eq!(
        world.fails(BOB, reply_to(gone, GENERAL, true, true)).code,
        50_035
    );
    assert_eq!(
        world.fails(BOB, reply_to(first, OTHER, true, true)).code,
        50_035
    );
    let plain = world.get(BOB, reply_to(gone, GENERAL, false, true));
    assert_eq!(plain["type"], 0);
    assert!(plain.get("message_reference").is_none());

    // Later it is looked up anew: deleted is null.
    world
        .ask_as(ALICE, Command::DeleteMessage(GENERAL, first))
        .unwrap();
    world.send(ALICE, "x");
    let read = world.get(BOB, Command::GetMessage(GENERAL, id_of(&reply)));
    assert!(
        read.get("referenced_message")
            .is_none_or(serde_json::Value::is_null)
    );
}

#[test]
fn slow_mode_holds_for_users_and_not_for_bots() {
    let mut world = World::new();
    let edit = crate::guild::command::ChannelEdit {
        rate_limit_per_user: Some(5),
        ..Default::default()
    };
    world.operate(Command::EditChannel(GENERAL, Box::new(edit)));
    world.send(ALICE, "x");
    world.now_ms += 1_500;
    let error = world.fails(ALICE, create(GENERAL, "x"));
    assert_eq!((error.status, error.code), (429, 20_016));
    assert_eq!(error.retry_after_ms, Some(3_500));
    assert_eq!(error.body()["retry_after"], 3.5);
    // Nobody else is held up, nor is another channel.
    world.send(BOB, "x");
    for _ in 0..2 {
        world.send(BOT, "x");
        world.send(OWNER, "x");
        world.ask_as(ALICE, create(OTHER, "x")).unwrap();
    }
    world.core = world.rebuilt(CoreSettings::default());
    assert_eq!(world.fails(ALICE, create(GENERAL, "x")).code, 20_016);
    world.now_ms += 3_500;
    world.send(ALICE, "x");
}

#[test]
fn an_edit_keeps_what_it_does_not_name() {
    let mut world = World::new();
    let id = world.send(ALICE, "one <@3>");
    world.now_ms += 1_000;
    let edited = world.get(ALICE, edit(id, "two"));
    assert_eq!(edited["content"], "two");
    assert_eq!(edited["mentions"], json!([]));
    assert_eq!(
        edited["edited_timestamp"],
        "2018-03-03T09:46:41.000000+00:00"
    );
    assert_eq!(edited["timestamp"], "2018-03-03T09:46:40.000000+00:00");
    assert_eq!(world.events(), ["MESSAGE_CREATE", "MESSAGE_UPDATE"]);
    // The same again changes nothing.
    assert_eq!(world.get(ALICE, edit(id, "two")), edited);
    assert_eq!(world.events(), [""; 0]);

    assert_eq!(world.fails(BOB, edit(id, "x")), ApiError::NOT_THE_AUTHOR);
    assert_eq!(world.fails(ALICE, edit(id, "")), ApiError::EMPTY_MESSAGE);
    let unknown = MessageId::new(1);
    assert_eq!(
        world.fails(ALICE, edit(unknown, "x")),
        ApiError::UNKNOWN_MESSAGE
    );
    // Others may suppress embeds, if they manage messages.
    let suppress = || {
        let edit = MessageEdit {
            flags: Some(1 << 2),
            ..MessageEdit::default()
        };
        Command::EditMessage(GENERAL, id, Box::new(edit))
    };
    assert_eq!(world.fails(BOB, suppress()), ApiError::MISSING_PERMISSIONS);
    assert_eq!(world.get(OWNER, suppress())["flags"], 4);
}

#[test]
fn messages_are_deleted_by_their_author_or_a_moderator() {
    let mut world = World::new();
    let ids: Vec<_> = (0..4).map(|_| world.send(ALICE, "x")).collect();
    let delete = |id| Command::DeleteMessage(GENERAL, id);
    assert_eq!(
        world.fails(BOB, delete(ids[0])),
        ApiError::MISSING_PERMISSIONS
    );
    assert!(matches!(
        world.ask_as(ALICE, delete(ids[0])),
        Ok(Reply::Done)
    ));
    let data = world.last_data();
    assert_eq!(
        data,
        json!({"id": ids[0].to_string(), "channel_id": "2000", "guild_id": "1000"})
    );
    assert!(world.ask_as(OWNER, delete(ids[1])).is_ok());
    assert_eq!(
        world.fails(ALICE, delete(ids[1])),
        ApiError::UNKNOWN_MESSAGE
    );

    let bulk = |ids: &[MessageId]| Command::BulkDelete(GENERAL, ids.to_vec());
    assert_eq!(
        world.fails(ALICE, bulk(&ids[2..])),
        ApiError::MISSING_PERMISSIONS
    );
    assert_eq!(
        world.fails(OWNER, bulk(&ids[3..])),
        ApiError::BULK_DELETE_COUNT
    );
    assert_eq!(
        world.fails(OWNER, bulk(&[ids[2], MessageId::new(5)])),
        ApiError::BULK_DELETE_TOO_OLD
    );
    assert_eq!(world.fails(OWNER, bulk(&[ids[2], ids[2]])).code, 50_035);
    world.events();
    assert!(world.ask_as(OWNER, bulk(&ids)).is_ok());
    assert_eq!(
        world.last_data()["ids"],
        json!([ids[2].to_string(), ids[3].to_string()])
    );
    assert_eq!(world.events(), ["MESSAGE_DELETE_BULK"]);
    assert!(contents(&mut world, Page::Latest, 10).is_empty());
    // Nothing of it is there any more: nothing to tell.
    assert!(world.ask_as(OWNER, bulk(&ids)).is_ok());
    assert_eq!(world.events(), [""; 0]);
}

#[test]
fn history_is_paged_newest_first() {
    let mut world = World::new();
    let ids: Vec<_> = (0..9).map(|n| world.send(ALICE, &n.to_string())).collect();
    let mut page = |page, limit| contents(&mut world, page, limit).concat();
    assert_eq!(page(Page::Latest, 3), "876");
    assert_eq!(page(Page::Before(ids[3]), 2), "21");
    assert_eq!(page(Page::Before(ids[0]), 2), "");
    assert_eq!(page(Page::After(ids[3]), 2), "54");
    assert_eq!(page(Page::After(ids[8]), 2), "");
    assert_eq!(page(Page::Around(ids[4]), 3), "543");
    assert_eq!(page(Page::Around(ids[4]), 4), "6543");
    assert_eq!(page(Page::Around(ids[8]), 5), "87654");
    assert_eq!(page(Page::Around(ids[0]), 1), "0");
    assert_eq!(page(Page::Latest, 100), "876543210");
    for limit in [0, 101] {
        assert_eq!(
            world.fails(ALICE, history(Page::Latest, limit)).code,
            50_035
        );
    }
}

#[test]
fn i7_the_oldest_messages_are_forgotten_first() {
    let mut world = World::with(CoreSettings {
        max_messages: 5,
        max_message_bytes: 100,
        ..CoreSettings::default()
    });
    world.make_guild();
    for n in 0..8 {
        world.send(ALICE, &n.to_string());
    }
    assert_eq!(contents(&mut world, Page::Latest, 10).concat(), "76543");
    world.send(ALICE, &"x".repeat(98));
    let figures = world.core.figures();
    assert_eq!((figures.messages, figures.message_bytes), (3, 100));
}

#[test]
fn a_message_with_roles_mentions_those_that_may_be() {
    let mut world = World::new();
    for (id, mentionable) in [(50, true), (51, false)] {
        let edit = crate::guild::command::RoleEdit {
            mentionable: Some(mentionable),
            ..Default::default()
        };
        world.operate(Command::CreateRole(RoleId::new(id), Box::new(edit)));
    }
    // Everyone may mention by default: take that away.
    let everyone = crate::guild::command::RoleEdit {
        permissions: Some(crate::protocol::Permissions::from_bits(3072)),
        ..Default::default()
    };
    world.operate(Command::EditRole(GUILD.everyone(), Box::new(everyone)));
    let reply = world.get(ALICE, create(GENERAL, "<@&50><@&51><@&52> @here"));
    assert_eq!(reply["mention_roles"], json!(["50"]));
    assert_eq!(reply["mention_everyone"], false);
    let reply = world.get(OWNER, create(GENERAL, "<@&50><@&51><@&50> @here"));
    assert_eq!(reply["mention_roles"], json!(["50", "51"]));
    assert_eq!(reply["mention_everyone"], true);
}
