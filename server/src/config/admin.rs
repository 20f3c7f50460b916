//! `[admin]`: the operator's listener.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::secret::Secret;
use super::setting::section;

/// `admin.host`.
pub const DEFAULT_HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// `admin.port`.
pub const DEFAULT_PORT: u16 = 9090;
/// `admin.open_metrics`.
pub const DEFAULT_OPEN_METRICS: bool = false;
/// File in the data directory that keeps a generated token.
pub const TOKEN_FILE: &str = "admin-token";

section! {
    /// The operator's listener.
    pub struct Admin = "admin" {
        /// Address to listen on.
        host: IpAddr = DEFAULT_HOST, None;
        /// Port to listen on; 0 takes a free one.
        port: u16 = DEFAULT_PORT, None;
        /// The bearer token. By default one is generated and kept in the data directory.
        token: Option<Secret> = None, None;
        /// Whether /metrics is served without the token.
        open_metrics: bool = DEFAULT_OPEN_METRICS, None;
        /// PEM file with the certificate of this listener and those that it was signed with; the
        /// listener then speaks TLS only. Read anew at SIGHUP.
        tls_cert: Option<PathBuf> = None, None;
        /// PEM file with the private key of that certificate.
        tls_key: Option<PathBuf> = None, None;
    }
}
