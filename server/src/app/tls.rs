//! TLS: the certificate that a listener shows, read anew on demand.
//!
//! A connection keeps the certificate that it was opened with, so that a new one disturbs nobody. Files
//! that cannot be used leave the one before in place.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsFiles {
    /// PEM: the certificate, then those that it was signed with.
    pub(super) certificate: PathBuf,
    /// PEM: its private key.
    pub(super) key: PathBuf,
}

impl TlsFiles {
    /// Those that two settings name; none where neither does.
    pub(super) fn of(certificate: Option<&PathBuf>, key: Option<&PathBuf>) -> Option<Self> {
        Some(Self {
            certificate: certificate?.clone(),
            key: key?.clone(),
        })
    }
}

/// Why files cannot be used. Says nothing of what is in them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read, or is no PEM of what it should hold.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key do not go together, or are of a kind that is not served.
    #[error("{} and {}: {reason}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        reason: rustls::Error,
    },
}

/// The certificate of one listener. Cheap to clone; all clones show the same.
#[derive(Clone)]
pub(super) struct Certificate(Arc<Shown>);

struct Shown {
    files: TlsFiles,
    current: ArcSwap<CertifiedKey>,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shown").field(&self.files).finish()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl Certificate {
    /// Reads the files. Blocks on the disk.
    pub(super) fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let current = ArcSwap::from_pointee(read(&files)?);
        Ok(Self(Arc::new(Shown { files, current })))
    }

    /// Reads the files anew; connections that are opened from now on are shown what they hold. Blocks
    /// on the disk.
    pub(super) fn reload(&self) -> Result<(), TlsError> {
        self.0.current.store(Arc::new(read(&self.0.files)?));
        Ok(())
    }

    /// Where it is read from.
    pub(super) fn path(&self) -> &Path {
        &self.0.files.certificate
    }

    /// What a listener needs: TLS 1.3 and 1.2, HTTP/1.1.
    pub(super) fn server_config(&self) -> ServerConfig {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("invariant: the provider has suites of both versions")
            .with_no_client_auth()
            .with_cert_resolver(self.0.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn read(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let file = |path: &Path, reason: String| TlsError::File {
        path: path.to_owned(),
        reason,
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| file(&files.certificate, error.to_string()))?;
    if certificates.is_empty() {
        return Err(file(
            &files.certificate,
            "holds no certificate in PEM".to_owned(),
        ));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| file(&files.key, error.to_string()))?;
    CertifiedKey::from_der(certificates, key, &provider()).map_err(|reason| TlsError::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let files = TlsFiles {
            certificate: dir.join(format!("{name}.crt")),
            key: dir.join(format!("{name}.key")),
        };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn a_pair_is_taken_and_what_is_none_is_refused_by_the_name_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (write(dir.path(), "one"), write(dir.path(), "other"));
        assert!(Certificate::open(one.clone()).is_ok());
        let crossed = TlsFiles {
            key: other.key.clone(),
            ..one.clone()
        };
        let swapped = TlsFiles {
            certificate: one.key.clone(),
            key: one.certificate.clone(),
        };
        let missing = TlsFiles {
            key: dir.path().join("missing.key"),
            ..one.clone()
        };
        for (files, named) in [
            (crossed, "other.key"),
            (swapped, "one.key"),
            (missing, "missing.key"),
        ] {
            let error = Certificate::open(files).err().unwrap().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_bad_file_leaves_the_certificate_before_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path(), "one");
        let certificate = Certificate::open(files.clone()).unwrap();
        let before = certificate.0.current.load_full();
        std::fs::write(&files.certificate, "nothing").unwrap();
        assert!(certificate.reload().is_err());
        assert!(Arc::ptr_eq(&before, &certificate.0.current.load_full()));
        let other = write(dir.path(), "other");
        std::fs::copy(&other.certificate, &files.certificate).unwrap();
        std::fs::copy(&other.key, &files.key).unwrap();
        certificate.reload().unwrap();
        let now = certificate.0.current.load_full();
        assert_ne!(before.cert, now.cert);
        assert!(!format!("{:?}", certificate.0).contains("BEGIN"));
    }
}
