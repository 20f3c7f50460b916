//! Discord's objects as they travel: in dispatches, in REST bodies and in the journal.
//!
//! Each is serialized with every key that some client library insists on; keys without a meaning
//! here have a constant value (see [`fixed`]).

pub mod channel;
pub mod fixed;
pub mod guild;
pub mod member;
pub mod message;
pub mod presence;
pub mod role;
pub mod user;

pub use channel::{Channel, ChannelType, Overwrite, OverwriteType};
pub use guild::GuildSettings;
pub use member::Member;
pub use message::{Emoji, EmojiKey, Message, MessageReference, Nonce, PartialMember, Reaction};
pub use presence::{Presence, Status};
pub use role::Role;
pub use user::User;
