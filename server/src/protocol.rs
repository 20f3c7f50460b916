//! The wire of the Discord Gateway v10 and of its REST API: types and codecs, no I/O.

pub mod close_codes;
pub mod compression;
pub mod decimal;
pub mod error;
pub mod events;
pub mod ids;
pub mod intents;
pub mod limits;
pub mod objects;
pub mod opcodes;
pub mod permissions;
pub mod timestamp;

pub use close_codes::CloseCode;
pub use error::ApiError;
pub use events::EventName;
pub use ids::{ChannelId, GuildId, MessageId, Position, RoleId, UserId};
pub use intents::Intents;
pub use permissions::Permissions;
pub use timestamp::Timestamp;
