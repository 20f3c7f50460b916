//! Messages.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{Object, nullable};
use crate::api::embeds::{self, Embed};
use crate::guild::command::{AllowedMentions, MessageEdit, NewMessage};
use crate::protocol::objects::{MessageReference, Nonce};
use crate::protocol::{ApiError, ChannelId, GuildId, MessageId, RoleId, UserId};

/// `POST /channels/{id}/messages`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::api) struct NewMessageForm {
    content: Option<String>,
    tts: Option<bool>,
    embeds: Option<Vec<Object<Embed>>>,
    // The form before `embeds`, which is still sent by some.
    embed: Option<Object<Embed>>,
    components: Option<Vec<Box<RawValue>>>,
    flags: Option<u64>,
    nonce: Option<Nonce>,
    enforce_nonce: Option<bool>,
    allowed_mentions: Option<Object<MentionsForm>>,
    message_reference: Option<Object<ReferenceForm>>,
    attachments: Option<Vec<IgnoredAny>>,
    sticker_ids: Option<Vec<IgnoredAny>>,
    poll: Option<IgnoredAny>,
}

impl NewMessageForm {
    /// The message to send. `channel` is where it goes, and where a message that it replies to is.
    pub(in crate::api) fn into_new(self, channel: ChannelId) -> Result<NewMessage, ApiError> {
        refuse_attachments(self.attachments.as_deref())?;
        if self.sticker_ids.is_some_and(|list| !list.is_empty()) {
            return Err(unsupported("sticker_ids"));
        }
        if self.poll.is_some() {
            return Err(unsupported("poll"));
        }
        let mut embeds = self.embeds.unwrap_or_default();
        embeds.extend(self.embed);
        let reference = self.message_reference;
        Ok(NewMessage {
            content: self.content.unwrap_or_default(),
            tts: self.tts.unwrap_or_default(),
            embeds: embeds::render(embeds.into_iter().map(|embed| embed.0))?,
            components: components(self.components.unwrap_or_default())?,
            flags: self.flags.unwrap_or_default(),
            nonce: self.nonce,
            enforce_nonce: self.enforce_nonce.unwrap_or_default(),
            allowed_mentions: self.allowed_mentions.map(AllowedMentions::from),
            reference: reference
                .map(|Object(form)| form.into_reference(channel))
                .transpose()?,
        })
    }
}

/// `PATCH /channels/{id}/messages/{id}`; null empties a field.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::api) struct MessageForm {
    #[serde(deserialize_with = "nullable")]
    content: Option<Option<String>>,
    #[serde(deserialize_with = "nullable")]
    embeds: Option<Option<Vec<Object<Embed>>>>,
    #[serde(deserialize_with = "nullable")]
    embed: Option<Option<Object<Embed>>>,
    #[serde(deserialize_with = "nullable")]
    components: Option<Option<Vec<Box<RawValue>>>>,
    flags: Option<u64>,
    allowed_mentions: Option<Object<MentionsForm>>,
    attachments: Option<Vec<IgnoredAny>>,
}

impl MessageForm {
    /// The fields to set.
    pub(in crate::api) fn into_edit(self) -> Result<MessageEdit, ApiError> {
        refuse_attachments(self.attachments.as_deref())?;
        let single = self.embed.map(|embed| embed.into_iter().collect());
        let list = self.embeds.map(Option::unwrap_or_default).or(single);
        Ok(MessageEdit {
            content: self.content.map(Option::unwrap_or_default),
            embeds: list
                .map(|list: Vec<_>| embeds::render(list.into_iter().map(|embed| embed.0)))
                .transpose()?,
            components: self
                .components
                .map(|list| components(list.unwrap_or_default()))
                .transpose()?,
            flags: self.flags,
            allowed_mentions: self.allowed_mentions.map(AllowedMentions::from),
        })
    }
}

