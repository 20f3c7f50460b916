//! A guild that lives through steps, watched by the invariants.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::world::{GUILD, START_MS, user};
use super::steps::Step;
use crate::fanout::Item;
use crate::guild::command::{Caller, Command, NewGuild, Reply, Request};
use crate::guild::core::{Attach, Batch, CoreSettings, GuildCore, HubId, Moment, Output, record};
use crate::guild::event::Event;
use crate::protocol::ids::DISCORD_EPOCH_MS;
use crate::protocol::objects::Presence;
use crate::protocol::{ApiError, ChannelId, Intents, MessageId, Position, UserId};

pub(super) struct Life {
    pub(super) core: GuildCore,
    pub(super) now_ms: u64,
    /// What is acknowledged.
    pub(super) journal: Vec<Bytes>,
    in_flight: Option<Batch>,
    /// Items that left.
    pub(super) items: Vec<Item>,
    /// Every output that left, as text.
    pub(super) told: Vec<String>,
    /// Messages that a client was told were sent.
    pub(super) sent: BTreeSet<MessageId>,
    /// Open tickets, with the position that the answer may depend on and what it was about.
    open: BTreeMap<u64, (Position, bool)>,
    ticket: u64,
    last_answered: u64,
    /// The last item's position: what follows is not older.
    last_item: Position,
    /// The last view's position: items that follow are newer.
    last_view: Position,
    known: Vec<(ChannelId, MessageId)>,
    removed: BTreeSet<MessageId>,
}

impl Life {
    pub(super) fn new(settings: CoreSettings) -> Self {
        let mut life = Self {
            core: GuildCore::with_settings(GUILD, settings),
            now_ms: START_MS,
            journal: Vec::new(),
            in_flight: None,
            items: Vec::new(),
            told: Vec::new(),
            sent: BTreeSet::new(),
            open: BTreeMap::new(),
            ticket: 0,
            last_answered: 0,
            last_item: 0,
            last_view: 0,
            known: Vec::new(),
            removed: BTreeSet::new(),
        };
        life.core.emit(Event::Claimed {
            node: "node".to_owned(),
        });
        let new = NewGuild {
            name: "Random".to_owned(),
            owner: user(UserId::new(1)),
            members: (2..5).map(|id| user(UserId::new(id))).collect(),
            channels: vec![
                super::super::world::text_channel(ChannelId::new(2_000), "general"),
                super::super::world::text_channel(ChannelId::new(2_001), "other"),
            ],
            direct: false,
        };
        life.ask(Caller::Operator, Command::CreateGuild(Box::new(new)));
        life.settle();
        life
    }

    pub(super) fn take(&mut self, step: &Step) {
        match step {
            Step::Ask(who, ask) => {
                let caller = who.map_or(Caller::Operator, |id| Caller::User(user(id)));
                let command = ask.command(&self.known);
                self.ask(caller, command);
            }
            Step::Wait(ms) => self.now_ms += ms,
            Step::TakeBatch => self.take_batch(),
            Step::Acknowledge => self.acknowledge(),
            Step::Attach(user, session, presences) => {
                let attach = Attach {
                    hub: HubId(1 + (*session % 2) as u32),
                    session: *session,
                    user: *user,
                    intents: if *presences {
                        Intents::GUILD_PRESENCES
                    } else {
                        Intents::NONE
                    },
                    large_threshold: 50,
                    presence: (session % 2 == 0).then(Presence::default),
                };
                self.core.attach(&self.moment(), &attach);
            }
            Step::Detach(user, session) => {
                let hub = HubId(1 + (*session % 2) as u32);
                self.core.detach(&self.moment(), hub, *session, *user);
            }
            Step::Present(user, status) => {
                let presence = Presence {
                    status: *status,
                    activities: Vec::new(),
                };
                self.core.set_presence(&self.moment(), *user, &presence);
            }
        }
        self.watch();
    }

    /// Lets the journal acknowledge everything.
    pub(super) fn settle(&mut self) {
        loop {
            self.acknowledge();
            self.take_batch();
            self.watch();
            if self.in_flight.is_none() {
                break;
            }
        }
        assert_eq!(self.core.position(), self.journal.len() as Position);
    }

    pub(super) fn open_tickets(&self) -> Vec<u64> {
        self.open.keys().copied().collect()
    }

    /// Whether somebody asked for the removal of a message, alone or with its channel.
    pub(super) fn was_removed(&self, id: MessageId) -> bool {
        self.removed.contains(&id)
    }

    fn moment(&self) -> Moment {
        Moment {
            now_ms: self.now_ms,
            fresh_id: MessageId::new((self.now_ms - DISCORD_EPOCH_MS) << 22),
        }
    }

