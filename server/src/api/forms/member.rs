//! Members.

use serde::Deserialize;

use super::{nullable, without_empty};
use crate::guild::command::MemberEdit;
use crate::protocol::limits::MAX_ROLES;
use crate::protocol::{ApiError, RoleId, Timestamp};

/// `PUT /guilds/{id}/members/{id}`. There is no `access_token` to be checked: accounts are the
/// operator's own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::api) struct NewMemberForm {
    nick: Option<String>,
    roles: Option<Vec<RoleId>>,
}

impl NewMemberForm {
    /// Nick and roles.
    pub(in crate::api) fn into_parts(self) -> Result<(Option<String>, Vec<RoleId>), ApiError> {
        let roles = self.roles.unwrap_or_default();
        check_roles(&roles)?;
        Ok((self.nick.filter(|nick| !nick.is_empty()), roles))
    }
}

/// `PATCH /guilds/{id}/members/{id}`. Voice states of the request are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::api) struct MemberForm {
    #[serde(deserialize_with = "nullable")]
    nick: Option<Option<String>>,
    #[serde(deserialize_with = "nullable")]
    roles: Option<Option<Vec<RoleId>>>,
    #[serde(deserialize_with = "nullable")]
    communication_disabled_until: Option<Option<Timestamp>>,
}

impl MemberForm {
    /// The fields to set; roles that are null are no roles.
    pub(in crate::api) fn into_edit(self) -> Result<MemberEdit, ApiError> {
        let roles = self.roles.map(Option::unwrap_or_default);
        check_roles(roles.as_deref().unwrap_or_default())?;
        Ok(MemberEdit {
            nick: without_empty(self.nick),
            roles,
            communication_disabled_until: self.communication_disabled_until,
        })
    }
}

fn check_roles(roles: &[RoleId]) -> Result<(), ApiError> {
    if roles.len() > MAX_ROLES {
        let message = format!("Must be {MAX_ROLES} or fewer in length.");
        return Err(ApiError::invalid_form(
            "roles",
            "BASE_TYPE_MAX_LENGTH",
            message,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::body::parse;

    #[test]
    fn an_empty_or_null_nick_clears_it() {
        let nick = |text: &str| {
            let form: MemberForm = parse(text.as_bytes()).unwrap();
            form.into_edit().unwrap().nick
        };
        assert_eq!(nick("{}"), None);
        assert_eq!(nick(r#"{"nick":null}"#), Some(None));
        assert_eq!(nick(r#"{"nick":""}"#), Some(None));
        assert_eq!(nick(r#"{"nick":"n"}"#), Some(Some("n".to_owned())));
    }

    #[test]
    fn null_ends_a_time_out_and_takes_all_roles() {
        let text = br#"{"roles":null,"communication_disabled_until":null,"mute":true}"#;
        let edit = parse::<MemberForm>(text).unwrap().into_edit().unwrap();
        assert_eq!(edit.roles, Some(Vec::new()));
        assert_eq!(edit.communication_disabled_until, Some(None));
    }

    #[test]
    fn more_roles_than_a_guild_has_are_refused() {
        let roles = vec!["1"; MAX_ROLES + 1].join(",");
        let text = format!("{{\"roles\":[{roles}]}}");
        let form: NewMemberForm = parse(text.as_bytes()).unwrap();
        assert_eq!(form.into_parts().unwrap_err().field.unwrap().path, "roles");
        let form: MemberForm = parse(text.as_bytes()).unwrap();
        assert!(form.into_edit().is_err());
    }
}
