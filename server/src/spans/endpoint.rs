//! Where a collector takes spans.

use std::fmt;

/// The path that collectors take spans at, unless another one is named.
const PATH: &str = "/v1/traces";

/// `http://host:port`, with a path where that is not `/v1/traces`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `host:port`, to connect to and as the request's `Host`.
    pub(super) authority: String,
    pub(super) path: String,
}

impl Endpoint {
    /// Reads it; `None` where it is something else. There is no TLS and no password: the collector is beside the node.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://")?;
        let (authority, path) = match rest.find('/') {
            Some(at) if rest.len() > at + 1 => rest.split_at(at),
            Some(at) => (&rest[..at], PATH),
            None => (rest, PATH),
        };
        let (host, port) = authority.rsplit_once(':')?;
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let good = !host.is_empty()
            && !host.contains(['@', '?', '#'])
            && port.parse::<u16>().is_ok_and(|port| port > 0)
            && is_plain(rest);
        good.then(|| Self {
            authority: authority.to_owned(),
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_host_a_port_and_a_path() {
        for (text, whole) in [
            ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
            ("http://otel:4318/", "http://otel:4318/v1/traces"),
            ("http://otel:4318/in/v1", "http://otel:4318/in/v1"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), whole);
        }
        for bad in [
            "otel:4318",
            "https://otel:4318",
            "http://otel",
            "http://:4318",
            "http://otel:0",
            "http://me:secret@otel:4318",
            "http://otel:4318/a b",
            "http://otel:4318/a\r\nX: y",
        ] {
            assert_eq!(Endpoint::parse(bad), None, "{bad}");
        }
    }
}
