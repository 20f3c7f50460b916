//! Errors of the REST API in Discord's form: an HTTP status and `{"code":…,"message":…}`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// An error that a REST client sees; the table of constants is the whole list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Discord's JSON error code; 0 where there is none.
    pub code: u32,
    /// Text for people.
    pub message: Cow<'static, str>,
    /// The field at fault, as a dotted path, with what is wrong with it.
    pub field: Option<FieldError>,
    /// After how many milliseconds trying again may help, where that is known.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
}

/// Which field of a body is wrong and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Dotted path of the field, such as `content` or `permission_overwrites.0.allow`.
    pub path: Cow<'static, str>,
    /// Discord's word for the fault, such as `BASE_TYPE_REQUIRED`.
    pub code: Cow<'static, str>,
    /// Text for people.
    pub message: Cow<'static, str>,
}

macro_rules! api_errors {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $code:literal, $message:literal;)*) => {
        impl ApiError {
            $($(#[$doc])* pub const $name: Self = Self::new($status, $code, $message);)*
            /// Every error without a field.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

api_errors! {
    /// The body is not JSON of the expected shape.
    INVALID_JSON = 400, 50_109, "The request body contains invalid JSON.";
    /// A field has a wrong value; see [`ApiError::invalid_form`].
    INVALID_FORM = 400, 50_035, "Invalid Form Body";
    /// A message needs content or an embed.
    EMPTY_MESSAGE = 400, 50_006, "Cannot send an empty message";
    /// Bulk delete takes 2 to 100 messages.
    BULK_DELETE_COUNT = 400, 50_016, "Provided too few or too many messages to delete. Must provide at least 2 and at most 100 messages to delete";
    /// Bulk delete refuses messages older than two weeks.
    BULK_DELETE_TOO_OLD = 400, 50_034, "A message provided was too old to bulk delete";
    /// The channel does not hold messages.
    NOT_A_TEXT_CHANNEL = 400, 50_008, "Cannot send messages in a non-text channel";
    /// Direct message channels cannot be managed.
    NOT_IN_DIRECT_MESSAGES = 403, 50_003, "Cannot execute action on a DM channel";
    /// The role cannot be treated so (for instance `@everyone` cannot be removed).
    INVALID_ROLE = 400, 50_028, "Invalid Role";
    /// The guild has as many members as it may have.
    TOO_MANY_MEMBERS = 400, 30_019, "Maximum number of server members reached";
    /// Replies need READ_MESSAGE_HISTORY.
    REPLY_NEEDS_HISTORY = 400, 160_002, "Cannot reply without permission to read message history";
    /// The action does not fit this type of channel.
    WRONG_CHANNEL_TYPE = 400, 50_024, "Cannot execute action on this channel type";
    /// The user may not be treated so (for instance the owner cannot be removed).
    INVALID_RECIPIENT = 400, 50_033, "Invalid Recipient(s)";
    /// The guild has as many channels as it may have.
    TOO_MANY_CHANNELS = 400, 30_013, "Maximum number of guild channels reached (500)";
    /// The guild has as many roles as it may have.
    TOO_MANY_ROLES = 400, 30_005, "Maximum number of guild roles reached (250)";
    /// The message has as many distinct reactions as it may have.
    TOO_MANY_REACTIONS = 400, 30_010, "Maximum number of reactions reached (20)";
    /// The user is in as many guilds as allowed.
    TOO_MANY_GUILDS = 400, 30_001, "Maximum number of guilds reached";
    /// The emoji in the path is not one.
    UNKNOWN_EMOJI = 400, 10_014, "Unknown Emoji";
    /// Uploads are not served.
    UPLOADS_REFUSED = 400, 50_035, "File uploads are not supported by this server";
    /// The request for a WebSocket is not one.
    BAD_UPGRADE = 400, 0, "400: Bad Request";
    /// Only JSON is spoken over the gateway.
    BAD_ENCODING = 400, 0, "encoding must be json";
    /// No token, or one that is not valid.
    UNAUTHORIZED = 401, 0, "401: Unauthorized";
    /// The guild or channel is there, but not for this user.
    MISSING_ACCESS = 403, 50_001, "Missing Access";
    /// A permission is missing.
    MISSING_PERMISSIONS = 403, 50_013, "Missing Permissions";
    /// Only authors may edit their messages.
    NOT_THE_AUTHOR = 403, 50_005, "Cannot edit a message authored by another user";
    /// Bots or users only.
    NOT_FOR_THIS_ACCOUNT = 403, 20_002, "Only bots can use this endpoint";
    /// The account may not send messages to this recipient.
    CANNOT_MESSAGE_USER = 403, 50_007, "Cannot send messages to this user";
    /// No such route.
    NOT_FOUND = 404, 0, "404: Not Found";
    /// No such channel.
    UNKNOWN_CHANNEL = 404, 10_003, "Unknown Channel";
    /// No such guild.
    UNKNOWN_GUILD = 404, 10_004, "Unknown Guild";
    /// No such member.
    UNKNOWN_MEMBER = 404, 10_007, "Unknown Member";
    /// No such message.
    UNKNOWN_MESSAGE = 404, 10_008, "Unknown Message";
    /// No such overwrite.
    UNKNOWN_OVERWRITE = 404, 10_009, "Unknown permission overwrite";
    /// No such role.
    UNKNOWN_ROLE = 404, 10_011, "Unknown Role";
    /// No such user.
    UNKNOWN_USER = 404, 10_013, "Unknown User";
    /// The route is there, the method is not.
    METHOD_NOT_ALLOWED = 405, 0, "405: Method Not Allowed";
    /// The body is larger than the server takes.
    TOO_LARGE = 413, 40_005, "Request entity too large. Try sending something smaller in size";
    /// The body's type is not JSON.
    UNSUPPORTED_MEDIA_TYPE = 415, 50_035, "Expected \"Content-Type\" header to be one of {'application/json'}.";
    /// Slow mode of the channel.
    SLOW_MODE = 429, 20_016, "This action cannot be performed due to slowmode rate limit";
    /// The server's own fault.
    INTERNAL = 500, 0, "500: Internal Server Error";
    /// The guild is overloaded, being moved, or its journal does not take writes: try again.
    UNAVAILABLE = 503, 0, "Service resource is being overloaded";
}

impl ApiError {
    /// An error without a field.
    pub const fn new(status: u16, code: u32, message: &'static str) -> Self {
        Self {
            status,
            code,
            message: Cow::Borrowed(message),
            field: None,
            retry_after_ms: None,
        }
    }

    /// 400 with the field that is wrong.
    pub fn invalid_form(
        path: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            field: Some(FieldError {
                path: path.into(),
                code: code.into(),
                message: message.into(),
            }),
            ..Self::INVALID_FORM
        }
    }

    /// The same error with a time after which trying again may help, in milliseconds.
    #[must_use]
    pub fn retry_after(self, ms: u64) -> Self {
        Self {
            retry_after_ms: Some(ms),
            ..self
        }
    }

    /// The JSON body: `code`, `message`, where known `retry_after` in seconds and,
    /// where a field is at fault, Discord's nested `errors`.
    pub fn body(&self) -> serde_json::Value {
        let mut body = serde_json::json!({ "message": self.message, "code": self.code });
        if let Some(ms) = self.retry_after_ms {
            body["retry_after"] = (ms as f64 / 1_000.0).into();
        }
        if let Some(field) = &self.field {
            let leaf = serde_json::json!({
                "_errors": [{ "code": field.code, "message": field.message }]
            });
            body["errors"] = field
                .path
                .rsplit('.')
                .fold(leaf, |inner, key| serde_json::json!({ key: inner }));
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_error_nests_like_discords() {
        let error = ApiError::invalid_form("a.0.b", "BASE_TYPE_REQUIRED", "This field is required");
        assert_eq!(
            error.body()["errors"]["a"]["0"]["b"]["_errors"][0]["code"],
            "BASE_TYPE_REQUIRED"
        );
        assert_eq!(error.body()["code"], 50_035);
    }
}
