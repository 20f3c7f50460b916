//! What every handler works with: the rooms below, and the settings of the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::auth::origin::Origins;
use crate::auth::rate_limit::{Bucket, IdentifyLimit, Quota, RestLimits, RestSettings};
use crate::auth::verifier::Verifier;
use crate::clock;
use crate::counters::Counters;
use crate::directory::Directory;
use crate::guild::router::Router;
use crate::protocol::ids::SnowflakeSource;
use crate::protocol::{GuildId, UserId};

/// How the API learns the live sessions of a user about guilds.
pub trait SessionNotices: Send + Sync + 'static {
    /// The user has become a member of the guild, or of a direct message channel (whose guild has
    /// the channel's id): the user's live sessions attach to it. Called once the guild has
    /// acknowledged the membership and the directory knows it; possibly more than once.
    fn joined(&self, user: UserId, guild: GuildId);
}

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Largest request body, in bytes.
    pub max_body: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// Pages of which other origins may call the API.
    pub origins: Origins,
    /// Guilds for each of the shards that `GET /gateway/bot` recommends.
    pub guilds_per_shard: usize,
    /// Shards that may identify at once, as `GET /gateway/bot` says.
    pub max_concurrency: u32,
    /// The limits that all requests share.
    pub rest_limits: RestSettings,
    /// Messages that one user may create in one channel.
    pub create_message: Quota,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body: 256 * 1024,
            body_timeout: Duration::from_secs(20),
            origins: Origins::default(),
            guilds_per_shard: 1_000,
            max_concurrency: 16,
            rest_limits: RestSettings::default(),
            create_message: Quota::per_second(10),
        }
    }
}

/// What the API asks and counts into.
pub struct Rooms {
    /// To the guilds.
    pub router: Router,
    /// Accounts, memberships and channels.
    pub directory: Arc<dyn Directory>,
    /// Ids of guilds, channels and roles.
    pub ids: Arc<SnowflakeSource>,
    /// Checks tokens.
    pub tokens: Verifier,
    /// Counts the sessions that users start.
    pub starts: Arc<IdentifyLimit>,
    /// Tells live sessions of new memberships.
    pub sessions: Arc<dyn SessionNotices>,
    /// The node's figures.
    pub counters: Arc<Counters>,
}

/// What the handlers share.
pub struct Context {
    pub(super) router: Router,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) ids: Arc<SnowflakeSource>,
    pub(super) tokens: Verifier,
    pub(super) starts: Arc<IdentifyLimit>,
    pub(super) sessions: Arc<dyn SessionNotices>,
    pub(super) counters: Arc<Counters>,
    /// `ws://host:port/gateway`, without a trailing slash.
    pub(super) gateway_url: String,
    pub(super) settings: Settings,
    pub(super) limits: RestLimits,
    pub(super) message_bucket: Bucket,
    stopping: AtomicBool,
    open: AtomicUsize,
}

/// A request that is being served.
pub(super) struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Context {
    /// A context with limits that nobody has used yet. `gateway_url` is what `GET /gateway` says:
    /// `ws://host:port/gateway`; trailing slashes are cut, since one library would double them.
    pub fn new(rooms: Rooms, gateway_url: &str, settings: Settings) -> Self {
        Self {
            router: rooms.router,
            directory: rooms.directory,
            ids: rooms.ids,
            tokens: rooms.tokens,
            starts: rooms.starts,
            sessions: rooms.sessions,
            counters: rooms.counters,
            gateway_url: gateway_url.trim_end_matches('/').to_owned(),
            limits: RestLimits::new(settings.rest_limits),
            message_bucket: Bucket::new("POST /channels/{id}/messages", settings.create_message),
            settings,
            stopping: AtomicBool::new(false),
            open: AtomicUsize::new(0),
        }
    }

    /// From here on requests are answered with 503, and connections end with their next answer.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Requests that are being served still.
    pub fn open_requests(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Counts a request; `None` where none is taken any more.
    pub(super) fn open(&self) -> Option<Open<'_>> {
        // Counted before looking: whoever stops the API sees every request that it must wait for.
        self.open.fetch_add(1, Ordering::SeqCst);
        let open = Open(&self.open);
        (!self.is_stopping()).then_some(open)
    }

    /// The limits, with their counters.
    pub const fn limits(&self) -> &RestLimits {
        &self.limits
    }

    /// A fresh snowflake.
    pub(super) fn fresh_id(&self) -> u64 {
        self.ids.next(clock::unix_ms())
    }
}
