//! What can happen to a guild, at random.

use proptest::prelude::*;

use super::super::world::{ALICE, BOB, BOT, EVE, GENERAL, GUILD, OTHER, OWNER, text_channel, user};
use crate::guild::command::{
    ChannelEdit, Command, GuildEdit, MemberEdit, MessageEdit, NewMember, NewMessage, Page, RoleEdit,
};
use crate::protocol::objects::{
    EmojiKey, MessageReference, Nonce, Overwrite, OverwriteType, Status,
};
use crate::protocol::{ChannelId, Permissions, RoleId, Timestamp, UserId};

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Somebody asks (`None`: the operator).
    Ask(Option<UserId>, Box<Ask>),
    /// Milliseconds pass.
    Wait(u64),
    /// The actor takes a batch.
    TakeBatch,
    /// The journal acknowledges what it was given.
    Acknowledge,
    /// A session attaches, asking for presences or not.
    Attach(UserId, u64, bool),
    /// A session detaches.
    Detach(UserId, u64),
    /// A user shows something else.
    Present(UserId, Status),
}

/// A command that may name the n-th of the messages that there are.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Plain(Command),
    Send(ChannelId, NewMessage, Option<usize>),
    Edit(usize, MessageEdit),
    Delete(usize),
    BulkDelete(Vec<usize>),
    React(usize, EmojiKey),
    Unreact(usize, EmojiKey, Option<UserId>),
    Read(usize),
}

pub(super) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..most)
}

fn step() -> impl Strategy<Value = Step> {
    let asker = prop_oneof![
        4 => users().prop_map(Some),
        2 => Just(Some(OWNER)),
        1 => Just(None)
    ];
    let statuses = prop::sample::select(vec![
        Status::Online,
        Status::Idle,
        Status::Invisible,
        Status::Offline,
    ]);
    prop_oneof![
        20 => (asker, ask()).prop_map(|(who, ask)| Step::Ask(who, Box::new(ask))),
        2 => (1..200_000_u64).prop_map(Step::Wait),
        5 => Just(Step::TakeBatch),
        5 => Just(Step::Acknowledge),
        3 => (users(), 0..4_u64, any::<bool>()).prop_map(|(u, s, p)| Step::Attach(u, s, p)),
        1 => (users(), 0..4_u64).prop_map(|(u, s)| Step::Detach(u, s)),
        1 => (users(), statuses).prop_map(|(u, s)| Step::Present(u, s)),
    ]
}

fn users() -> impl Strategy<Value = UserId> + Clone {
    prop::sample::select(vec![OWNER, ALICE, BOB, BOT, EVE])
}

fn channels() -> impl Strategy<Value = ChannelId> {
    prop::sample::select(vec![GENERAL, OTHER, ChannelId::new(2_002)])
}

fn roles() -> impl Strategy<Value = RoleId> {
    prop::sample::select(vec![RoleId::new(50), RoleId::new(51), GUILD.everyone()])
}

fn permissions() -> impl Strategy<Value = Permissions> {
    prop::sample::select(vec![
        Permissions::NONE,
        Permissions::VIEW_CHANNEL,
        Permissions::SEND_MESSAGES,
        Permissions::VIEW_CHANNEL | Permissions::SEND_MESSAGES,
        Permissions::MANAGE_MESSAGES | Permissions::VIEW_CHANNEL,
        Permissions::MANAGE_ROLES | Permissions::MANAGE_CHANNELS,
        Permissions::ADMINISTRATOR,
        Permissions::from_bits(2_248_473_465_835_073),
    ])
}

fn overwrite() -> impl Strategy<Value = Overwrite> {
    let whom = prop_oneof![
        roles().prop_map(|role| (role.get(), OverwriteType::Role)),
        users().prop_map(|user| (user.get(), OverwriteType::Member)),
    ];
    (whom, permissions(), permissions()).prop_map(|((id, kind), allow, deny)| Overwrite {
        id,
        kind,
        allow,
        deny,
    })
}

fn message() -> impl Strategy<Value = NewMessage> {
    let texts = prop::sample::select(vec![
        "x",
        "",
        "<@2> hi",
        "@everyone",
        "<@&50>",
        "a rather longer text with \"quotes\" and ü",
    ]);
    (texts, prop::option::of(0..3_u64)).prop_map(|(content, nonce)| NewMessage {
        content: content.to_owned(),
        nonce: nonce.map(Nonce::Number),
        enforce_nonce: true,
        ..NewMessage::default()
    })
}

fn emoji() -> impl Strategy<Value = EmojiKey> {
    prop::sample::select(vec!["👍", "👎", "name:7"])
        .prop_map(|text| EmojiKey::parse(text).expect("an emoji"))
}

