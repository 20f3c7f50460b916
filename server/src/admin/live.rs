//! `/live`: a WebSocket that pushes the node's figures each second.
//!
//! The only module that uses actix-web-actors: few connections, where its comfort outweighs its
//! memory. Its buffers have no bound of their own, but an actor whose client stops reading is not
//! polled any more, so it pushes nothing either; [`super::on_connect`] has the system drop such a
//! connection.

mod source;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, StreamHandler};
use actix_web::{Error, HttpRequest, HttpResponse, web};
use actix_web_actors::ws;

use super::answer::Refusal;
use crate::clock;
use crate::protocol::ApiError;
pub(super) use source::Feeds;
use source::Place;

/// Path below `/admin/v1`.
pub(super) const PATH: &str = "/live";
/// A client that sends nothing, not even a pong, for this long is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// Largest frame a client may send, in bytes: it has nothing to say.
const MAX_FRAME: usize = 1_024;

struct Feed {
    heard_at: Duration,
    place: Place,
}

impl Actor for Feed {
    type Context = ws::WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.add_stream(self.place.pushes());
    }
}

impl StreamHandler<Arc<str>> for Feed {
    fn handle(&mut self, push: Arc<str>, ctx: &mut Self::Context) {
        if push.is_empty() {
            return;
        }
        if clock::uptime().saturating_sub(self.heard_at) > SILENCE {
            ctx.stop();
            return;
        }
        ctx.ping(b"");
        ctx.text(&*push);
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
    let place = feeds.take(&admin).ok_or(Refusal(ApiError::UNAVAILABLE))?;
    let feed = Feed {
        heard_at: clock::uptime(),
        place,
    };
    ws::WsResponseBuilder::new(feed, &request, stream)
        .frame_size(MAX_FRAME)
        .start()
}
