//! The end of a node: clients go elsewhere, open requests are answered.

use std::time::Duration;

use actix_server::ServerHandle;
use tokio::time::{Instant, sleep};

use crate::api;
use crate::session::links::HubMail;
use crate::session::parked::Parked;
use crate::session::shared::SessionShared;
use crate::supervision::drain::{Drain, Step};

/// How long a hub may take to hand over its sessions at a stop.
const HANDOVER: Duration = Duration::from_secs(10);
/// How long open REST requests may take at a stop.
const REST_GRACE: Duration = Duration::from_secs(5);
/// How long REST connections may take to end then, once their requests are answered, in seconds.
pub(super) const CONNECTION_GRACE_S: u64 = 1;

/// Asks every client to resume elsewhere, waits a little, closes what is left, takes the sessions,
/// stops accepting; at the longest `grace` for clients that go by themselves.
pub(super) async fn clients(
    shared: &SessionShared,
    (api, progress): (&api::Context, &Drain),
    main: &ServerHandle,
    grace: Duration,
) -> Vec<Parked> {
    progress.comes_to(Step::Clients);
    tracing::info!(sessions = shared.links.sessions(), "draining");
    shared.links.set_draining();
    shared.links.post_all(|| HubMail::Reconnect);
    let end = Instant::now() + grace;
    while shared.links.connections() > 0 && Instant::now() < end {
        sleep(Duration::from_millis(20)).await;
    }
    shared.links.post_all(|| HubMail::CloseAll);
    let end = Instant::now() + Duration::from_millis(500);
    while shared.links.connections() > 0 && Instant::now() < end {
        sleep(Duration::from_millis(10)).await;
    }
    progress.comes_to(Step::Closing);
    api.stop();
    let end = Instant::now() + REST_GRACE;
    while api.open_requests() > 0 && Instant::now() < end {
        sleep(Duration::from_millis(5)).await;
    }
    // What was answered is on its way to the hubs, before this.
    let mut sessions = shared.links.checkpoint(HANDOVER).await;
    if let Some(elsewhere) = &shared.elsewhere {
        // Those that could not be let go before, and cannot now, wait for the next start here.
        sessions = elsewhere.keep_all(sessions).await;
    }
    main.stop(true).await;
    sessions
}
