//! What is written first with actix: a chat server actor that knows all sessions, one `do_send` of a copy to each.
//!
//! It is here to be measured, not to be used: nothing bounds its mailboxes.

use std::collections::HashMap;

use actix::{
    Actor, ActorContext as _, Addr, AsyncContext as _, Context, Handler, Message, Recipient,
    StreamHandler,
};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, web};
use actix_web_actors::ws;
use anyhow::Result;

use super::driver::plain::READY;
use super::server::announce;

/// A text for one session.
#[derive(Message)]
#[rtype(result = "()")]
struct Text(String);

/// A session has begun.
#[derive(Message)]
#[rtype(result = "()")]
struct Connect(usize, Recipient<Text>);

/// A session has ended.
#[derive(Message)]
#[rtype(result = "()")]
struct Disconnect(usize);

/// A text for all.
#[derive(Message)]
#[rtype(result = "()")]
struct Publish(String);

/// Knows all sessions.
#[derive(Default)]
struct Server {
    sessions: HashMap<usize, Recipient<Text>>,
}

impl Actor for Server {
    type Context = Context<Self>;
}

impl Handler<Connect> for Server {
    type Result = ();

    fn handle(&mut self, Connect(id, session): Connect, _: &mut Self::Context) {
        session.do_send(Text(READY.to_owned()));
        self.sessions.insert(id, session);
    }
}

impl Handler<Disconnect> for Server {
    type Result = ();

    fn handle(&mut self, Disconnect(id): Disconnect, _: &mut Self::Context) {
        self.sessions.remove(&id);
    }
}

impl Handler<Publish> for Server {
    type Result = ();

    fn handle(&mut self, Publish(text): Publish, _: &mut Self::Context) {
        for session in self.sessions.values() {
            session.do_send(Text(text.clone()));
        }
    }
}

/// One WebSocket.
struct Session {
    id: usize,
    subscribes: bool,
    server: Addr<Server>,
}

impl Actor for Session {
    type Context = ws::WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.subscribes {
            let connect = Connect(self.id, ctx.address().recipient());
            self.server.do_send(connect);
        } else {
            ctx.text(READY);
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.server.do_send(Disconnect(self.id));
    }
}

impl Handler<Text> for Session {
    type Result = ();

    fn handle(&mut self, Text(text): Text, ctx: &mut Self::Context) {
        ctx.text(text);
    }
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for Session {
    fn handle(&mut self, item: Result<ws::Message, ws::ProtocolError>, ctx: &mut Self::Context) {
        match item {
            Ok(ws::Message::Text(text)) => self.server.do_send(Publish(text.to_string())),
            Ok(ws::Message::Ping(bytes)) => ctx.pong(&bytes),
            Ok(ws::Message::Close(_)) | Err(_) => ctx.stop(),
            Ok(_) => {}
        }
    }
}

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    server: Addr<Server>,
    next: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

async fn open(
    request: HttpRequest,
    body: web::Payload,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, Error> {
    let session = Session {
        id: shared
            .next
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed),
        subscribes: request.path() == "/subscribe",
        server: shared.server.clone(),
    };
    ws::start(session, &request, body)
}

/// Serves until the process is ended.
pub(super) fn serve() -> Result<()> {
    actix::System::new().block_on(async {
        let shared = Shared {
            server: Server::default().start(),
            next: std::sync::Arc::default(),
        };
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(shared.clone()))
                .route("/{way}", web::get().to(open))
        })
        .backlog(4_096)
        .bind(("127.0.0.1", 0))?;
        let address = server.addrs()[0];
        announce(&format!("ws://{address}"), env!("CARGO_PKG_VERSION"))?;
        server.run().await?;
        Ok(())
    })
}
