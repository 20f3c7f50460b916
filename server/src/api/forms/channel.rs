//! Channels and their overwrites.

use serde::Deserialize;

use super::{Object, nullable, without_empty};
use crate::guild::command::ChannelEdit;
use crate::protocol::objects::{ChannelType, Overwrite, OverwriteType};
use crate::protocol::{ApiError, ChannelId, Permissions};

/// `POST /guilds/{id}/channels`, `PATCH /channels/{id}`, and the channels of `POST /guilds`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::api) struct ChannelForm {
    /// In `POST /guilds`: a placeholder that `parent_id` of others names.
    pub(in crate::api) id: Option<ChannelId>,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<u8>,
    #[serde(deserialize_with = "nullable")]
    topic: Option<Option<String>>,
    position: Option<u16>,
    #[serde(deserialize_with = "nullable")]
    pub(in crate::api) parent_id: Option<Option<ChannelId>>,
    permission_overwrites: Option<Vec<Object<OverwriteForm>>>,
    nsfw: Option<bool>,
    rate_limit_per_user: Option<u16>,
    bitrate: Option<u32>,
    user_limit: Option<u16>,
}

impl ChannelForm {
    /// The type of a new channel; text where none is said.
    pub(in crate::api) fn kind(&self) -> Result<ChannelType, ApiError> {
        match self.kind {
            None | Some(0) => Ok(ChannelType::Text),
            Some(2) => Ok(ChannelType::Voice),
            Some(4) => Ok(ChannelType::Category),
            Some(5) => Ok(ChannelType::Announcement),
            Some(_) => Err(ApiError::invalid_form(
                "type",
                "BASE_TYPE_CHOICES",
                "Value must be one of (0, 2, 4, 5).",
            )),
        }
    }

    /// The fields of a new channel, of which `name` must be there.
    pub(in crate::api) fn into_new(self) -> Result<ChannelEdit, ApiError> {
        if self.name.is_none() {
            let message = "This field is required";
            return Err(ApiError::invalid_form(
                "name",
                "BASE_TYPE_REQUIRED",
                message,
            ));
        }
        Ok(self.into_edit())
    }

    /// The fields to set.
    pub(in crate::api) fn into_edit(self) -> ChannelEdit {
        ChannelEdit {
            name: self.name,
            topic: without_empty(self.topic),
            position: self.position,
            parent_id: self.parent_id,
            permission_overwrites: self
                .permission_overwrites
                .map(|list| list.into_iter().map(|form| form.0.into()).collect()),
            nsfw: self.nsfw,
            rate_limit_per_user: self.rate_limit_per_user,
            bitrate: self.bitrate,
            user_limit: self.user_limit,
        }
    }
}

/// One of `permission_overwrites`.
#[derive(Debug, Deserialize)]
struct OverwriteForm {
    // Roles and members share the key; any kind of id reads it.
    id: ChannelId,
    #[serde(flatten)]
    rights: RightsForm,
}

impl From<OverwriteForm> for Overwrite {
    fn from(form: OverwriteForm) -> Self {
        form.rights.into_overwrite(form.id.get())
    }
}

/// `PUT /channels/{id}/permissions/{id}`.
#[derive(Debug, Deserialize)]
pub(in crate::api) struct RightsForm {
    #[serde(rename = "type")]
    kind: OverwriteType,
    #[serde(default)]
    allow: Option<Permissions>,
    #[serde(default)]
    deny: Option<Permissions>,
}

impl RightsForm {
    /// The overwrite for this role or member.
    pub(in crate::api) fn into_overwrite(self, id: u64) -> Overwrite {
        Overwrite {
            id,
            kind: self.kind,
            allow: self.allow.unwrap_or_default(),
            deny: self.deny.unwrap_or_default(),
        }
    }
}

/// One of `PATCH /guilds/{id}/channels`.
#[derive(Debug, Deserialize)]
pub(in crate::api) struct PositionForm {
    /// The channel.
    pub(in crate::api) id: ChannelId,
    #[serde(default)]
    position: Option<u16>,
    #[serde(default, deserialize_with = "nullable")]
    parent_id: Option<Option<ChannelId>>,
}

impl PositionForm {
    /// The fields to set.
    pub(in crate::api) fn into_edit(self) -> ChannelEdit {
        ChannelEdit {
            position: self.position,
            parent_id: self.parent_id,
            ..ChannelEdit::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::body::parse;

    #[test]
    fn null_clears_what_can_be_cleared_and_leaves_the_rest() {
        let text = br#"{"name":null,"topic":null,"parent_id":null,"nsfw":null,"position":3}"#;
        let edit = parse::<ChannelForm>(text).unwrap().into_edit();
        assert_eq!(edit.name, None);
        assert_eq!(edit.topic, Some(None));
        assert_eq!(edit.parent_id, Some(None));
        assert_eq!(edit.nsfw, None);
        assert_eq!(edit.position, Some(3));
        let edit = parse::<ChannelForm>(b"{\"topic\":\"\"}")
            .unwrap()
            .into_edit();
        assert_eq!(edit.topic, Some(None));
        assert_eq!(edit.parent_id, None);
    }

    #[test]
    fn overwrites_take_bits_as_text_and_as_numbers() {
        let text = br#"{"permission_overwrites":[
            {"id":"7","type":0,"allow":"1024","deny":null},
            {"id":8,"type":1,"deny":2048}]}"#;
        let list = parse::<ChannelForm>(text)
            .unwrap()
            .into_edit()
            .permission_overwrites
            .unwrap();
        assert_eq!((list[0].id, list[0].allow.bits()), (7, 1024));
        assert_eq!((list[1].id, list[1].deny.bits()), (8, 2048));
        assert_eq!(list[1].kind, OverwriteType::Member);
    }

    #[test]
    fn a_new_channel_needs_a_name_and_a_known_type() {
        let form = |text: &str| parse::<ChannelForm>(text.as_bytes()).unwrap();
        assert!(form("{}").into_new().is_err());
        assert_eq!(form("{}").kind().unwrap(), ChannelType::Text);
        assert_eq!(form(r#"{"type":4}"#).kind().unwrap(), ChannelType::Category);
        for kind in [1, 3, 13, 15, 255] {
            let error = form(&format!("{{\"type\":{kind}}}")).kind().unwrap_err();
            assert_eq!(error.field.unwrap().path, "type");
        }
    }
}
