//! Where a server listens: `http://` and `ws://` URLs, resolved once.

use std::net::{SocketAddr, ToSocketAddrs as _};

use serde::{Deserialize, Serialize};

/// A server's address, the name to put into `Host`, and the path of the URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where to connect to.
    pub address: SocketAddr,
    /// `host:port` as the URL had it.
    pub host: String,
    /// Path without trailing slash; empty for none.
    pub path: String,
}

/// Why a URL cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Another scheme, such as one with TLS.
    #[error("{url}: only {scheme}:// urls are supported")]
    Scheme {
        /// The whole URL.
        url: String,
        /// What it should begin with.
        scheme: &'static str,
    },
    /// The host has no address.
    #[error("{host}: {source}")]
    Resolve {
        /// The host and port looked up.
        host: String,
        /// What went wrong.
        source: std::io::Error,
    },
}

impl Endpoint {
    /// Parses and resolves `url`, which must have this `scheme`. Blocks on a name that is no address.
    pub fn parse(url: &str, scheme: &'static str) -> Result<Self, EndpointError> {
        let rest = url
            .strip_prefix(scheme)
            .and_then(|url| url.strip_prefix("://"));
        let rest = rest.ok_or_else(|| EndpointError::Scheme {
            url: url.to_owned(),
            scheme,
        })?;
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (host, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| {
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        let with_port = if has_port {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let resolve_error = |source| EndpointError::Resolve {
            host: with_port.clone(),
            source,
        };
        let address = with_port
            .to_socket_addrs()
            .map_err(resolve_error)?
            .next()
            .ok_or_else(|| resolve_error(std::io::Error::other("no address")))?;
        Ok(Self {
            address,
            host: host.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        let endpoint = Endpoint::parse("ws://127.0.0.1:8080/gateway/?v=10", "ws").unwrap();
        assert_eq!(endpoint.address, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(endpoint.host, "127.0.0.1:8080");
        assert_eq!(endpoint.path, "/gateway");
        let endpoint = Endpoint::parse("http://[::1]", "http").unwrap();
        assert_eq!(endpoint.address, "[::1]:80".parse().unwrap());
        assert_eq!(endpoint.path, "");
    }

    #[test]
    fn other_schemes_are_refused() {
        assert!(Endpoint::parse("wss://127.0.0.1/", "ws").is_err());
        assert!(Endpoint::parse("127.0.0.1", "http").is_err());
    }
}
