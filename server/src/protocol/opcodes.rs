//! Gateway opcodes.

/// Opcodes of frames that a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOp {
    /// 1: keep-alive with the last sequence seen.
    Heartbeat,
    /// 2: start a session.
    Identify,
    /// 3: change the presence.
    PresenceUpdate,
    /// 4: voice; accepted and ignored.
    VoiceStateUpdate,
    /// 6: continue a session on a new connection.
    Resume,
    /// 8: ask for members of a guild.
    RequestGuildMembers,
    /// Anything else: accepted and ignored, as newer libraries send opcodes of their own.
    Other(u64),
}

impl From<u64> for ClientOp {
    fn from(op: u64) -> Self {
        match op {
            1 => Self::Heartbeat,
            2 => Self::Identify,
            3 => Self::PresenceUpdate,
            4 => Self::VoiceStateUpdate,
            6 => Self::Resume,
            8 => Self::RequestGuildMembers,
            other => Self::Other(other),
        }
    }
}

/// Opcodes of frames that the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ServerOp {
    /// An event with a sequence number.
    Dispatch = 0,
    /// Asks the client to send a heartbeat at once.
    Heartbeat = 1,
    /// Asks the client to reconnect and resume.
    Reconnect = 7,
    /// The session cannot be started or resumed.
    InvalidSession = 9,
    /// The first frame: the heartbeat interval.
    Hello = 10,
    /// Answers a heartbeat.
    HeartbeatAck = 11,
}
