//! A guild with a journal in memory and a clock that is moved by hand.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::fanout::{Attachment, Item};
use crate::guild::command::{
    Caller, ChannelEdit, Command, NewChannel, NewGuild, NewMessage, Outcome, Reply, Request,
};
use crate::guild::core::{Attach, CoreSettings, GuildCore, HubId, Moment, Output, record};
use crate::protocol::ids::DISCORD_EPOCH_MS;
use crate::protocol::objects::{ChannelType, Presence, User};
use crate::protocol::{ApiError, ChannelId, GuildId, Intents, MessageId, UserId};

pub(super) const GUILD: GuildId = GuildId::new(1_000);
pub(super) const GENERAL: ChannelId = ChannelId::new(2_000);
pub(super) const OTHER: ChannelId = ChannelId::new(2_001);
pub(super) const OWNER: UserId = UserId::new(1);
pub(super) const ALICE: UserId = UserId::new(2);
pub(super) const BOB: UserId = UserId::new(3);
pub(super) const BOT: UserId = UserId::new(4);
/// Not a member.
pub(super) const EVE: UserId = UserId::new(9);
pub(super) const START_MS: u64 = DISCORD_EPOCH_MS + 100_000_000_000;

pub(super) fn user(id: UserId) -> Arc<User> {
    Arc::new(User::new(id, format!("user{id}"), id == BOT))
}

/// A core and what left it.
pub(super) struct World {
    pub(super) core: GuildCore,
    pub(super) now_ms: u64,
    ticket: u64,
    /// The journal as far as it is acknowledged.
    pub(super) journal: Vec<Bytes>,
    /// Items that left, oldest first.
    pub(super) items: Vec<Item>,
}

impl World {
    /// Before the guild is made.
    pub(super) fn empty() -> Self {
        Self::with(CoreSettings::default())
    }

    pub(super) fn with(settings: CoreSettings) -> Self {
        Self {
            core: GuildCore::with_settings(GUILD, settings),
            now_ms: START_MS,
            ticket: 0,
            journal: Vec::new(),
            items: Vec::new(),
        }
    }

    /// A guild of OWNER with ALICE, BOB and BOT, and the channels GENERAL and OTHER.
    pub(super) fn new() -> Self {
        let mut world = Self::empty();
        world.make_guild();
        world
    }

    pub(super) fn make_guild(&mut self) {
        let new = NewGuild {
            name: "Test".to_owned(),
            owner: user(OWNER),
            members: vec![user(ALICE), user(BOB), user(BOT)],
            channels: vec![
                text_channel(GENERAL, "general"),
                text_channel(OTHER, "other"),
            ],
            direct: false,
        };
        self.operate(Command::CreateGuild(Box::new(new)));
    }

    /// A direct message channel between ALICE and BOB.
    pub(super) fn direct() -> Self {
        let mut world = Self::empty();
        let new = NewGuild {
            name: String::new(),
            owner: user(ALICE),
            members: vec![user(BOB)],
            channels: vec![NewChannel {
                id: GENERAL,
                kind: ChannelType::Direct,
                fields: ChannelEdit::default(),
            }],
            direct: true,
        };
        world.operate(Command::CreateGuild(Box::new(new)));
        world
    }

    pub(super) fn moment(&self) -> Moment {
        Moment {
            now_ms: self.now_ms,
            fresh_id: MessageId::new((self.now_ms - DISCORD_EPOCH_MS) << 22),
        }
    }

    /// Gives a request without acknowledging anything.
    pub(super) fn submit(&mut self, caller: Caller, command: Command) -> u64 {
        self.ticket += 1;
        let at = self.moment();
        self.core
            .handle(&at, self.ticket, Request { caller, command });
        self.ticket
    }

    /// Lets the journal acknowledge everything.
    pub(super) fn flush(&mut self) -> Vec<Output> {
        let mut outputs: Vec<Output> = self.core.outputs().collect();
        while let Some(batch) = self.core.next_batch() {
            assert_eq!(batch.expected, self.journal.len() as u64);
            self.journal
                .extend(batch.records.into_iter().map(|record| record.bytes));
            self.core.appended(self.journal.len() as u64);
            outputs.extend(self.core.outputs());
        }
        outputs
    }

