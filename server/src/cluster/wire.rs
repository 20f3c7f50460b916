//! What nodes tell each other, as bytes: a JSON text, and after it the bodies that are JSON already.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::moves::NodeMoved;
use crate::fanout::mail::GuildNews;
use crate::fanout::{Attachment, Audience, Dispatch, GuildView, HubId, Item, Visibility};
use crate::guild::actor::GuildMail;
use crate::guild::core::Attach;
use crate::protocol::objects::{Member, Presence};
use crate::protocol::{ApiError, ChannelId, EventName, GuildId, Intents, Position, UserId};

/// What one node tells another.
#[derive(Debug)]
pub enum Parcel {
    /// From a guild of the sender to hubs of the receiver.
    News {
        /// The hubs, by their numbers there.
        hubs: Vec<u32>,
        /// What.
        news: GuildNews,
    },
    /// From a hub of the sender to a guild of the receiver.
    Mail {
        /// The guild.
        guild: GuildId,
        /// The generation of the placement that says so.
        generation: u64,
        /// What; the hub in it is the sender's.
        mail: GuildMail,
    },
    /// Something of the receiver's was not heard: its hubs are to join the sender's guilds again.
    Resync,
    /// Nothing, but that nothing is missing before it.
    Beat,
    /// A guild of the sender's has gone to another node.
    Moved(NodeMoved),
}

/// What came cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("what another node sent cannot be read: {0}")]
pub struct Unreadable(String);

#[derive(Serialize, Deserialize)]
enum Text {
    Items(Vec<u32>, GuildId, Vec<WireItem>),
    Attached(
        Vec<u32>,
        GuildId,
        u64,
        Result<Box<WireAttachment>, ApiError>,
        Option<Vec<WireItem>>,
    ),
    Lost(Vec<u32>, GuildId),
    Rejoined(Vec<u32>, GuildId, Option<Vec<WireItem>>),
    Unavailable(Vec<u32>, GuildId),
    Joined(Vec<u32>, GuildId, UserId),
    Mail(GuildId, u64, WireMail),
    Resync,
    Beat,
    Moved(NodeMoved),
}

#[derive(Serialize, Deserialize)]
enum WireMail {
    Attach(WireAttach),
    Reattach(WireAttach, Position),
    Rejoin(u32, Position, Vec<WireAttach>),
    Detach(u32, u64, UserId),
    Presence(UserId, Presence),
    Restart,
}

#[derive(Serialize, Deserialize)]
struct WireAttach {
    hub: u32,
    session: u64,
    user: UserId,
    intents: u64,
    large: u16,
    presence: Option<Presence>,
}

#[derive(Serialize, Deserialize)]
enum WireItem {
    Dispatch(WireDispatch),
    Visibility(Position, Arc<Visibility>),
    Member(Position, Arc<Member>),
    Left(Position, UserId),
    Deleted(Position),
}

#[derive(Serialize, Deserialize)]
struct WireDispatch {
    position: Option<Position>,
    event: EventName,
    /// How many of the bytes after the text are its body.
    len: usize,
    intent: u64,
    channel: Option<ChannelId>,
    audience: Audience,
    subject: Option<UserId>,
}

#[derive(Serialize, Deserialize)]
struct WireAttachment {
    guild: GuildId,
    position: Position,
    head: usize,
    table: Arc<Visibility>,
    member: Arc<Member>,
    large: bool,
    members: Option<usize>,
    presences: Option<usize>,
}

/// Writes a parcel; `None` where it is something that does not travel.
pub fn encode(parcel: &Parcel) -> Option<Bytes> {
    let mut bodies = BytesMut::new();
    let text = match parcel {
        Parcel::News { hubs, news } => news_text(hubs.clone(), news, &mut bodies),
        Parcel::Mail {
            guild,
            generation,
            mail,
        } => Text::Mail(*guild, *generation, mail_text(mail)?),
        Parcel::Resync => Text::Resync,
        Parcel::Beat => Text::Beat,
        Parcel::Moved(moved) => Text::Moved(moved.clone()),
    };
    let text = serde_json::to_vec(&text).ok()?;
    let mut out = BytesMut::with_capacity(4 + text.len() + bodies.len());
    out.put_u32(text.len() as u32);
    out.put_slice(&text);
    out.put_slice(&bodies);
    Some(out.freeze())
}