fn ask() -> impl Strategy<Value = Ask> {
    let nth = 0..30_usize;
    prop_oneof![
        10 => (channels(), message(), prop::option::weighted(0.3, nth.clone()))
            .prop_map(|(channel, message, reply)| Ask::Send(channel, message, reply)),
        2 => (nth.clone(), prop::sample::select(vec!["edited", "x", ""])).prop_map(|(n, text)| {
            let edit = MessageEdit {
                content: Some(text.to_owned()),
                ..MessageEdit::default()
            };
            Ask::Edit(n, edit)
        }),
        2 => nth.clone().prop_map(Ask::Delete),
        1 => prop::collection::vec(nth.clone(), 2..5).prop_map(Ask::BulkDelete),
        3 => (nth.clone(), emoji()).prop_map(|(n, emoji)| Ask::React(n, emoji)),
        2 => (nth.clone(), emoji(), prop::option::of(users()))
            .prop_map(|(n, emoji, of)| Ask::Unreact(n, emoji, of)),
        1 => nth.prop_map(Ask::Read),
        10 => plain().prop_map(Ask::Plain),
    ]
}

fn plain() -> impl Strategy<Value = Command> {
    prop_oneof![
        channels().prop_map(|channel| Command::GetMessages {
            channel,
            page: Page::Latest,
            limit: 50,
        }),
        channels().prop_map(Command::Typing),
        Just(Command::GetChannels),
        Just(Command::GetGuild { with_counts: true }),
        channels().prop_map(|id| Command::CreateChannel(Box::new(text_channel(id, "new")))),
        (channels(), 0..3_u16).prop_map(|(id, seconds)| {
            let edit = ChannelEdit {
                rate_limit_per_user: Some(seconds * 60),
                ..ChannelEdit::default()
            };
            Command::EditChannel(id, Box::new(edit))
        }),
        (channels(), overwrite()).prop_map(|(id, o)| Command::SetOverwrite(id, o)),
        (channels(), users()).prop_map(|(id, user)| Command::DeleteOverwrite(id, user.get())),
        channels().prop_map(Command::DeleteChannel),
        (roles(), permissions()).prop_map(|(id, p)| Command::CreateRole(id, Box::new(role(p)))),
        (roles(), permissions()).prop_map(|(id, p)| Command::EditRole(id, Box::new(role(p)))),
        roles().prop_map(Command::DeleteRole),
        users().prop_map(|id| Command::AddMember(Box::new(NewMember {
            user: user(id),
            nick: None,
            roles: vec![],
        }))),
        users().prop_map(Command::RemoveMember),
        (users(), roles()).prop_map(|(user, role)| Command::AddMemberRole(user, role)),
        (users(), 0..2_u64).prop_map(|(user, hours)| {
            let until = super::super::world::START_MS + hours * 3_600_000;
            let edit = MemberEdit {
                nick: Some(Some(format!("nick{hours}"))),
                communication_disabled_until: Some(Some(Timestamp::from_unix_ms(until))),
                ..MemberEdit::default()
            };
            Command::EditMember(user, Box::new(edit))
        }),
        users().prop_map(|owner| {
            let edit = GuildEdit {
                owner_id: Some(owner),
                ..GuildEdit::default()
            };
            Command::EditGuild(Box::new(edit))
        }),
    ]
}

fn role(permissions: Permissions) -> RoleEdit {
    RoleEdit {
        permissions: Some(permissions),
        ..RoleEdit::default()
    }
}

impl Ask {
    /// The command, with messages from those that there are.
    pub(super) fn command(&self, messages: &[(ChannelId, crate::protocol::MessageId)]) -> Command {
        let nth = |n: usize| -> (ChannelId, crate::protocol::MessageId) {
            let unknown = (GENERAL, crate::protocol::MessageId::new(1));
            messages
                .get(n % messages.len().max(1))
                .copied()
                .unwrap_or(unknown)
        };
        match self {
            Self::Plain(command) => command.clone(),
            Self::Send(channel, message, reply) => {
                let mut message = message.clone();
                message.reference = reply.map(|n| {
                    let (channel_id, message_id) = nth(n);
                    let reference = MessageReference {
                        message_id,
                        channel_id,
                        guild_id: None,
                    };
                    (reference, n % 2 == 0)
                });
                Command::CreateMessage(*channel, Box::new(message))
            }
            Self::Edit(n, edit) => {
                let (channel, id) = nth(*n);
                Command::EditMessage(channel, id, Box::new(edit.clone()))
            }
            Self::Delete(n) => {
                let (channel, id) = nth(*n);
                Command::DeleteMessage(channel, id)
            }
            Self::BulkDelete(ns) => {
                let ids = ns.iter().map(|n| nth(*n).1);
                Command::BulkDelete(nth(ns[0]).0, ids.collect())
            }
            Self::React(n, emoji) => {
                let (channel, id) = nth(*n);
                Command::AddReaction(channel, id, emoji.clone())
            }
            Self::Unreact(n, emoji, of) => {
                let (channel, id) = nth(*n);
                Command::RemoveReaction(channel, id, emoji.clone(), *of)
            }
            Self::Read(n) => {
                let (channel, id) = nth(*n);
                Command::GetMessage(channel, id)
            }
        }
    }
}
