//! What a client does about each way a connection can end.

/// How to go on after a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Connect again and resume the session.
    Resume,
    /// Connect again with a new session.
    Identify,
    /// Give up: a new connection would end the same way.
    Fatal,
}

/// The policy for a close code; `None` for a connection that broke without one.
pub fn policy(code: Option<u16>) -> Policy {
    match code {
        // Invalid sequence, and a session that timed out: the old one is gone.
        Some(4007 | 4009) => Policy::Identify,
        // Authentication failed, invalid shard, sharding required, invalid version, invalid or disallowed intents.
        Some(4004 | 4010..=4014) => Policy::Fatal,
        _ => Policy::Resume,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_forbid_a_reconnect_are_fatal() {
        for code in [4004, 4010, 4011, 4012, 4013, 4014] {
            assert_eq!(policy(Some(code)), Policy::Fatal);
        }
        for code in [
            None,
            Some(1000),
            Some(1001),
            Some(1006),
            Some(4000),
            Some(4008),
        ] {
            assert_eq!(policy(code), Policy::Resume);
        }
        assert_eq!(policy(Some(4007)), Policy::Identify);
        assert_eq!(policy(Some(4009)), Policy::Identify);
    }
}