/// Reads a parcel.
pub fn decode(mut bytes: Bytes) -> Result<Parcel, Unreadable> {
    let short = || Unreadable("it is cut off".to_owned());
    let len = bytes.try_get_u32().map_err(|_| short())? as usize;
    if bytes.len() < len {
        return Err(short());
    }
    let text = bytes.split_to(len);
    let text: Text =
        serde_json::from_slice(&text).map_err(|error| Unreadable(error.to_string()))?;
    let mut bodies = Bodies(bytes);
    let (hubs, news) = match text {
        Text::Items(hubs, guild, items) => {
            let items = bodies.items(items)?;
            (hubs, GuildNews::Items { guild, items })
        }
        Text::Attached(hubs, guild, session, result, missed) => {
            let result = match result {
                Ok(attachment) => Ok(bodies.attachment(*attachment)?),
                Err(error) => Err(error),
            };
            let missed = missed.map(|items| bodies.items(items)).transpose()?;
            let result = Box::new(result);
            let news = GuildNews::Attached {
                guild,
                session,
                result,
                missed,
            };
            (hubs, news)
        }
        Text::Lost(hubs, guild) => (hubs, GuildNews::Lost { guild }),
        Text::Rejoined(hubs, guild, missed) => {
            let missed = missed.map(|items| bodies.items(items)).transpose()?;
            (hubs, GuildNews::Rejoined { guild, missed })
        }
        Text::Unavailable(hubs, guild) => (hubs, GuildNews::Unavailable { guild }),
        Text::Joined(hubs, guild, user) => (hubs, GuildNews::Joined { guild, user }),
        Text::Mail(guild, generation, mail) => {
            let mail = mail_of(mail);
            return Ok(Parcel::Mail {
                guild,
                generation,
                mail,
            });
        }
        Text::Resync => return Ok(Parcel::Resync),
        Text::Beat => return Ok(Parcel::Beat),
        Text::Moved(moved) => return Ok(Parcel::Moved(moved)),
    };
    Ok(Parcel::News { hubs, news })
}

fn news_text(hubs: Vec<u32>, news: &GuildNews, bodies: &mut BytesMut) -> Text {
    match news {
        GuildNews::Items { guild, items } => Text::Items(hubs, *guild, items_text(items, bodies)),
        GuildNews::Attached {
            guild,
            session,
            result,
            missed,
        } => {
            let result = match &**result {
                Ok(attachment) => Ok(Box::new(attachment_text(attachment, bodies))),
                Err(error) => Err(error.clone()),
            };
            let missed = missed.as_ref().map(|items| items_text(items, bodies));
            Text::Attached(hubs, *guild, *session, result, missed)
        }
        GuildNews::Lost { guild } => Text::Lost(hubs, *guild),
        GuildNews::Rejoined { guild, missed } => {
            let missed = missed.as_ref().map(|items| items_text(items, bodies));
            Text::Rejoined(hubs, *guild, missed)
        }
        GuildNews::Unavailable { guild } => Text::Unavailable(hubs, *guild),
        GuildNews::Joined { guild, user } => Text::Joined(hubs, *guild, *user),
    }
}

fn items_text(items: &[Item], bodies: &mut BytesMut) -> Vec<WireItem> {
    let item = |item: &Item| match item {
        Item::Dispatch(dispatch) => {
            bodies.put_slice(&dispatch.body);
            WireItem::Dispatch(WireDispatch {
                position: dispatch.position,
                event: dispatch.event,
                len: dispatch.body.len(),
                intent: dispatch.intent.bits(),
                channel: dispatch.channel,
                audience: dispatch.audience,
                subject: dispatch.subject,
            })
        }
        Item::Visibility { position, table } => WireItem::Visibility(*position, Arc::clone(table)),
        Item::Member { position, member } => WireItem::Member(*position, Arc::clone(member)),
        Item::Left { position, user } => WireItem::Left(*position, *user),
        Item::Deleted { position } => WireItem::Deleted(*position),
    };
    items.iter().map(item).collect()
}

