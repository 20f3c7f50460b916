//! The close codes of the gateway and what a client does after each.
//!
//! This table is the only one: the server, its metrics and the documentation use it.

/// Why the server closes a gateway connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// 1000: answers a client's own close without a code.
    Normal = 1000,
    /// 1002: the WebSocket protocol itself was violated.
    WebSocketProtocol = 1002,
    /// 1007: a text frame was not UTF-8.
    InvalidUtf8 = 1007,
    /// 4000: anything of the server's own making; also "go elsewhere and resume".
    UnknownError = 4000,
    /// 4001: reserved. An opcode that makes no sense here; one library dies of it, so it is not sent.
    UnknownOpcode = 4001,
    /// 4002: the payload is too large or is not the JSON that its opcode asks for.
    DecodeError = 4002,
    /// 4003: a payload that needs a session came before Identify.
    NotAuthenticated = 4003,
    /// 4004: the token is not valid.
    AuthenticationFailed = 4004,
    /// 4005: a second Identify in a live session.
    AlreadyAuthenticated = 4005,
    /// 4008: more than 120 payloads in 60 seconds.
    RateLimited = 4008,
    /// 4009: the connection was silent for too long; the session stays resumable.
    SessionTimedOut = 4009,
    /// 4010: the shard pair in Identify is impossible.
    InvalidShard = 4010,
    /// 4011: the session would hold too many guilds; shard it.
    ShardingRequired = 4011,
    /// 4012: the gateway version asked for is not served.
    InvalidApiVersion = 4012,
    /// 4013: `intents` is not a number.
    InvalidIntents = 4013,
}

/// What a client may do after a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// Connect again and Resume: the session is kept.
    Resume,
    /// Connect again and Identify: the session is gone.
    Identify,
    /// Do not connect again: it would fail in the same way.
    Never,
}

impl CloseCode {
    /// Every code the server can send.
    pub const ALL: [Self; 15] = [
        Self::Normal,
        Self::WebSocketProtocol,
        Self::InvalidUtf8,
        Self::UnknownError,
        Self::UnknownOpcode,
        Self::DecodeError,
        Self::NotAuthenticated,
        Self::AuthenticationFailed,
        Self::AlreadyAuthenticated,
        Self::RateLimited,
        Self::SessionTimedOut,
        Self::InvalidShard,
        Self::ShardingRequired,
        Self::InvalidApiVersion,
        Self::InvalidIntents,
    ];

    /// The number on the wire.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The reason text on the wire; at most 123 bytes by RFC 6455.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::WebSocketProtocol => "Protocol error.",
            Self::InvalidUtf8 => "Invalid UTF-8.",
            Self::UnknownError => "Unknown error.",
            Self::UnknownOpcode => "Unknown opcode.",
            Self::DecodeError => "Error while decoding payload.",
            Self::NotAuthenticated => "Not authenticated.",
            Self::AuthenticationFailed => "Authentication failed.",
            Self::AlreadyAuthenticated => "Already authenticated.",
            Self::RateLimited => "You are being rate limited.",
            Self::SessionTimedOut => "Session timed out.",
            Self::InvalidShard => "Invalid shard.",
            Self::ShardingRequired => "Sharding required.",
            Self::InvalidApiVersion => "Invalid API version.",
            Self::InvalidIntents => "Invalid intent(s).",
        }
    }

    /// What the client may do next.
    pub const fn reconnect(self) -> Reconnect {
        match self {
            Self::Normal => Reconnect::Identify,
            Self::AuthenticationFailed
            | Self::InvalidShard
            | Self::ShardingRequired
            | Self::InvalidApiVersion
            | Self::InvalidIntents => Reconnect::Never,
            Self::WebSocketProtocol
            | Self::InvalidUtf8
            | Self::UnknownError
            | Self::UnknownOpcode
            | Self::DecodeError
            | Self::NotAuthenticated
            | Self::AlreadyAuthenticated
            | Self::RateLimited
            | Self::SessionTimedOut => Reconnect::Resume,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_fit_into_a_close_frame_and_codes_are_distinct() {
        let mut seen = std::collections::HashSet::new();
        for code in CloseCode::ALL {
            assert!(code.reason().len() <= 123);
            assert!(seen.insert(code.code()));
        }
    }
}
