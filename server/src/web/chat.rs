//! The browser chat page, served at `/` of the main port.
//!
//! The page is an ordinary client: it uses the gateway and the REST API of its own origin and
//! nothing else, which its content security policy enforces.

use std::net::IpAddr;

use actix_web::http::header::{CACHE_CONTROL, HOST, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;

use super::asset;

asset::assets! {
    "/", HTML, "chat/index.html";
    "/chat/chat.css", CSS, "chat/chat.css";
    "/shared/icon.svg", SVG, "shared/icon.svg";
    "/shared/elements.js", JAVASCRIPT, "shared/elements.js";
    "/chat/chat.js", JAVASCRIPT, "chat/chat.js";
    "/chat/composer.js", JAVASCRIPT, "chat/composer.js";
    "/chat/dom.js", JAVASCRIPT, "chat/dom.js";
    "/chat/gateway.js", JAVASCRIPT, "chat/gateway.js";
    "/chat/message.js", JAVASCRIPT, "chat/message.js";
    "/chat/rest.js", JAVASCRIPT, "chat/rest.js";
    "/chat/sidebar.js", JAVASCRIPT, "chat/sidebar.js";
    "/chat/timeline.js", JAVASCRIPT, "chat/timeline.js";
    "/chat/world.js", JAVASCRIPT, "chat/world.js";
}

/// Adds the page. `demo` is what `guildhall dev` offers it at `/demo.json`; without it, the page
/// asks for a token.
pub fn configure(cfg: &mut web::ServiceConfig, demo: Option<Value>) {
    asset::configure(cfg, ASSETS);
    if let Some(demo) = demo {
        let body = demo.to_string();
        let own = demo["api"].as_str().and_then(authority).map(str::to_owned);
        let answer = move |request: HttpRequest| {
            let told = is_known(&request, own.as_deref());
            let body = told.then(|| body.clone());
            async move {
                let Some(body) = body else {
                    return HttpResponse::NotFound().finish();
                };
                HttpResponse::Ok()
                    .content_type("application/json")
                    .insert_header((CACHE_CONTROL, "no-store"))
                    .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
                    .body(body)
            }
        };
        cfg.route("/demo.json", web::get().to(answer));
    }
}

/// Host and port of a URL.
fn authority(url: &str) -> Option<&str> {
    url.split_once("://")?.1.split('/').next()
}

/// Whether the page was asked for by an address, as localhost, or by the name that clients are told. A page of
/// somebody else's whose name was made to lead here is none of these: it would be told the demo's tokens.
fn is_known(request: &HttpRequest, own: Option<&str>) -> bool {
    let host = request.headers().get(HOST);
    let Some(host) = host.and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        if is_port { name } else { host }
    });
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    own == Some(host) || name == "localhost" || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::dev::ServiceResponse;
    use actix_web::test as http;

    use super::*;
    use crate::web::policy;

    async fn get(path: &str, demo: Option<Value>) -> ServiceResponse {
        let app = http::init_service(App::new().configure(|cfg| configure(cfg, demo))).await;
        let request = http::TestRequest::get().uri(path);
        let request = request.insert_header((HOST, "127.0.0.1:8080")).to_request();
        http::call_service(&app, request).await
    }

    #[actix_web::test]
    async fn the_page_is_served() {
        for asset in ASSETS {
            assert_eq!(get(asset.path, None).await.status(), 200, "{}", asset.path);
        }
    }

    #[actix_web::test]
    async fn the_demo_is_offered_only_where_there_is_one() {
        let demo = serde_json::json!({ "user_tokens": ["a", "b"] });
        let response = get("/demo.json", Some(demo.clone())).await;
        let cached = response.headers().get(CACHE_CONTROL);
        assert_eq!(cached.unwrap(), "no-store");
        assert_eq!(http::read_body_json::<Value, _>(response).await, demo);
        assert_eq!(get("/demo.json", None).await.status(), 404);
    }

    #[test]
    fn the_page_keeps_to_its_own_policy() {
        policy::check(ASSETS, "/chat/");
    }
}