fn attachment_text(attachment: &Attachment, bodies: &mut BytesMut) -> WireAttachment {
    let mut put = |body: &Bytes| {
        bodies.put_slice(body);
        body.len()
    };
    WireAttachment {
        guild: attachment.view.guild,
        position: attachment.view.position,
        head: put(&attachment.view.head),
        table: Arc::clone(&attachment.view.table),
        member: Arc::clone(&attachment.member),
        large: attachment.large,
        members: attachment.members.as_ref().map(&mut put),
        presences: attachment.presences.as_ref().map(&mut put),
    }
}

fn mail_text(mail: &GuildMail) -> Option<WireMail> {
    Some(match mail {
        GuildMail::Attach(attach) => WireMail::Attach(attach_text(attach)),
        GuildMail::Reattach(attach, since) => WireMail::Reattach(attach_text(attach), *since),
        GuildMail::Rejoin {
            hub,
            since,
            sessions,
        } => WireMail::Rejoin(hub.0, *since, sessions.iter().map(attach_text).collect()),
        GuildMail::Detach { hub, session, user } => WireMail::Detach(hub.0, *session, *user),
        GuildMail::Presence { user, presence } => WireMail::Presence(*user, presence.clone()),
        GuildMail::Restart => WireMail::Restart,
        _ => return None,
    })
}

fn mail_of(mail: WireMail) -> GuildMail {
    match mail {
        WireMail::Attach(attach) => GuildMail::Attach(attach_of(attach)),
        WireMail::Reattach(attach, since) => GuildMail::Reattach(attach_of(attach), since),
        WireMail::Rejoin(hub, since, sessions) => GuildMail::Rejoin {
            hub: HubId(hub),
            since,
            sessions: sessions.into_iter().map(attach_of).collect(),
        },
        WireMail::Detach(hub, session, user) => GuildMail::Detach {
            hub: HubId(hub),
            session,
            user,
        },
        WireMail::Presence(user, presence) => GuildMail::Presence { user, presence },
        WireMail::Restart => GuildMail::Restart,
    }
}

fn attach_text(attach: &Attach) -> WireAttach {
    WireAttach {
        hub: attach.hub.0,
        session: attach.session,
        user: attach.user,
        intents: attach.intents.bits(),
        large: attach.large_threshold,
        presence: attach.presence.clone(),
    }
}

fn attach_of(attach: WireAttach) -> Attach {
    Attach {
        hub: HubId(attach.hub),
        session: attach.session,
        user: attach.user,
        intents: Intents::from_bits(attach.intents),
        large_threshold: attach.large,
        presence: attach.presence,
    }
}

/// What is left of the bodies.
struct Bodies(Bytes);

impl Bodies {
    fn take(&mut self, len: usize) -> Result<Bytes, Unreadable> {
        if self.0.len() < len {
            return Err(Unreadable("a body is cut off".to_owned()));
        }
        Ok(self.0.split_to(len))
    }

    fn items(&mut self, items: Vec<WireItem>) -> Result<Arc<[Item]>, Unreadable> {
        let item = |item: WireItem| {
            Ok(match item {
                WireItem::Dispatch(dispatch) => Item::Dispatch(Dispatch {
                    position: dispatch.position,
                    event: dispatch.event,
                    body: self.take(dispatch.len)?,
                    intent: Intents::from_bits(dispatch.intent),
                    channel: dispatch.channel,
                    audience: dispatch.audience,
                    subject: dispatch.subject,
                }),
                WireItem::Visibility(position, table) => Item::Visibility { position, table },
                WireItem::Member(position, member) => Item::Member { position, member },
                WireItem::Left(position, user) => Item::Left { position, user },
                WireItem::Deleted(position) => Item::Deleted { position },
            })
        };
        items.into_iter().map(item).collect()
    }

    fn attachment(&mut self, wire: WireAttachment) -> Result<Attachment, Unreadable> {
        Ok(Attachment {
            view: Arc::new(GuildView {
                guild: wire.guild,
                position: wire.position,
                head: self.take(wire.head)?,
                table: wire.table,
            }),
            member: wire.member,
            large: wire.large,
            members: wire.members.map(|len| self.take(len)).transpose()?,
            presences: wire.presences.map(|len| self.take(len)).transpose()?,
        })
    }
}
