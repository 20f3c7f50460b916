//! SIGHUP: what can be read anew while the node serves.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;

use super::keys;
use super::tls::Certificate;
use crate::auth::verifier::Verifier;
use crate::config::auth::Auth;
use crate::counters::Counters;

/// What is read from files.
#[derive(Clone)]
pub(super) struct Reloaded {
    pub(super) certificates: Vec<Certificate>,
    /// Where the keys of JSON Web Tokens are.
    pub(super) auth: Auth,
    /// Has them.
    pub(super) tokens: Verifier,
    pub(super) counters: Arc<Counters>,
}

/// Reads everything anew at each SIGHUP, until it is dropped.
pub(super) async fn on_hangup(reloaded: Reloaded) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::error!(%error, "SIGHUP cannot be caught");
            return;
        }
    };
    while hangup.recv().await.is_some() {
        let reloaded = reloaded.clone();
        let done = spawn_blocking(move || reloaded.reload()).await;
        if let Err(error) = done {
            tracing::error!(%error, "files were not read anew");
        }
    }
}

impl Reloaded {
    fn reload(&self) {
        for certificate in &self.certificates {
            let path = certificate.path().display();
            match certificate.reload() {
                Ok(()) => {
                    self.counters.reloads.inc();
                    tracing::info!(%path, "certificate read anew");
                }
                Err(error) => {
                    self.counters.reload_failures.inc();
                    tracing::error!(%path, %error, "the certificate stays as it was");
                }
            }
        }
        if !keys::has_files(&self.auth) {
            return;
        }
        match keys::read(&self.auth) {
            Ok(keys) => {
                self.tokens.set_jwt(keys);
                self.counters.reloads.inc();
                tracing::info!("keys of tokens read anew");
            }
            Err(error) => {
                self.counters.reload_failures.inc();
                tracing::error!(%error, "the keys of tokens stay as they were");
            }
        }
    }
}
