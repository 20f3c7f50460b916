//! A certificate of a test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A certificate for 127.0.0.1 that is signed by itself, and its key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// In PEM.
    pub certificate: String,
    /// In PEM.
    pub key: String,
}

impl Identity {
    /// A fresh one.
    #[allow(clippy::new_without_default)] // two of them differ
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])
            .expect("a certificate can be made");
        Self {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    /// Where it is, or is to be, in a folder.
    pub fn paths(folder: &Path) -> (PathBuf, PathBuf) {
        (folder.join("server.crt"), folder.join("server.key"))
    }

    /// Writes both files, in place of others.
    pub fn write(&self, folder: &Path) {
        let (certificate, key) = Self::paths(folder);
        fs::write(certificate, &self.certificate).expect("the certificate is written");
        fs::write(key, &self.key).expect("the key is written");
    }

    /// What a client that trusts only this certificate connects with.
    pub fn trusted(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = RootCertStore::empty();
        let der = CertificateDer::from_pem_slice(self.certificate.as_bytes())
            .expect("the certificate is PEM");
        roots.add(der).expect("the certificate can be trusted");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites of both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}
