//! Guilds.

use std::collections::HashMap;

use serde::Deserialize;

use super::channel::ChannelForm;
use super::{Object, nullable};
use crate::guild::command::{ChannelEdit, GuildEdit, NewChannel};
use crate::protocol::limits::MAX_CHANNELS;
use crate::protocol::objects::ChannelType;
use crate::protocol::{ApiError, ChannelId, UserId};

/// `POST /guilds`. Icons, roles and verification settings of the request are ignored.
#[derive(Debug, Deserialize)]
pub(in crate::api) struct NewGuildForm {
    /// 2 to 100 characters.
    pub(in crate::api) name: String,
    #[serde(default)]
    channels: Option<Vec<Object<ChannelForm>>>,
}

impl NewGuildForm {
    /// Name and channels: those of the request, or one text channel `general`. `fresh_id` gives the
    /// channels their ids; the request's own are placeholders.
    pub(in crate::api) fn into_parts(
        self,
        mut fresh_id: impl FnMut() -> ChannelId,
    ) -> Result<(String, Vec<NewChannel>), ApiError> {
        let forms = self.channels.unwrap_or_default();
        if forms.len() > MAX_CHANNELS {
            return Err(ApiError::TOO_MANY_CHANNELS);
        }
        if forms.is_empty() {
            return Ok((self.name, vec![general(fresh_id())]));
        }
        let ids: Vec<_> = forms.iter().map(|_| fresh_id()).collect();
        let by_placeholder: HashMap<_, _> = forms
            .iter()
            .zip(&ids)
            .filter_map(|(form, id)| Some((form.0.id?, *id)))
            .collect();
        let channels = forms.into_iter().zip(ids).map(|(Object(mut form), id)| {
            let kind = form.kind()?;
            if let Some(Some(parent)) = form.parent_id {
                form.parent_id = Some(by_placeholder.get(&parent).copied());
            }
            let fields = form.into_new()?;
            Ok(NewChannel { id, kind, fields })
        });
        Ok((self.name, channels.collect::<Result<_, ApiError>>()?))
    }
}

/// The channel that a new guild has where nothing else is said.
fn general(id: ChannelId) -> NewChannel {
    NewChannel {
        id,
        kind: ChannelType::Text,
        fields: ChannelEdit {
            name: Some("general".to_owned()),
            ..ChannelEdit::default()
        },
    }
}

/// `PATCH /guilds/{id}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::api) struct GuildForm {
    name: Option<String>,
    #[serde(deserialize_with = "nullable")]
    description: Option<Option<String>>,
    owner_id: Option<UserId>,
    verification_level: Option<u8>,
    default_message_notifications: Option<u8>,
    explicit_content_filter: Option<u8>,
    #[serde(deserialize_with = "nullable")]
    system_channel_id: Option<Option<ChannelId>>,
    preferred_locale: Option<String>,
}

impl GuildForm {
    /// The fields to set.
    pub(in crate::api) fn into_edit(self) -> GuildEdit {
        GuildEdit {
            name: self.name,
            description: super::without_empty(self.description),
            owner_id: self.owner_id,
            verification_level: self.verification_level,
            default_message_notifications: self.default_message_notifications,
            explicit_content_filter: self.explicit_content_filter,
            system_channel_id: self.system_channel_id,
            preferred_locale: self.preferred_locale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::body::parse;

    fn parts(text: &str) -> Result<(String, Vec<NewChannel>), ApiError> {
        let mut next = 100;
        parse::<NewGuildForm>(text.as_bytes())?.into_parts(|| {
            next += 1;
            ChannelId::new(next)
        })
    }

    #[test]
    fn a_guild_without_channels_gets_general() {
        for text in [r#"{"name":"g"}"#, r#"{"name":"g","channels":[]}"#] {
            let (name, channels) = parts(text).unwrap();
            assert_eq!(name, "g");
            assert_eq!(channels.len(), 1);
            assert_eq!(channels[0].fields.name.as_deref(), Some("general"));
        }
    }

    #[test]
    fn placeholders_of_channels_become_ids() {
        let text = r#"{"name":"g","channels":[
            {"name":"c","id":1,"type":4},{"name":"t","parent_id":1},{"name":"u","parent_id":9}]}"#;
        let (_, channels) = parts(text).unwrap();
        let ids: Vec<u64> = channels.iter().map(|channel| channel.id.get()).collect();
        assert_eq!(ids, [101, 102, 103]);
        assert_eq!(channels[1].fields.parent_id, Some(Some(channels[0].id)));
        assert_eq!(channels[2].fields.parent_id, Some(None));
    }

    #[test]
    fn too_many_or_nameless_channels_are_refused() {
        let many = vec![r#"{"name":"c"}"#; MAX_CHANNELS + 1].join(",");
        let text = format!(r#"{{"name":"g","channels":[{many}]}}"#);
        assert_eq!(parts(&text).unwrap_err(), ApiError::TOO_MANY_CHANNELS);
        assert!(parts(r#"{"name":"g","channels":[{}]}"#).is_err());
        assert_eq!(parts("{}").unwrap_err().field.unwrap().path, "name");
    }
}
