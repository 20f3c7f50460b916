//! Which pages may use the server from within a browser.
//!
//! Only browsers send `Origin`, and they always do where it matters here: with a WebSocket handshake, and with
//! a request to another origin.

/// Origins besides the server's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    listed: Vec<String>,
}

impl Origins {
    /// Those on a list, such as `https://chat.example.org`; `*` stands for every one.
    pub fn new(listed: &[String]) -> Self {
        Self {
            any: listed.iter().any(|origin| origin == "*"),
            listed: listed
                .iter()
                .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
                .collect(),
        }
    }

    /// Whether every origin is listed.
    pub const fn has_any(&self) -> bool {
        self.any
    }

    /// Whether an origin is listed.
    pub fn has(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        self.any || self.listed.contains(&origin)
    }

    /// Whether a page of this origin may use a server that was asked for as `host`: its own pages may, and those
    /// that are listed.
    pub fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        is_own(origin, host) || self.has(origin)
    }
}

/// Whether a page is the server's own: its origin has the host and port that were asked for.
pub fn is_own(origin: &str, host: Option<&str>) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    matches!((authority, host), (Some(page), Some(host)) if page.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_pages_and_listed_ones_may_and_no_others() {
        let host = Some("chat.example.org:8080");
        let none = Origins::default();
        assert!(none.allows("http://chat.example.org:8080", host));
        assert!(none.allows("https://CHAT.example.org:8080", host));
        for foreign in [
            "http://chat.example.org",
            "http://evil.example",
            "http://chat.example.org:8080.evil.example",
            "null",
            "",
        ] {
            assert!(!none.allows(foreign, host), "{foreign}");
        }
        assert!(!none.allows("http://x", None));
        let some = Origins::new(&["https://App.example.org/".to_owned()]);
        assert!(some.allows("https://app.example.org", host));
        assert!(!some.allows("http://app.example.org", host));
        assert!(!some.has_any() && Origins::new(&["*".to_owned()]).allows("null", None));
    }
}
