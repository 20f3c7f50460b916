use serde_json::json;

use super::world::*;
use crate::guild::command::{Command, Reply};
use crate::protocol::objects::{Emoji, EmojiKey, Overwrite, OverwriteType};
use crate::protocol::{ApiError, MessageId, Permissions, UserId};

fn emoji(text: &str) -> EmojiKey {
    EmojiKey::parse(text).expect("an emoji")
}

fn react(id: MessageId, text: &str) -> Command {
    Command::AddReaction(GENERAL, id, emoji(text))
}

fn unreact(id: MessageId, text: &str, of: Option<UserId>) -> Command {
    Command::RemoveReaction(GENERAL, id, emoji(text), of)
}

#[test]
fn reactions_are_counted_and_told() {
    let mut world = World::new();
    let id = world.send(ALICE, "x");
    world.events();
    assert!(matches!(
        world.ask_as(BOB, react(id, "👍")),
        Ok(Reply::Done)
    ));
    let data = world.last_data();
    assert_eq!(data["emoji"], json!({"id": null, "name": "👍"}));
    assert_eq!(data["user_id"], "3");
    assert_eq!(data["message_author_id"], "2");
    assert_eq!(data["member"]["user"]["id"], "3");
    assert_eq!((&data["burst"], &data["type"]), (&false.into(), &0.into()));
    assert_eq!(data["guild_id"], "1000");
    // Twice is once.
    assert!(world.ask_as(BOB, react(id, "👍")).is_ok());
    assert_eq!(world.events(), ["MESSAGE_REACTION_ADD"]);
    world.ask_as(ALICE, react(id, "👍")).unwrap();
    world.ask_as(ALICE, react(id, "name:77")).unwrap();
    let read = |world: &mut World, who| {
        let message = world.get(who, Command::GetMessage(GENERAL, id));
        let reactions = message["reactions"].as_array().unwrap().clone();
        reactions
            .iter()
            .map(|r| {
                (
                    r["emoji"]["name"].clone(),
                    r["count"].clone(),
                    r["me"].clone(),
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        read(&mut world, BOB),
        [
            (json!("👍"), json!(2), json!(true)),
            (json!("name"), json!(1), json!(false))
        ]
    );
    assert_eq!(read(&mut world, BOT)[0].2, json!(false));
    world.events();
    assert!(world.ask_as(BOB, unreact(id, "👍", None)).is_ok());
    let data = world.last_data();
    assert!(data.get("member").is_none());
    assert_eq!(data["user_id"], "3");
    assert!(world.ask_as(BOB, unreact(id, "👍", None)).is_ok());
    assert_eq!(world.events(), ["MESSAGE_REACTION_REMOVE"]);
    // A custom emoji is its id, whatever it is called.
    assert!(world.ask_as(ALICE, unreact(id, "renamed:77", None)).is_ok());
    assert_eq!(world.last_data()["emoji"]["name"], "name");
    assert_eq!(
        read(&mut world, ALICE),
        [(json!("👍"), json!(1), json!(true))]
    );
}

#[test]
fn the_reactions_of_others_are_removed_by_moderators() {
    let mut world = World::new();
    let id = world.send(ALICE, "x");
    world.ask_as(BOB, react(id, "👍")).unwrap();
    let remove = || unreact(id, "👍", Some(BOB));
    assert_eq!(world.fails(ALICE, remove()), ApiError::MISSING_PERMISSIONS);
    assert!(world.ask_as(OWNER, remove()).is_ok());
    assert_eq!(world.last_data()["user_id"], "3");
}

#[test]
fn a_new_emoji_needs_a_permission_and_room() {
    let mut world = World::new();
    let id = world.send(ALICE, "x");
    for n in 0..20 {
        world
            .ask_as(ALICE, react(id, &format!("e:{}", 100 + n)))
            .unwrap();
    }
    assert_eq!(
        world.fails(ALICE, react(id, "👍")),
        ApiError::TOO_MANY_REACTIONS
    );
    assert!(world.ask_as(BOB, react(id, "e:100")).is_ok());
    let deny = Overwrite {
        id: GUILD.get(),
        kind: OverwriteType::Role,
        allow: Permissions::NONE,
        deny: Permissions::ADD_REACTIONS,
    };
    world.operate(Command::SetOverwrite(GENERAL, deny));
    let other = world.send(ALICE, "y");
    assert_eq!(
        world.fails(BOB, react(other, "👍")),
        ApiError::MISSING_PERMISSIONS
    );
    assert!(world.ask_as(BOB, react(id, "e:101")).is_ok());
    assert_eq!(
        world.fails(BOB, react(MessageId::new(1), "👍")),
        ApiError::UNKNOWN_MESSAGE
    );
    let letter = EmojiKey(Emoji {
        id: None,
        name: "x".to_owned(),
    });
    let command = Command::AddReaction(GENERAL, id, letter);
    assert_eq!(world.fails(BOB, command), ApiError::UNKNOWN_EMOJI);
}

#[test]
fn who_reacted_is_listed_by_rising_id() {
    let mut world = World::new();
    let id = world.send(ALICE, "x");
    for who in [BOT, OWNER, BOB, ALICE] {
        world.ask_as(who, react(id, "👍")).unwrap();
    }
    let mut list = |text: &str, after, limit| {
        let users = world.get(
            ALICE,
            Command::GetReactions {
                channel: GENERAL,
                message: id,
                emoji: emoji(text),
                after,
                limit,
            },
        );
        let users = users.as_array().unwrap().clone();
        users
            .iter()
            .map(|user| user["id"].as_str().unwrap().to_owned())
            .collect::<String>()
    };
    assert_eq!(list("👍", None, 100), "1234");
    assert_eq!(list("👍", Some(OWNER), 2), "23");
    assert_eq!(list("👍", Some(BOT), 2), "");
    assert_eq!(list("👎", None, 100), "");
}

#[test]
fn direct_reactions_name_no_guild() {
    let mut world = World::direct();
    let id = world.send(ALICE, "x");
    world.ask_as(BOB, react(id, "👍")).unwrap();
    let data = world.last_data();
    assert!(data.get("guild_id").is_none() && data.get("member").is_none());
    assert_eq!(data["user_id"], "3");
}

#[test]
fn typing_is_told_with_the_member_and_in_seconds() {
    let mut world = World::new();
    assert!(matches!(
        world.ask_as(ALICE, Command::Typing(GENERAL)),
        Ok(Reply::Done)
    ));
    let data = world.last_data();
    assert_eq!(data["timestamp"], START_MS / 1_000);
    assert_eq!(data["member"]["user"]["id"], "2");
    assert_eq!(data["guild_id"], "1000");
    assert_eq!(world.journal.len(), 1, "it is not kept");
    let mut direct = World::direct();
    direct.ask_as(BOB, Command::Typing(GENERAL)).unwrap();
    let data = direct.last_data();
    assert!(data.get("guild_id").is_none() && data.get("member").is_none());
}
