//! The browser chat page, served at `/` of the main port from files that are part of the binary.
//!
//! The page is an ordinary client: it uses the gateway and the REST API of its own origin and
//! nothing else, which its content security policy enforces.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, EntityTag, HOST, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;
use twox_hash::XxHash3_64;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the page.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

macro_rules! assets {
    ($($path:literal, $content_type:ident, $file:literal;)*) => {
        static ASSETS: &[Asset] = &[$(Asset {
            path: $path,
            content_type: $content_type,
            text: include_str!(concat!("../web/chat/", $file)),
        }),*];
    };
}

assets! {
    "/", HTML, "index.html";
    "/chat/chat.css", CSS, "chat.css";
    "/chat/icon.svg", SVG, "icon.svg";
    "/chat/chat.js", JAVASCRIPT, "chat.js";
    "/chat/composer.js", JAVASCRIPT, "composer.js";
    "/chat/dom.js", JAVASCRIPT, "dom.js";
    "/chat/gateway.js", JAVASCRIPT, "gateway.js";
    "/chat/message.js", JAVASCRIPT, "message.js";
    "/chat/rest.js", JAVASCRIPT, "rest.js";
    "/chat/sidebar.js", JAVASCRIPT, "sidebar.js";
    "/chat/timeline.js", JAVASCRIPT, "timeline.js";
    "/chat/world.js", JAVASCRIPT, "world.js";
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
            .insert_header((CONTENT_SECURITY_POLICY, policy(request)));
        if known {
            return response.finish();
        }
        response.content_type(self.content_type).body(self.text)
    }
}

/// What the page may load and reach: its own files, its own server. The gateway is named with its
/// host, since some browsers do not count a WebSocket of the same host as `'self'`.
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

/// Adds the page. `demo` is what `guildhall dev` offers it at `/demo.json`; without it, the page
/// asks for a token.
pub fn configure(cfg: &mut web::ServiceConfig, demo: Option<Value>) {
    for asset in ASSETS {
        let answer = move |request: HttpRequest| async move { asset.answer(&request) };
        cfg.route(asset.path, web::get().to(answer));
        cfg.route(asset.path, web::head().to(answer));
    }
    if let Some(demo) = demo {
        let body = demo.to_string();
        let answer = move || {
            let body = body.clone();
            async move {
                HttpResponse::Ok()
                    .content_type("application/json")
                    .insert_header((CACHE_CONTROL, "no-store"))
                    .body(body)
            }
        };
        cfg.route("/demo.json", web::get().to(answer));
    }
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::dev::ServiceResponse;
    use actix_web::http::header::CONTENT_TYPE;
    use actix_web::test as http;

    use super::*;

    async fn get(path: &str, headers: &[(&str, &str)], demo: Option<Value>) -> ServiceResponse {
        let app = http::init_service(App::new().configure(|cfg| configure(cfg, demo))).await;
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
        for asset in ASSETS {
            let response = get(asset.path, &[("host", "127.0.0.1:8080")], None).await;
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
            let response = get("/", &[("host", host)], None).await;
            let policy = header(&response, CONTENT_SECURITY_POLICY);
            assert!(policy.contains("connect-src 'self';"), "{policy}");
        }
    }

    #[actix_web::test]
    async fn an_unchanged_file_is_not_sent_again() {
        let first = get("/", &[], None).await;
        let tag = header(&first, ETAG);
        let again = get("/", &[("if-none-match", &format!("\"x\", {tag}"))], None).await;
        assert_eq!(again.status(), 304);
        assert!(http::read_body(again).await.is_empty());
        let other = get("/", &[("if-none-match", "\"x\"")], None).await;
        assert_eq!(other.status(), 200);
    }

    #[actix_web::test]
    async fn the_demo_is_offered_only_where_there_is_one() {
        let demo = serde_json::json!({ "user_tokens": ["a", "b"] });
        let response = get("/demo.json", &[], Some(demo.clone())).await;
        assert_eq!(header(&response, CACHE_CONTROL), "no-store");
        assert_eq!(http::read_body_json::<Value, _>(response).await, demo);
        assert_eq!(get("/demo.json", &[], None).await.status(), 404);
    }

    /// What the page's policy forbids would fail in the browser only: no inline script, style or
    /// handler, no foreign address, and every file that is named is served.
    #[test]
    fn the_page_keeps_to_its_own_policy() {
        let paths: Vec<&str> = ASSETS.iter().map(|asset| asset.path).collect();
        for asset in ASSETS.iter().filter(|asset| asset.content_type == HTML) {
            assert!(!asset.text.contains("<style"), "inline style");
            assert!(!asset.text.contains(" style="), "inline style");
            let handler = asset.text.split(" on").skip(1).any(|rest| {
                rest.trim_start_matches(|c: char| c.is_ascii_lowercase())
                    .starts_with('=')
            });
            assert!(!handler, "inline handler");
            for script in asset.text.split("<script").skip(1) {
                assert!(script.contains("src=\"/chat/"), "inline script");
            }
            for named in asset
                .text
                .split(['"'])
                .filter(|text| text.starts_with("/chat/"))
            {
                assert!(paths.contains(&named), "{named} is not served");
            }
        }
        for asset in ASSETS
            .iter()
            .filter(|asset| asset.content_type == JAVASCRIPT)
        {
            for sink in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
            ] {
                assert!(!asset.text.contains(sink), "{} uses {sink}", asset.path);
            }
            for line in asset
                .text
                .lines()
                .filter(|line| line.starts_with("import "))
            {
                let file = line.split('\'').nth(1).unwrap().trim_start_matches("./");
                let path = format!("/chat/{file}");
                assert!(paths.contains(&path.as_str()), "{path} is not served");
            }
        }
    }
}
