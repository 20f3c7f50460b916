//! Files that are part of the binary, served with headers under which a page can do no harm.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CROSS_ORIGIN_OPENER_POLICY,
    CROSS_ORIGIN_RESOURCE_POLICY, ETAG, EntityTag, HOST, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, web};
use twox_hash::XxHash3_64;

/// A file of a page.
pub struct Asset {
    /// Where it is served.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// What is in it.
    pub text: &'static str,
}

/// Media type of a page.
pub const HTML: &str = "text/html; charset=utf-8";
/// Media type of a style sheet.
pub const CSS: &str = "text/css; charset=utf-8";
/// Media type of a script.
pub const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
/// Media type of a drawing.
pub const SVG: &str = "image/svg+xml";

/// The files of a page: `path, TYPE, file;` each, the files in `server/web/`.
macro_rules! assets {
    ($($path:literal, $content_type:ident, $file:literal;)*) => {
        static ASSETS: &[$crate::web::asset::Asset] = &[$($crate::web::asset::Asset {
            path: $path,
            content_type: $crate::web::asset::$content_type,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/", $file)),
        }),*];
    };
}
pub(crate) use assets;

/// Adds the files of a page.
pub fn configure(cfg: &mut web::ServiceConfig, assets: &'static [Asset]) {
    for asset in assets {
        let answer = move |request: HttpRequest| async move { asset.answer(&request) };
        cfg.route(asset.path, web::get().to(answer));
        cfg.route(asset.path, web::head().to(answer));
    }
}

impl Asset {
    /// Follows from the text, so that a browser asks again only whether it changed.
    fn tag(&self) -> EntityTag {
        let hash = XxHash3_64::oneshot(self.text.as_bytes());
        EntityTag::new_strong(format!("{hash:016x}"))
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let tag = self.tag().to_string();
        let known = request
            .headers()
            .get(IF_NONE_MATCH)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|tags| tags.split(',').any(|given| given.trim() == tag));
        let mut response = if known {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        response
            .insert_header((ETAG, tag))
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((REFERRER_POLICY, "no-referrer"))
            .insert_header((X_FRAME_OPTIONS, "DENY"))
            .insert_header((CROSS_ORIGIN_OPENER_POLICY, "same-origin"))
            .insert_header((CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
            .insert_header((CONTENT_SECURITY_POLICY, policy(request)));
        if known {
            return response.finish();
        }
        response.content_type(self.content_type).body(self.text)
    }
}

/// What a page may load and reach: its own files, its own server. A WebSocket is named with its
/// host, since some browsers do not count one of the same host as `'self'`.
fn policy(request: &HttpRequest) -> String {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|value| value.to_str().ok())
        .filter(|host| is_plain(host));
    let gateway = host.map_or_else(String::new, |host| format!(" ws://{host} wss://{host}"));
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'{gateway}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// Whether a `Host` header is a host and nothing that could add to a policy.
fn is_plain(host: &str) -> bool {
    host.bytes().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
    })
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::dev::ServiceResponse;
    use actix_web::http::header::CONTENT_TYPE;
    use actix_web::test as http;

    use super::*;

    static PAGE: &[Asset] = &[
        Asset {
            path: "/",
            content_type: HTML,
            text: "<!doctype html>",
        },
        Asset {
            path: "/page.js",
            content_type: JAVASCRIPT,
            text: "export {};",
        },
    ];

    async fn get(path: &str, headers: &[(&str, &str)]) -> ServiceResponse {
        let app = http::init_service(App::new().configure(|cfg| configure(cfg, PAGE))).await;
        let mut request = http::TestRequest::get().uri(path);
        for &header in headers {
            request = request.insert_header(header);
        }
        http::call_service(&app, request.to_request()).await
    }

    fn header(response: &ServiceResponse, name: impl AsRef<str>) -> String {
        let value = response.headers().get(name.as_ref());
        value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    }

    #[actix_web::test]
    async fn every_file_has_its_type_and_the_policy() {
        for asset in PAGE {
            let response = get(asset.path, &[("host", "127.0.0.1:8080")]).await;
            assert_eq!(response.status(), 200, "{}", asset.path);
            assert_eq!(header(&response, CONTENT_TYPE), asset.content_type);
            assert_eq!(header(&response, X_CONTENT_TYPE_OPTIONS), "nosniff");
            let policy = header(&response, CONTENT_SECURITY_POLICY);
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
            assert!(
                policy.contains("connect-src 'self' ws://127.0.0.1:8080 wss://127.0.0.1:8080;")
            );
            assert!(!policy.contains("unsafe"), "{policy}");
        }
    }

    #[actix_web::test]
    async fn a_strange_host_adds_nothing_to_the_policy() {
        for host in ["x; script-src *", "*", "a b", "h/?"] {
            let response = get("/", &[("host", host)]).await;
            let policy = header(&response, CONTENT_SECURITY_POLICY);
            assert!(policy.contains("connect-src 'self';"), "{policy}");
        }
    }

    #[actix_web::test]
    async fn an_unchanged_file_is_not_sent_again() {
        let first = get("/", &[]).await;
        let tag = header(&first, ETAG);
        let again = get("/", &[("if-none-match", &format!("\"x\", {tag}"))]).await;
        assert_eq!(again.status(), 304);
        assert!(http::read_body(again).await.is_empty());
        let other = get("/", &[("if-none-match", "\"x\"")]).await;
        assert_eq!(other.status(), 200);
    }
}
