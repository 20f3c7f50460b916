//! A guild that forgets and reads its journal answers like one that never forgets.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::world::{GUILD, World, user};
use super::small;
use super::steps::{Step, steps};
use crate::guild::command::{Caller, Command, Outcome, Page, Request};
use crate::guild::core::{CoreSettings, Recollection, record};
use crate::guild::event::Event;
use crate::guild::recall::recall;
use crate::journal::{Journal, MemoryJournal, NewRecord};
use crate::protocol::{ChannelId, MessageId};

/// Requests whose messages are being read, and how many others come first.
struct Held {
    caller: Caller,
    command: Command,
    read: Recollection,
    left: usize,
}

struct Twins {
    /// Forgets nothing.
    whole: World,
    forgetful: World,
    journal: MemoryJournal,
    runtime: tokio::runtime::Runtime,
    known: Vec<(ChannelId, MessageId)>,
    deleted: BTreeSet<ChannelId>,
    held: Option<Held>,
    reads: usize,
}

impl Twins {
    fn new() -> Self {
        let unlimited = CoreSettings {
            max_messages: usize::MAX,
            max_message_bytes: usize::MAX,
            ..small()
        };
        let mut twins = Self {
            whole: World::with(unlimited),
            forgetful: World::with(small()),
            journal: MemoryJournal::new(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
            known: Vec::new(),
            deleted: BTreeSet::new(),
            held: None,
            reads: 0,
        };
        twins.whole.make_guild();
        twins.forgetful.make_guild();
        twins.keep_up();
        twins
    }

    /// Gives the journal what the forgetful one has written, and looks at it.
    fn keep_up(&mut self) {
        assert_eq!(self.whole.journal, self.forgetful.journal);
        let at = self
            .runtime
            .block_on(self.journal.last_position(GUILD))
            .unwrap();
        let new = self.forgetful.journal[at as usize..].iter().map(|bytes| {
            match record::decode(bytes).unwrap() {
                Event::MessageCreated { message, .. } => {
                    self.known.push((message.channel_id, message.id));
                }
                Event::ChannelDeleted(channel) => {
                    self.deleted.insert(channel.id);
                }
                _ => {}
            }
            NewRecord {
                bytes: bytes.clone(),
                about: record::about(bytes),
            }
        });
        let new: Vec<NewRecord> = new.collect();
        self.runtime
            .block_on(self.journal.append(GUILD, at, new))
            .unwrap();
    }

    fn wants(&self, caller: &Caller, command: &Command) -> Vec<crate::journal::Span> {
        let request = Request {
            caller: caller.clone(),
            command: command.clone(),
        };
        self.forgetful
            .core
            .wants(&self.forgetful.moment(), &request)
    }

    fn read(&mut self, spans: &[crate::journal::Span]) -> Recollection {
        self.reads += 1;
        self.runtime
            .block_on(recall(&self.journal, GUILD, spans))
            .unwrap()
    }

    fn ask(&mut self, caller: Caller, command: Command, hold: usize) {
        let spans = self.wants(&caller, &command);
        if spans.is_empty() {
            self.compare(&caller, &command);
        } else if self.held.is_none() {
            self.forgetful.core.begin_recall();
            let read = self.read(&spans);
            self.held = Some(Held {
                caller,
                command,
                read,
                left: hold,
            });
        }
        // What else wants to read waits for its turn: here it is left out.
        match &mut self.held {
            Some(waits) if waits.left == 0 => self.resume(),
            Some(waits) => waits.left -= 1,
            None => {}
        }
    }

    fn resume(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        assert!(self.forgetful.core.recall(held.read));
        let mut rounds = 0;
        loop {
            let spans = self.wants(&held.caller, &held.command);
            if spans.is_empty() {
                break;
            }
            rounds += 1;
            assert!(rounds < 3, "always something new is missing: {spans:?}");
            self.forgetful.core.end_recall();
            self.forgetful.core.begin_recall();
            let read = self.read(&spans);
            assert!(self.forgetful.core.recall(read));
        }
        self.compare(&held.caller, &held.command);
        self.forgetful.core.end_recall();
    }

    fn compare(&mut self, caller: &Caller, command: &Command) {
        let answer = |world: &mut World| -> String {
            let outcome: Outcome = world.ask(caller.clone(), command.clone());
            format!("{outcome:?}")
        };
        assert_eq!(
            answer(&mut self.forgetful),
            answer(&mut self.whole),
            "{command:?}"
        );
        let items = |world: &mut World| -> Vec<String> {
            world
                .items
                .drain(..)
                .map(|item| super::tell(&item))
                .collect()
        };
        assert_eq!(items(&mut self.forgetful), items(&mut self.whole));
        self.keep_up();
    }

    fn take(&mut self, step: &Step, hold: usize) {
        match step {
            Step::Ask(who, ask) => {
                let caller = who.map_or(Caller::Operator, |id| Caller::User(user(id)));
                let command = ask.command(&self.known);
                // Ids of channels are never used again.
                if matches!(&command, Command::CreateChannel(new) if self.deleted.contains(&new.id))
                {
                    return;
                }
                self.ask(caller, command, hold);
            }
            Step::Wait(ms) => {
                self.whole.now_ms += ms;
                self.forgetful.now_ms += ms;
            }
            _ => {}
        }
    }
}

fn pages(channel: ChannelId, around: MessageId) -> impl Iterator<Item = Command> {
    let near = [around.get() - 1, around.get(), around.get() + 1].map(MessageId::new);
    let pages = near
        .into_iter()
        .flat_map(|id| [Page::Before(id), Page::After(id), Page::Around(id)])
        .chain([Page::Latest]);
    pages.flat_map(move |page| {
        [1, 2, 7, 100].map(|limit| Command::GetMessages {
            channel,
            page,
            limit,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn history_beyond_memory_is_what_it_would_be_in_memory(
        steps in prop::collection::vec((steps(2), 0..4_usize), 1..120),
        at in any::<prop::sample::Index>(),
    ) {
        let mut twins = Twins::new();
        for (step, hold) in &steps {
            twins.take(&step[0], *hold);
        }
        twins.resume();
        if twins.known.is_empty() {
            return Ok(());
        }
        let (channel, id) = twins.known[at.index(twins.known.len())];
        for command in pages(channel, id) {
            twins.ask(Caller::Operator, command, 0);
        }
        for (channel, id) in twins.known.clone() {
            twins.ask(Caller::Operator, Command::GetMessage(channel, id), 0);
        }
        if twins.known.len() > 20 && twins.deleted.is_empty() {
            prop_assert!(twins.reads > 0, "everything was in memory");
        }
    }
}