/// `POST /channels/{id}/messages/bulk-delete`.
#[derive(Debug, Deserialize)]
pub(in crate::api) struct BulkDeleteForm {
    /// The messages.
    pub(in crate::api) messages: Vec<MessageId>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MentionsForm {
    parse: Option<Vec<String>>,
    users: Option<Vec<UserId>>,
    roles: Option<Vec<RoleId>>,
    replied_user: Option<bool>,
}

impl From<Object<MentionsForm>> for AllowedMentions {
    fn from(Object(form): Object<MentionsForm>) -> Self {
        Self {
            parse: form.parse.unwrap_or_default(),
            users: form.users.unwrap_or_default(),
            roles: form.roles.unwrap_or_default(),
            replied_user: form.replied_user.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct ReferenceForm {
    message_id: MessageId,
    #[serde(default)]
    channel_id: Option<ChannelId>,
    #[serde(default)]
    guild_id: Option<GuildId>,
    #[serde(default)]
    fail_if_not_exists: Option<bool>,
    #[serde(default, rename = "type")]
    kind: Option<u8>,
}

impl ReferenceForm {
    /// The message replied to, and whether it must be there.
    fn into_reference(self, channel: ChannelId) -> Result<(MessageReference, bool), ApiError> {
        if self.kind.is_some_and(|kind| kind != 0) {
            return Err(unsupported("message_reference.type"));
        }
        let reference = MessageReference {
            message_id: self.message_id,
            channel_id: self.channel_id.unwrap_or(channel),
            guild_id: self.guild_id,
        };
        Ok((reference, self.fail_if_not_exists.unwrap_or(true)))
    }
}

/// Components pass as they came, as long as they are objects.
fn components(list: Vec<Box<RawValue>>) -> Result<Vec<Box<RawValue>>, ApiError> {
    if let Some(at) = list.iter().position(|one| !one.get().starts_with('{')) {
        let message = "Only dictionaries may be used in a DictType";
        return Err(ApiError::invalid_form(
            format!("components.{at}"),
            "DICT_TYPE_CONVERT",
            message,
        ));
    }
    Ok(list)
}

/// Libraries send an empty list with messages that have no files.
fn refuse_attachments(list: Option<&[IgnoredAny]>) -> Result<(), ApiError> {
    if list.is_some_and(|list| !list.is_empty()) {
        return Err(ApiError::UPLOADS_REFUSED);
    }
    Ok(())
}

fn unsupported(path: &'static str) -> ApiError {
    ApiError::invalid_form(
        path,
        "BASE_TYPE_INVALID",
        "This server does not support this field.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::body::parse;

    const CHANNEL: ChannelId = ChannelId::new(7);

    fn new(text: &str) -> Result<NewMessage, ApiError> {
        parse::<NewMessageForm>(text.as_bytes())?.into_new(CHANNEL)
    }

    fn edit(text: &str) -> Result<MessageEdit, ApiError> {
        parse::<MessageForm>(text.as_bytes())?.into_edit()
    }

    fn path<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        result.unwrap_err().field.unwrap().path.into_owned()
    }

    #[test]
    fn what_libraries_send_is_taken() {
        let message = new(
            r#"{"content":"hi","tts":false,"nonce":"1579403","enforce_nonce":true,"embeds":[],
            "allowed_mentions":{"parse":["users"],"replied_user":true,"roles":null},
            "message_reference":{"message_id":"9","fail_if_not_exists":false},
            "components":[{"type":1,"components":[]}],"attachments":[],"sticker_ids":[],
            "flags":4096,"poll":null,"shared_client_theme":{}}"#,
        )
        .unwrap();
        assert_eq!(message.content, "hi");
        assert_eq!(message.nonce, Some(Nonce::Text("1579403".to_owned())));
        assert!(message.enforce_nonce && !message.tts);
        assert_eq!(message.flags, 4096);
        assert_eq!(message.components[0].get(), r#"{"type":1,"components":[]}"#);
        assert!(message.allowed_mentions.unwrap().replied_user);
        let (reference, must_exist) = message.reference.unwrap();
        assert_eq!(reference.channel_id, CHANNEL);
        assert!(!must_exist);
        let message = new(r#"{"content":null,"nonce":12,"embed":{"title":"t"}}"#).unwrap();
        assert_eq!(message.nonce, Some(Nonce::Number(12)));
        assert_eq!(message.embeds.len(), 1);
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        for text in [
            r#"{"attachments":[{"id":0}]}"#,
            r#"{"content":"x","attachments":[{"id":0,"filename":"a"}]}"#,
        ] {
            assert_eq!(new(text).unwrap_err(), ApiError::UPLOADS_REFUSED);
            assert_eq!(edit(text).unwrap_err(), ApiError::UPLOADS_REFUSED);
        }
        for (text, at) in [
            (r#"{"sticker_ids":["1"]}"#, "sticker_ids"),
            (r#"{"poll":{"question":{}}}"#, "poll"),
            (
                r#"{"message_reference":{"message_id":"1","type":1}}"#,
                "message_reference.type",
            ),
        ] {
            assert_eq!(path(new(text)), at);
        }
    }

    #[test]
    fn null_empties_in_an_edit_and_absence_leaves() {
        let changed = edit(r#"{"content":null,"embeds":null,"components":null,"flags":null}"#);
        let changed = changed.unwrap();
        assert_eq!(changed.content.as_deref(), Some(""));
        assert_eq!(changed.embeds.unwrap().len(), 0);
        assert_eq!(changed.components.unwrap().len(), 0);
        assert_eq!(changed.flags, None);
        let unchanged = edit("{}").unwrap();
        assert!(unchanged.content.is_none() && unchanged.embeds.is_none());
        let single = edit(r#"{"embed":{"title":"t"}}"#).unwrap();
        assert_eq!(single.embeds.unwrap().len(), 1);
    }

    #[test]
    fn lists_do_not_stand_for_objects() {
        for (text, at) in [
            (r#"{"components":[{},3]}"#, "components.1"),
            (r#"{"embeds":[["title"]]}"#, "embeds.0"),
            (r#"{"allowed_mentions":[["users"]]}"#, "allowed_mentions"),
            (r#"{"message_reference":["1"]}"#, "message_reference"),
        ] {
            assert_eq!(path(new(text)), at);
        }
    }
}
