//! What the operator sees and does: placement, guilds, sessions, figures, accounts.
//!
//! On a listener of its own, behind a bearer token. It looks at everything through [`view`] and
//! nothing looks at it.

mod answer;
mod console;
mod guard;
mod guilds;
mod health;
mod live;
mod load;
mod moves;
mod nodes;
mod orders;
mod overview;
mod placement;
mod provision;
mod sessions;
#[cfg(test)]
mod tests;
mod tokens;
mod users;
pub mod view;

pub use nodes::describe;
pub use orders::here as carry_out;
pub use overview::report;
pub use view::{
    AskGuild, Cluster, DrainInfo, ExecutorInfo, GuildInfo, MoveInfo, NodeInfo, NodeState,
    SessionInfo, View, ViewFuture,
};

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{Resource, web};
use prometheus_client::registry::Registry;
use socket2::SockRef;

use crate::auth::tokens::TokenSigner;
use crate::auth::verifier::Verifier;
use crate::config::Secret;
use crate::counters::{self, Counters};
use crate::directory::Directory;
use crate::protocol::ids::SnowflakeSource;
use crate::protocol::{ApiError, GuildId, UserId};
use crate::supervision::drain::Drain;
use answer::{Answer, Refusal, bad_request};

/// How long a client may take nothing of what is sent to it.
const TAKES_NOTHING: Duration = Duration::from_secs(30);

/// Tells a user's live sessions that the user is now a member of a guild.
pub type Joined = Arc<dyn Fn(UserId, GuildId) + Send + Sync>;

/// What the admin API works with.
pub struct Admin {
    /// Reads the node.
    pub view: Arc<dyn View>,
    /// Asks guilds.
    pub guilds: Arc<dyn AskGuild>,
    /// Accounts, memberships, channels.
    pub directory: Arc<dyn Directory>,
    /// Gives ids.
    pub ids: Arc<SnowflakeSource>,
    /// Signs tokens.
    pub tokens: TokenSigner,
    /// Checks tokens.
    pub verifier: Verifier,
    /// Called for each member of a new guild, once the guild is there.
    pub joined: Joined,
    /// The node's figures.
    pub counters: Arc<Counters>,
    /// The operator's token.
    pub token: Secret,
    /// Whether `/metrics` is served without the token.
    pub open_metrics: bool,
    /// The other nodes, where there can be any.
    pub cluster: Option<Arc<dyn Cluster>>,
    /// Has the node end.
    pub drain: Drain,
}

/// Makes the routes' constructor for an `HttpServer`. Call it once and hand clones to the workers:
/// they share the registry of figures and the count of live feeds.
///
/// `HttpServer::new(move || App::new().configure(configure.clone())).on_connect(admin::on_connect)`
pub fn routes(admin: Admin) -> impl FnOnce(&mut web::ServiceConfig) + Clone + Send + 'static {
    let mut registry = Registry::default();
    counters::register(&admin.counters, &mut registry);
    let registry = web::Data::new(registry);
    let feeds = web::Data::new(live::Feeds::default());
    let admin = web::Data::new(admin);
    move |cfg| {
        let query = web::QueryConfig::default()
            .error_handler(|error, _| bad_request(error.to_string()).into());
        cfg.app_data(admin)
            .app_data(query)
            .app_data(registry)
            .app_data(feeds)
            .configure(console::configure)
            .service(at("/healthz").get(health::healthz))
            .service(at("/readyz").get(health::readyz))
            .service(at("/metrics").get(health::metrics))
            .service(
                web::scope("/admin/v1")
                    .wrap(from_fn(guard::guard))
                    .service(at("/placement").get(placement::placement))
                    .service(at("/ring").get(placement::ring))
                    .service(at("/ring/points").get(placement::points))
                    .service(at("/nodes").get(nodes::list))
                    .service(at("/nodes/{name}/drain").post(nodes::drain))
                    .service(at("/executors").get(guilds::executors))
                    .service(at("/guilds").get(guilds::list).post(provision::create))
                    .service(
                        at("/guilds/{id}")
                            .get(guilds::show)
                            .delete(provision::delete),
                    )
                    .service(at("/guilds/{id}/restart").post(guilds::restart))
                    .service(at("/guilds/{id}/revive").post(guilds::revive))
                    .service(at("/guilds/{id}/promote").post(moves::promote))
                    .service(at("/guilds/{id}/demote").post(moves::demote))
                    .service(at("/guilds/{id}/move").post(moves::to))
                    .service(at("/moves").get(moves::list))
                    .service(at("/cluster").get(overview::cluster))
                    .configure(faults)
                    .service(at("/sessions").get(sessions::list))
                    .service(at("/sessions/{id}").get(sessions::show))
                    .service(at("/users").post(users::create))
                    .service(at("/tokens/revoke").post(tokens::revoke))
                    .service(at(live::PATH).get(live::live))
                    .default_service(web::to(not_found)),
            )
            .default_service(web::to(not_found));
    }
}

/// For `HttpServer::on_connect`: has the system drop a connection whose client takes nothing for
/// 30 seconds. Nothing inside the server could: a live feed's actor is not polled meanwhile.
pub fn on_connect(connection: &dyn Any, _: &mut Extensions) {
    let plain = connection.downcast_ref::<TcpStream>();
    let secure = connection.downcast_ref::<TlsStream<TcpStream>>();
    if let Some(stream) = plain.or_else(|| secure.map(|stream| stream.get_ref().0))
        && let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(TAKES_NOTHING))
    {
        tracing::warn!(%error, "an admin connection stays without a time-out");
    }
}

/// `POST /faults`: sets a fault, in builds for tests alone.
#[cfg(feature = "fault-points")]
fn faults(cfg: &mut web::ServiceConfig) {
    use crate::supervision::faults::{Fault, set};
    async fn post(fault: web::Json<Fault>) -> actix_web::HttpResponse {
        set(fault.into_inner());
        actix_web::HttpResponse::NoContent().finish()
    }
    cfg.service(at("/faults").post(post));
}

#[cfg(not(feature = "fault-points"))]
fn faults(_: &mut web::ServiceConfig) {}

fn at(path: &str) -> Resource {
    web::resource(path).default_service(web::to(method_not_allowed))
}

async fn not_found() -> Answer {
    Err(Refusal(ApiError::NOT_FOUND))
}

async fn method_not_allowed() -> Answer {
    Err(Refusal(ApiError::METHOD_NOT_ALLOWED))
}
