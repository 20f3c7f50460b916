//! The durable state of a guild: the fold of its journal.
//!
//! *Invariant I9*: [`State::apply`] depends on nothing but the state, the event and the settings, so
//! that every replay ends in the same state.

use std::sync::Arc;

use litemap::LiteMap;

use super::limits::CoreSettings;
use super::member_map::MemberMap;
use super::memory::MessageMemory;
use super::nonces::{NonceKey, Nonces, Used};
use super::remembered::Remembered;
use super::retention::Milestones;
use super::slow_mode::SlowMode;
use super::table::Tables;
use crate::guild::event::Event;
use crate::guild::seldom::Seldom;
use crate::protocol::objects::{Channel, GuildSettings, Message, Nonce, Role};
use crate::protocol::{ApiError, ChannelId, GuildId, MessageId, Position, RoleId};

/// A guild at one position of its journal.
#[derive(Debug)]
pub(super) struct State {
    pub(super) id: GuildId,
    /// The last record that is in the state.
    pub(super) position: Position,
    pub(super) life: Life,
}

/// Whether there is a guild.
#[derive(Debug)]
pub(super) enum Life {
    /// Never made.
    Unborn,
    /// It is there.
    Alive(Box<Guild>),
    /// Made and deleted; nothing can follow.
    Deleted,
}

/// A guild that exists.
#[derive(Debug)]
pub(super) struct Guild {
    pub(super) settings: GuildSettings,
    /// Whether it is a conversation between users.
    pub(super) direct: bool,
    // Flat and boxed: a tree makes room for eleven at a time, and most guilds have one or two; none
    // has more than some hundred.
    pub(super) roles: LiteMap<RoleId, Box<Role>>,
    pub(super) channels: LiteMap<ChannelId, Box<Channel>>,
    pub(super) members: MemberMap,
    /// The highest message id given so far.
    pub(super) last_message_id: MessageId,
    pub(super) memory: MessageMemory,
    pub(super) milestones: Seldom<Milestones>,
    pub(super) nonces: Nonces,
    pub(super) slow_mode: Seldom<SlowMode>,
    /// What is derived from the rest for sessions and hubs; made when asked for.
    pub(super) tables: Seldom<Tables>,
}

/// A map without room for more than there is.
pub(super) fn flat<K: Ord, V>(values: Vec<V>, key: impl Fn(&V) -> K) -> LiteMap<K, Box<V>> {
    let mut map = LiteMap::with_capacity(values.len());
    for value in values {
        map.insert(key(&value), Box::new(value));
    }
    map
}

impl State {
    /// The state before the first record.
    pub(super) fn new(id: GuildId) -> Self {
        Self {
            id,
            position: 0,
            life: Life::Unborn,
        }
    }

    /// The guild, or UNKNOWN_GUILD.
    pub(super) fn guild(&self) -> Result<&Guild, ApiError> {
        match &self.life {
            Life::Alive(guild) => Ok(guild),
            Life::Unborn | Life::Deleted => Err(ApiError::UNKNOWN_GUILD),
        }
    }

    /// The guild, or UNKNOWN_GUILD.
    pub(super) fn guild_mut(&mut self) -> Result<&mut Guild, ApiError> {
        match &mut self.life {
            Life::Alive(guild) => Ok(guild),
            Life::Unborn | Life::Deleted => Err(ApiError::UNKNOWN_GUILD),
        }
    }

    /// Takes in the record at `position`, which follows the last one.
    pub(super) fn apply(&mut self, position: Position, event: Event, limits: &CoreSettings) {
        assert_eq!(
            position,
            self.position + 1,
            "invariant: journal positions are dense"
        );
        self.position = position;
        match event {
            Event::Claimed { .. } => {}
            Event::GuildCreated {
                settings,
                roles,
                channels,
                members,
                direct,
            } => {
                self.life = Life::Alive(Box::new(Guild {
                    settings: *settings,
                    direct,
                    roles: flat(roles, |role| role.id),
                    channels: flat(channels, |channel| channel.id),
                    members: members.into_iter().collect(),
                    last_message_id: MessageId::new(0),
                    memory: MessageMemory::default(),
                    milestones: Seldom::new(),
                    nonces: Nonces::default(),
                    slow_mode: Seldom::new(),
                    tables: Seldom::new(),
                }));
            }
            Event::GuildDeleted => self.life = Life::Deleted,
            other => {
                if let Life::Alive(guild) = &mut self.life {
                    guild.apply(other, limits);
                }
            }
        }
    }
}

