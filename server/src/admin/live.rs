//! `/live`: a WebSocket that pushes the node's figures each second.
//!
//! The only module that uses actix-web-actors: few connections, where its comfort outweighs its
//! memory. Its buffers have no bound of their own, but an actor whose client stops reading is not
//! polled any more, so it pushes nothing either; [`super::on_connect`] has the system drop such a
//! connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, StreamHandler};
use actix_web::{Error, HttpRequest, HttpResponse, web};
use actix_web_actors::ws;
use serde::Serialize;

use super::answer::Refusal;
use super::guilds::{ExecutorAnswer, join, keep_busiest};
use super::view::{GuildInfo, NodeInfo, View};
use crate::clock;
use crate::counters::{Counters, Figures, Rates};
use crate::protocol::ApiError;

/// Path below `/admin/v1`.
pub(super) const PATH: &str = "/live";
/// Time between two pushes.
const PERIOD: Duration = Duration::from_secs(1);
/// A client that sends nothing, not even a pong, for this long is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// Most feeds at a time.
const MAX_FEEDS: usize = 32;
/// Guilds in a push.
const BUSIEST: usize = 32;
/// Largest frame a client may send, in bytes: it has nothing to say.
const MAX_FRAME: usize = 1_024;

/// Counts open feeds.
#[derive(Debug, Clone, Default)]
pub(super) struct Feeds(Arc<AtomicUsize>);

/// One open feed; given back when dropped.
struct Place(Feeds);

impl Feeds {
    fn take(&self) -> Option<Place> {
        let open = |open| (open < MAX_FEEDS).then_some(open + 1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, open)
            .ok()
            .map(|_| Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is pushed.
#[derive(Serialize)]
struct Push<'a> {
    at_ms: u64,
    node: NodeInfo,
    /// A line for each thread that is stuck.
    complaints: Vec<String>,
    executors: Vec<ExecutorAnswer<'a>>,
    /// The busiest.
    guilds: Vec<GuildInfo>,
    /// Since the start.
    totals: Figures,
    /// Since the last push, per second.
    per_second: Rates,
}

struct Feed {
    view: Arc<dyn View>,
    counters: Arc<Counters>,
    last: Figures,
    last_at: Duration,
    heard_at: Duration,
    _place: Place,
}

impl Feed {
    fn push(&mut self) -> String {
        let now = clock::uptime();
        let totals = Figures::read(&self.counters);
        let seconds = now.saturating_sub(self.last_at).as_secs_f64();
        let mut guilds = self.view.guilds();
        let executors = self.view.executors();
        let executors = join(&executors, &guilds);
        keep_busiest(&mut guilds, BUSIEST);
        let push = Push {
            at_ms: clock::unix_ms(),
            node: self.view.node(),
            complaints: self.view.complaints(),
            executors,
            guilds,
            per_second: totals.rates(&self.last, seconds),
            totals: totals.clone(),
        };
        self.last = totals;
        self.last_at = now;
        serde_json::to_string(&push).expect("invariant: figures serialize to JSON")
    }
}

impl Actor for Feed {
    type Context = ws::WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.text(self.push());
        ctx.run_interval(PERIOD, |feed, ctx| {
            if clock::uptime().saturating_sub(feed.heard_at) > SILENCE {
                ctx.stop();
                return;
            }
            ctx.ping(b"");
            ctx.text(feed.push());
        });
    }
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for Feed {
    fn handle(&mut self, message: Result<ws::Message, ws::ProtocolError>, ctx: &mut Self::Context) {
        self.heard_at = clock::uptime();
        match message {
            Ok(ws::Message::Ping(bytes)) => ctx.pong(&bytes),
            Ok(ws::Message::Close(reason)) => {
                ctx.close(reason);
                ctx.stop();
            }
            Err(_) => ctx.stop(),
            Ok(_) => {}
        }
    }
}

pub(super) async fn live(
    admin: web::Data<super::Admin>,
    feeds: web::Data<Feeds>,
    request: HttpRequest,
    stream: web::Payload,
) -> Result<HttpResponse, Error> {
    let place = feeds.take().ok_or(Refusal(ApiError::UNAVAILABLE))?;
    let now = clock::uptime();
    let feed = Feed {
        view: Arc::clone(&admin.view),
        counters: Arc::clone(&admin.counters),
        last: Figures::read(&admin.counters),
        last_at: now,
        heard_at: now,
        _place: place,
    };
    ws::WsResponseBuilder::new(feed, &request, stream)
        .frame_size(MAX_FRAME)
        .start()
}
