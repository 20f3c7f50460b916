//! The two listeners: REST, gateway and chat page on one port, the operator's on another.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::{App as WebApp, HttpResponse, HttpServer, web as actix};

use super::{Demo, StartError, connection_grace_s};
use crate::admin::{self, Admin};
use crate::api;
use crate::protocol::ApiError;
use crate::session::hub_actor::HubActor;
use crate::session::shared::SessionShared;
use crate::session::upgrade;
use crate::session::worker::WorkerCell;
use crate::web::chat;

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle REST connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Threads of the admin listener.
const ADMIN_WORKERS: usize = 1;

thread_local! {
    /// The worker of this thread, started with its first gateway connection.
    static WORKER: RefCell<Option<WorkerCell>> = const { RefCell::new(None) };
}

/// The thread's worker.
fn worker_here(shared: &SessionShared) -> WorkerCell {
    WORKER.with_borrow_mut(|slot| {
        slot.get_or_insert_with(|| HubActor::start_here(shared))
            .clone()
    })
}

/// The main listener. Gateway sockets are taken over from the HTTP server by its upgrade service.
pub(super) fn main(
    listener: TcpListener,
    workers: usize,
    shared: &SessionShared,
    context: &Arc<api::Context>,
    demo: Option<&Demo>,
) -> Result<Server, StartError> {
    let page = demo.map(Demo::page);
    let (shared, context) = (shared.clone(), Arc::clone(context));
    let address = super::local_addr(&listener)?;
    let server = Server::build()
        .workers(workers)
        .shutdown_timeout(connection_grace_s())
        .disable_signals()
        .listen("main", listener, move || {
            let (context, page, shared) = (Arc::clone(&context), page.clone(), shared.clone());
            let app = WebApp::new()
                .configure(|cfg| api::configure(cfg, &context))
                .configure(|cfg| chat::configure(cfg, page))
                .default_service(actix::to(not_found));
            HttpService::build()
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(HEAD_TIMEOUT)
                .upgrade(fn_service(move |(request, framed)| {
                    let worker = worker_here(&shared);
                    async move {
                        upgrade::upgrade(worker, request, framed).await;
                        Ok::<_, Infallible>(())
                    }
                }))
                .finish(map_config(app, move |()| AppConfig::default()))
                .tcp()
        })
        .map_err(|error| StartError::Bind { address, error })?;
    Ok(server.run())
}

/// The operator's listener.
pub(super) fn admin(listener: TcpListener, admin: Admin) -> Result<Server, StartError> {
    let address = super::local_addr(&listener)?;
    let routes = admin::routes(admin);
    let server = HttpServer::new(move || WebApp::new().configure(routes.clone()))
        .on_connect(admin::on_connect)
        .workers(ADMIN_WORKERS)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)
        .map_err(|error| StartError::Bind { address, error })?;
    Ok(server.run())
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound()
        .content_type("application/json")
        .body(ApiError::NOT_FOUND.body().to_string())
}
