//! The certificates of the node's listeners.

use super::tls::{Certificate, TlsFiles};
use super::{StartError, keys};
use crate::config::Config;

/// The certificates of the listeners that speak TLS.
pub(super) struct Certificates {
    pub(super) main: Option<Certificate>,
    pub(super) admin: Option<Certificate>,
}

impl Certificates {
    pub(super) fn open(config: &Config) -> Result<Self, StartError> {
        let (listen, admin) = (&config.listen, &config.admin);
        let open = |files: Option<TlsFiles>| {
            let opened = files.map(Certificate::open).transpose();
            opened.map_err(|error| StartError::Tls(error.to_string()))
        };
        Ok(Self {
            main: open(TlsFiles::of(
                listen.tls_cert.as_ref(),
                listen.tls_key.as_ref(),
            ))?,
            admin: open(TlsFiles::of(
                admin.tls_cert.as_ref(),
                admin.tls_key.as_ref(),
            ))?,
        })
    }

    pub(super) fn all(&self) -> Vec<Certificate> {
        let both = [&self.main, &self.admin];
        both.into_iter().flatten().cloned().collect()
    }
}

/// Whether the files that settings name can be used. Blocks on the disk.
pub fn check_files(config: &Config) -> Result<(), StartError> {
    Certificates::open(config)?;
    keys::read(&config.auth).map(|_| ())
}