impl Guild {
    fn apply(&mut self, event: Event, limits: &CoreSettings) {
        if let Some(tables) = self.tables.made() {
            tables.invalidate(&event);
        }
        match event {
            Event::Claimed { .. } | Event::GuildCreated { .. } | Event::GuildDeleted => {}
            Event::GuildUpdated { settings, .. } => self.settings = *settings,
            Event::ChannelCreated(channel) | Event::ChannelUpdated(channel) => {
                self.put_channel(channel);
            }
            Event::ChannelDeleted(channel) => self.remove_channel(channel.id),
            Event::RoleCreated(role) | Event::RoleUpdated(role) => {
                self.roles.insert(role.id, role);
            }
            Event::RoleDeleted { role_id } => self.remove_role(role_id),
            Event::MemberJoined(member) | Event::MemberUpdated(member) => {
                self.members.insert(member);
            }
            Event::MemberLeft { user } => {
                self.members.remove(user.id);
            }
            Event::MessageCreated { message, nonce, .. } => {
                self.add_message(message, nonce, limits);
            }
            Event::MessageEdited { message, .. } => self.memory.replace(message),
            Event::MessageDeleted { message_id, .. } => self.memory.remove(message_id),
            Event::MessagesDeleted { message_ids, .. } => {
                for id in message_ids {
                    self.memory.remove(id);
                }
            }
            Event::HistoryTrimmed { through } => {
                self.memory.trim(through);
                if let Some(milestones) = self.milestones.made() {
                    milestones.trim(through);
                }
            }
            Event::ReactionAdded {
                message_id,
                member,
                emoji,
                ..
            } => self.memory.react(message_id, emoji, member.user.id),
            Event::ReactionRemoved {
                message_id,
                user_id,
                emoji,
                ..
            } => self.memory.unreact(message_id, &emoji, user_id),
        }
    }

    /// A message read back has an author of its own: the member's account serves as well, and ten
    /// thousand messages of it take no more memory than one.
    pub(super) fn share_author(&self, message: &mut Arc<Message>) {
        if let Some(member) = self.members.get(message.author.id)
            && !Arc::ptr_eq(&member.user, &message.author)
            && member.user == message.author
            && let Some(message) = Arc::get_mut(message)
        {
            message.author = Arc::clone(&member.user);
        }
    }

    fn add_message(
        &mut self,
        mut message: Arc<Message>,
        nonce: Option<Nonce>,
        limits: &CoreSettings,
    ) {
        self.share_author(&mut message);
        let at_ms = message.timestamp.unix_ms();
        let (author, channel_id) = (message.author.id, message.channel_id);
        self.last_message_id = self.last_message_id.max(message.id);
        self.milestones.note(message.id);
        if let Some(channel) = self.channels.get_mut(&channel_id) {
            channel.last_message_id = Some(message.id);
            if channel.rate_limit_per_user > 0 && !message.author.bot {
                self.slow_mode
                    .sent(channel_id, channel.rate_limit_per_user, author, at_ms);
            }
        }
        if let Some(nonce) = nonce {
            let used = Used {
                key: Arc::new(NonceKey {
                    author,
                    channel: channel_id,
                    nonce,
                }),
                message: message.id,
                at_ms,
            };
            self.nonces.remember(used, limits);
        }
        self.memory.insert(Remembered::new(message), limits);
    }

    fn put_channel(&mut self, mut channel: Box<Channel>) {
        // Messages go on while an edit is on its way: the newest one is what the state knows.
        if let Some(before) = self.channels.get(&channel.id) {
            channel.last_message_id = before.last_message_id;
        }
        if channel.rate_limit_per_user == 0 {
            self.forget_slow_mode(channel.id);
        }
        self.channels.insert(channel.id, channel);
    }

    fn remove_channel(&mut self, id: ChannelId) {
        self.channels.remove(&id);
        self.memory.remove_channel(id);
        self.forget_slow_mode(id);
        if self.settings.system_channel_id == Some(id) {
            self.settings.system_channel_id = None;
        }
    }

    fn forget_slow_mode(&mut self, channel: ChannelId) {
        if let Some(slow_mode) = self.slow_mode.made() {
            slow_mode.forget(channel);
        }
    }

    /// Gives back what is not worth its memory.
    pub(super) fn give_back(&mut self) {
        self.memory.give_back();
        self.slow_mode.give_back();
        self.tables.give_back();
    }

    fn remove_role(&mut self, id: RoleId) {
        self.roles.remove(&id);
        self.members.change(|member| {
            if member.roles.contains(&id) {
                let others = member.roles.iter().copied().filter(|role| *role != id);
                let others = others.collect();
                Arc::make_mut(member).roles = others;
            }
        });
        for (_, channel) in self.channels.iter_mut() {
            let overwrites = &channel.permission_overwrites;
            if overwrites.iter().any(|it| it.is_for_role(id)) {
                let others = overwrites.iter().copied().filter(|it| !it.is_for_role(id));
                channel.permission_overwrites = others.collect();
            }
        }
    }
}
