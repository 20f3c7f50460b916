//! The two listeners: REST, gateway and chat page on one port, the operator's on another.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_codec::Framed;
use actix_http::h1::Codec;
use actix_http::{HttpService, Request};
use actix_rt::net::TcpStream;
use actix_server::{Server, ServerBuilder};
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_tls::accept::TlsError;
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::dev::AppConfig;
use actix_web::http::header::X_CONTENT_TYPE_OPTIONS;
use actix_web::{App as WebApp, HttpResponse, HttpServer, web as actix};

use super::drain::CONNECTION_GRACE_S;
use super::tls::Certificate;
use super::{Demo, StartError};
use crate::admin::{self, Admin};
use crate::api;
use crate::config::Config;
use crate::protocol::ApiError;
use crate::session::hub_actor::HubActor;
use crate::session::shared::SessionShared;
use crate::session::upgrade;
use crate::session::worker::WorkerCell;
use crate::web::chat;

/// How long an idle REST connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
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
    config: &Config,
    (shared, context): (&SessionShared, &Arc<api::Context>),
    demo: Option<&Demo>,
    certificate: Option<&Certificate>,
) -> Result<Server, StartError> {
    let address = super::local_addr(&listener)?;
    let parts = Served {
        shared: shared.clone(),
        context: Arc::clone(context),
        head_timeout: Duration::from_secs(config.limits.head_timeout_s),
        page: demo.map(Demo::page),
    };
    let server = Server::build()
        .workers(config.node.workers)
        .shutdown_timeout(CONNECTION_GRACE_S)
        .disable_signals();
    let bound = match certificate {
        None => plain(server, listener, parts),
        Some(certificate) => secure(server, listener, parts, certificate),
    };
    let server = bound.map_err(|error| StartError::Bind { address, error })?;
    Ok(server.run())
}

/// What the main listener serves.
#[derive(Clone)]
struct Served {
    shared: SessionShared,
    context: Arc<api::Context>,
    head_timeout: Duration,
    page: Option<serde_json::Value>,
}

/// The HTTP service of the main listener, over one kind of stream.
macro_rules! http {
    ($parts:expr, $stream:ty) => {{
        let Served {
            shared,
            context,
            head_timeout,
            page,
        } = $parts;
        let app = WebApp::new()
            .configure(|cfg| api::configure(cfg, &context))
            .configure(|cfg| chat::configure(cfg, page))
            .default_service(actix::to(not_found));
        HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(head_timeout)
            .upgrade(fn_service(
                move |(request, framed): (Request, Framed<$stream, Codec>)| {
                    let worker = worker_here(&shared);
                    async move {
                        upgrade::upgrade(worker, request, framed).await;
                        Ok::<_, Infallible>(())
                    }
                },
            ))
            .h1(map_config(app, move |()| AppConfig::default()))
    }};
}

fn plain(
    server: ServerBuilder,
    listener: TcpListener,
    parts: Served,
) -> std::io::Result<ServerBuilder> {
    server.listen("main", listener, move || {
        http!(parts.clone(), TcpStream).tcp()
    })
}

fn secure(
    server: ServerBuilder,
    listener: TcpListener,
    parts: Served,
    certificate: &Certificate,
) -> std::io::Result<ServerBuilder> {
    let config = certificate.server_config();
    server.listen("main", listener, move || {
        let mut acceptor = Acceptor::new(config.clone());
        acceptor.set_handshake_timeout(HANDSHAKE_TIMEOUT);
        let counters = Arc::clone(&parts.shared.counters);
        acceptor
            .map_err(move |error| {
                counters.tls_handshake_failures.inc();
                tracing::debug!(?error, "no TLS handshake");
                error.into_service_error()
            })
            .map(|stream: TlsStream<TcpStream>| {
                let address = stream.get_ref().0.peer_addr().ok();
                (stream, address)
            })
            .and_then(http!(parts.clone(), TlsStream<TcpStream>).map_err(TlsError::Service))
    })
}

/// The operator's listener.
pub(super) fn admin(
    listener: TcpListener,
    admin: Admin,
    certificate: Option<&Certificate>,
) -> Result<Server, StartError> {
    let address = super::local_addr(&listener)?;
    let routes = admin::routes(admin);
    let server = HttpServer::new(move || WebApp::new().configure(routes.clone()))
        .on_connect(admin::on_connect)
        .workers(ADMIN_WORKERS)
        .shutdown_timeout(1)
        .disable_signals();
    let bound = match certificate {
        None => server.listen(listener),
        Some(certificate) => server.listen_rustls_0_23(listener, certificate.server_config()),
    };
    let server = bound.map_err(|error| StartError::Bind { address, error })?;
    Ok(server.run())
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound()
        .content_type("application/json")
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(ApiError::NOT_FOUND.body().to_string())
}