    fn ask(&mut self, caller: Caller, command: Command) {
        self.ticket += 1;
        let is_send = matches!(command, Command::CreateMessage(..));
        let request = Request { caller, command };
        self.core.handle(&self.moment(), self.ticket, request);
        self.open
            .insert(self.ticket, (self.core.position(), is_send));
    }

    fn take_batch(&mut self) {
        let had_one = self.in_flight.is_some();
        if let Some(batch) = self.core.next_batch() {
            assert!(!had_one, "one append in flight");
            assert_eq!(batch.expected, self.journal.len() as Position, "dense");
            assert!(!batch.records.is_empty());
            self.in_flight = Some(batch);
        }
    }

    fn acknowledge(&mut self) {
        let Some(batch) = self.in_flight.take() else {
            return;
        };
        for entry in &batch.records {
            let event = record::decode(&entry.bytes).expect("readable");
            assert_eq!(record::encode(&event), entry.bytes, "one form");
            assert_eq!(record::about(&entry.bytes), entry.about);
            self.note(event);
        }
        let records = batch.records.into_iter().map(|record| record.bytes);
        self.journal.extend(records);
        self.core.appended(self.journal.len() as Position);
    }

    /// Keeps the list of messages that there are.
    fn note(&mut self, event: Event) {
        let mut gone = Vec::new();
        match event {
            Event::MessageCreated { message, .. } => {
                let last = self.known.last();
                assert!(last.is_none_or(|(_, id)| *id < message.id), "ids rise");
                self.known.push((message.channel_id, message.id));
            }
            Event::MessageDeleted { message_id, .. } => gone.push(message_id),
            Event::MessagesDeleted { message_ids, .. } => gone = message_ids,
            Event::ChannelDeleted(channel) => {
                let within = self.known.iter().filter(|(c, _)| *c == channel.id);
                gone = within.map(|(_, id)| *id).collect();
            }
            _ => {}
        }
        self.removed.extend(gone);
    }

    /// Takes what leaves and holds it against the invariants.
    fn watch(&mut self) {
        let acknowledged = self.journal.len() as Position;
        let outputs: Vec<Output> = self.core.outputs().collect();
        for output in outputs {
            self.told.push(match &output {
                Output::Item(item) => tell(item),
                other => told(other),
            });
            match output {
                Output::Item(item) => {
                    if let Some(position) = item.position() {
                        assert!(position <= acknowledged, "I2: an item before its append");
                        assert!(position >= self.last_item, "I3: an item out of order");
                        assert!(position > self.last_view, "I3: news that a view has");
                        self.last_item = position;
                    }
                    self.items.push(item);
                }
                Output::Reply { ticket, outcome } => {
                    let (position, is_send) = self.open.remove(&ticket).expect("answered once");
                    if outcome.as_ref().err() == Some(&ApiError::UNAVAILABLE) {
                        continue;
                    }
                    assert!(position <= acknowledged, "I2: an answer before its append");
                    assert!(ticket > self.last_answered, "answers in order");
                    self.last_answered = ticket;
                    if let Ok(Reply::Json(body)) = outcome
                        && is_send
                    {
                        let body = serde_json::from_slice(&body).expect("JSON");
                        self.sent.insert(super::super::world::id_of(&body));
                    }
                }
                Output::Attached { result, .. } => {
                    if let Ok(attachment) = *result {
                        let position = attachment.view.position;
                        assert!(position <= acknowledged, "I2: a view before its append");
                        assert!(position >= self.last_item, "I3: a view older than an item");
                        assert!(position >= self.last_view, "I3: views out of order");
                        self.last_view = position;
                    }
                }
            }
        }
    }
}

/// Whether an item stands in the journal.
pub(super) fn durable(item: &Item) -> bool {
    item.position().is_some()
}

/// An item as text, the same for the same item.
pub(super) fn tell(item: &Item) -> String {
    let Item::Visibility { position, table } = item else {
        return format!("{item:?}");
    };
    let mut roles: Vec<_> = table.roles.iter().collect();
    roles.sort_by_key(|(id, _)| **id);
    format!(
        "{position} {:?} {:?} {roles:?} {:?}",
        table.owner, table.everyone, table.channels
    )
}

fn told(output: &Output) -> String {
    let Output::Attached {
        hub,
        session,
        result,
    } = output
    else {
        return format!("{output:?}");
    };
    match &**result {
        Err(error) => format!("{hub:?} {session} {error:?}"),
        Ok(attachment) => format!(
            "{hub:?} {session} {} {:?} {:?} {:?} {:?}",
            attachment.view.position,
            attachment.view.head,
            attachment.view.table.channels,
            attachment.members,
            attachment.presences
        ),
    }
}
