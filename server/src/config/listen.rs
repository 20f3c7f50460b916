//! `[listen]`: the main port (REST, gateway, chat page).

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::check::within;
use super::public_url::PublicUrl;
use super::setting::section;

/// `listen.host`.
pub const DEFAULT_HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// `listen.port`.
pub const DEFAULT_PORT: u16 = 8080;
/// `listen.backlog`.
pub const DEFAULT_BACKLOG: u32 = 4096;

section! {
    /// The main port: REST, gateway and chat page.
    pub struct Listen = "listen" {
        /// Address to listen on.
        host: IpAddr = DEFAULT_HOST, None;
        /// Port to listen on; 0 takes a free one.
        port: u16 = DEFAULT_PORT, None;
        /// Base under which clients reach this node, such as <https://chat.example.org>. The API,
        /// gateway and resume URLs told to clients are made from it. By default the listener's
        /// own address.
        public_url: Option<PublicUrl> = None, None;
        /// Connections that the system keeps while they wait to be accepted.
        backlog: u32 = DEFAULT_BACKLOG, Count, within(1..=65_535);
        /// Origins whose pages may use the gateway and the API from within a browser, such as
        /// <https://app.example.org>, besides this server's own; `*` stands for every one.
        allowed_origins: Vec<String> = Vec::new(), None, origins;
        /// PEM file with the certificate of this listener and those that it was signed with; the
        /// listener then speaks TLS only. Read anew at SIGHUP.
        tls_cert: Option<PathBuf> = None, None;
        /// PEM file with the private key of that certificate.
        tls_key: Option<PathBuf> = None, None;
    }
}

#[allow(clippy::ptr_arg)] // the section macro hands over a reference to the field's type
fn origins(origins: &Vec<String>) -> Result<(), String> {
    let good = |origin: &String| origin == "*" || PublicUrl::parse(origin).is_ok();
    if origins.iter().all(good) {
        Ok(())
    } else {
        Err("expected origins of the form https://host:port, or *".to_owned())
    }
}
