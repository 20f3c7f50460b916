//! From a guild to its sessions: the items that hubs receive and the frames that lanes carry.

pub mod batch;
pub mod channel_set;
pub mod envelope;
pub mod frame;
pub mod guild_create;
pub mod item;
pub mod lane;
pub mod late;
pub mod mail;
pub mod moments;
pub mod outbox;
pub mod pace;
pub mod queue;
pub mod room;
pub mod sample;
pub mod view;
pub mod visibility;
mod wire;

pub use channel_set::ChannelSet;
pub use frame::Frame;
pub use item::{Audience, Dispatch, Item};
pub use mail::HubId;
pub use room::{Deliver, Room, SessionKey};
pub use view::{Attachment, GuildView};
pub use visibility::{Visibility, VisibleChannel};