    pub(super) fn ask(&mut self, caller: Caller, command: Command) -> Outcome {
        let asked = self.submit(caller, command);
        let mut answer = None;
        for output in self.flush() {
            match output {
                Output::Reply { ticket, outcome } => {
                    assert_eq!(ticket, asked);
                    assert!(answer.replace(outcome).is_none(), "answered twice");
                }
                Output::Item(item) => self.items.push(item),
                Output::Attached { .. } => panic!("nothing was attached"),
            }
        }
        answer.expect("answered")
    }

    pub(super) fn ask_as(&mut self, id: UserId, command: Command) -> Outcome {
        self.ask(Caller::User(user(id)), command)
    }

    /// What the caller is answered as JSON.
    pub(super) fn get(&mut self, id: UserId, command: Command) -> Value {
        json(self.ask_as(id, command))
    }

    pub(super) fn fails(&mut self, id: UserId, command: Command) -> ApiError {
        self.ask_as(id, command).expect_err("must be refused")
    }

    pub(super) fn operate(&mut self, command: Command) -> Reply {
        self.ask(Caller::Operator, command).expect("done")
    }

    pub(super) fn send(&mut self, id: UserId, content: &str) -> MessageId {
        id_of(&self.get(id, create(GENERAL, content)))
    }

    pub(super) fn attach(&mut self, attach: &Attach) -> Result<Attachment, ApiError> {
        let at = self.moment();
        self.core.attach(&at, attach);
        let mut answer = None;
        for output in self.flush() {
            match output {
                Output::Attached { result, .. } => answer = Some(*result),
                Output::Item(item) => self.items.push(item),
                Output::Reply { .. } => panic!("nothing was asked"),
            }
        }
        answer.expect("answered")
    }

    /// Names of the events that left since the last call.
    pub(super) fn events(&mut self) -> Vec<String> {
        self.items
            .drain(..)
            .map(|item| match item {
                Item::Dispatch(dispatch) => dispatch.event.as_str().to_owned(),
                Item::Visibility { .. } => "visibility".to_owned(),
                Item::Member { .. } => "member".to_owned(),
                Item::Left { .. } => "left".to_owned(),
                Item::Deleted { .. } => "deleted".to_owned(),
            })
            .collect()
    }

    /// The data of the last dispatch that left.
    pub(super) fn last_data(&self) -> Value {
        let dispatch = self.items.iter().rev().find_map(|item| match item {
            Item::Dispatch(dispatch) => Some(dispatch),
            _ => None,
        });
        payload(&dispatch.expect("a dispatch").body)["d"].clone()
    }

    /// A core rebuilt from what is acknowledged.
    pub(super) fn rebuilt(&self, settings: CoreSettings) -> GuildCore {
        let mut core = GuildCore::with_settings(GUILD, settings);
        for (entry, position) in self.journal.iter().zip(1..) {
            core.apply(position, record::decode(entry).expect("readable"));
        }
        core
    }
}

/// A shared body completed as a session would.
pub(super) fn payload(body: &Bytes) -> Value {
    let mut frame = body.to_vec();
    crate::fanout::envelope::write_suffix(&mut frame, 1);
    serde_json::from_slice(&frame).expect("a frame is JSON")
}

pub(super) fn json(outcome: Outcome) -> Value {
    match outcome.expect("done") {
        Reply::Json(body) => serde_json::from_slice(&body).expect("a reply is JSON"),
        other => panic!("no body: {other:?}"),
    }
}

pub(super) fn id_of(value: &Value) -> MessageId {
    value["id"].as_str().expect("an id").parse().expect("an id")
}

pub(super) fn create(channel: ChannelId, content: &str) -> Command {
    send_with(channel, |message| message.content = content.to_owned())
}

pub(super) fn send_with(channel: ChannelId, set: impl FnOnce(&mut NewMessage)) -> Command {
    let mut message = NewMessage {
        content: "x".to_owned(),
        ..NewMessage::default()
    };
    set(&mut message);
    Command::CreateMessage(channel, Box::new(message))
}

pub(super) fn text_channel(id: ChannelId, name: &str) -> NewChannel {
    NewChannel {
        id,
        kind: ChannelType::Text,
        fields: ChannelEdit {
            name: Some(name.to_owned()),
            ..ChannelEdit::default()
        },
    }
}

pub(super) fn session(user: UserId, session: u64, intents: Intents) -> Attach {
    Attach {
        hub: HubId(1),
        session,
        user,
        intents,
        large_threshold: 50,
        presence: Some(Presence::default()),
    }
}
