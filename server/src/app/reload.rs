//! SIGHUP: what can be read anew while the node serves.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;

use super::tls::Certificate;
use crate::counters::Counters;

/// Reads everything anew at each SIGHUP, until it is dropped.
pub(super) async fn on_hangup(certificates: Vec<Certificate>, counters: Arc<Counters>) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::error!(%error, "SIGHUP cannot be caught");
            return;
        }
    };
    while hangup.recv().await.is_some() {
        let (certificates, counters) = (certificates.clone(), Arc::clone(&counters));
        let done = spawn_blocking(move || reload(&certificates, &counters)).await;
        if let Err(error) = done {
            tracing::error!(%error, "files were not read anew");
        }
    }
}

fn reload(certificates: &[Certificate], counters: &Counters) {
    for certificate in certificates {
        let path = certificate.path().display();
        match certificate.reload() {
            Ok(()) => {
                counters.reloads.inc();
                tracing::info!(%path, "certificate read anew");
            }
            Err(error) => {
                counters.reload_failures.inc();
                tracing::error!(%path, %error, "the certificate stays as it was");
            }
        }
    }
}
