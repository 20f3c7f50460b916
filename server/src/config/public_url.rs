//! The address under which clients reach this node, and the URLs that are told to them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use actix_web::http::Uri;

/// Path of the gateway. URLs told to clients never end in a slash: one library would ask for
/// `//`.
pub const GATEWAY_PATH: &str = "/gateway";
/// Path of the REST API, in the version that is told to clients.
pub const API_PATH: &str = "/api/v10";

/// A base such as `https://chat.example.org` or `http://127.0.0.1:8080`: scheme, host and, where
/// it is not the scheme's own, port. No path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    secure: bool,
    authority: String,
}

/// Why a text is no public URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected http://host:port or https://host:port without a path")]
pub struct InvalidPublicUrl;

impl PublicUrl {
    /// Reads a base URL; a slash at its end is dropped.
    pub fn parse(text: &str) -> Result<Self, InvalidPublicUrl> {
        let uri: Uri = text.trim().parse().map_err(|_| InvalidPublicUrl)?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(InvalidPublicUrl),
        };
        let authority = uri.authority().ok_or(InvalidPublicUrl)?;
        if authority.host().is_empty()
            || authority.as_str().contains('@')
            || !matches!(uri.path(), "" | "/")
            || uri.query().is_some()
        {
            return Err(InvalidPublicUrl);
        }
        Ok(Self {
            secure,
            authority: authority.as_str().to_owned(),
        })
    }

    /// The base for clients on the same machine, from the address that is listened on. An address
    /// that stands for every interface is replaced by the loopback one. `secure` where it speaks TLS.
    pub fn of_listener(bound: SocketAddr, secure: bool) -> Self {
        let host = match bound.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        Self {
            secure,
            authority: SocketAddr::new(host, bound.port()).to_string(),
        }
    }

    /// Base of REST calls: `http://…/api/v10`.
    pub fn api(&self) -> String {
        format!("{self}{API_PATH}")
    }

    /// The gateway: `ws://…/gateway`, or `wss` where the base is `https`.
    pub fn gateway(&self) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        format!("{scheme}://{}{GATEWAY_PATH}", self.authority)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_for_clients_follow_the_scheme_and_have_no_slash_at_the_end() {
        let plain = PublicUrl::parse("http://127.0.0.1:8080/").unwrap();
        assert_eq!(plain.to_string(), "http://127.0.0.1:8080");
        assert_eq!(plain.api(), "http://127.0.0.1:8080/api/v10");
        assert_eq!(plain.gateway(), "ws://127.0.0.1:8080/gateway");
        let secure = PublicUrl::parse("https://chat.example.org").unwrap();
        assert_eq!(secure.gateway(), "wss://chat.example.org/gateway");
    }

    #[test]
    fn anything_but_a_bare_base_is_refused() {
        for bad in [
            "",
            "127.0.0.1:8080",
            "ws://h",
            "http://",
            "http://h/path",
            "http://h/?q",
            "http://user@h",
            "http://h h",
        ] {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wildcard_listener_is_reached_over_loopback() {
        let url = |addr: &str| PublicUrl::of_listener(addr.parse().unwrap(), false).to_string();
        assert_eq!(url("0.0.0.0:81"), "http://127.0.0.1:81");
        assert_eq!(url("[::]:81"), "http://[::1]:81");
        assert_eq!(url("10.1.2.3:81"), "http://10.1.2.3:81");
        let secure = PublicUrl::of_listener("[::]:443".parse().unwrap(), true);
        assert_eq!(secure.gateway(), "wss://[::1]:443/gateway");
    }
}
