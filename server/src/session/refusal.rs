//! Why a session cannot go on, or begin: what op 9 does not tell.

/// Why a client is answered by op 9. It is in the log at `debug`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none, it is another user's, or it was ended.
    #[error("there is no such session of the user")]
    Unknown,
    /// Its client came too late.
    #[error("the time in which it can be resumed is over")]
    Over,
    /// Events after the client's last one were dropped, or that one was never sent.
    #[error("what came after the client's last event is not all kept")]
    NotKept,
    /// A crash left less than the client has, or too much has come since.
    #[error("what is known of it from before the crash does not reach the client's last event")]
    NotNoted,
    /// Such as a list of members.
    #[error("before the crash the client missed an event that no guild can tell again")]
    Unrepeatable,
    /// What is known of its guilds is incomplete.
    #[error("it is not known who saw what in one of its guilds before the crash")]
    NoVisibility,
    /// Its replay may tell of them.
    #[error("it is a member of guilds that its token is not good for")]
    OtherGuilds,
    /// It would be lost at the stop.
    #[error("the node is being stopped and has handed its sessions over")]
    Stopping,
    /// It was on its way here for too long.
    #[error("a guild has not told in time what it missed")]
    NotTold,
    /// More came than is kept for a client.
    #[error("events were dropped that it was not sent")]
    Lost,
    /// A guild has lost track of what the session has.
    #[error("a guild cannot tell what came after the session's last event of it")]
    Gap,
    /// An Identify too many.
    #[error("the user has started as many sessions as a day allows")]
    TooManyStarts,
}
