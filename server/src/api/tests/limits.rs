//! How often somebody may ask, and how a client is told.

use super::*;

pub(super) const RATE_HEADERS: [&str; 5] = [
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-reset-after",
    "x-ratelimit-bucket",
];

#[actix_web::test]
async fn messages_of_a_channel_have_a_limit_that_headers_tell() {
    let mut settings = generous();
    settings.create_message = Quota::new(3, Duration::from_secs(3_600)).unwrap();
    let api = Fixture::with(settings).with_member().await;
    let path = format!("/api/v10/channels/{CHANNEL}/messages");
    let send = || post(&path).set_json(json!({"content": "x"}));
    for remaining in ["2", "1", "0"] {
        let response = api.ask(send()).await;
        assert_eq!(response.status, 503);
        assert_eq!(response.header("x-ratelimit-remaining"), Some(remaining));
        assert_eq!(response.header("x-ratelimit-limit"), Some("3"));
        for name in RATE_HEADERS {
            assert!(response.header(name).is_some(), "{name}");
        }
        let after: f64 = response
            .header("x-ratelimit-reset-after")
            .unwrap()
            .parse()
            .unwrap();
        assert!(after > 0.0 && after <= 3_600.0);
        let reset: f64 = response
            .header("x-ratelimit-reset")
            .unwrap()
            .parse()
            .unwrap();
        assert!(reset > 1_700_000_000.0);
    }
    let refused = api.ask(send()).await;
    assert_eq!(refused.status, 429);
    let body = refused.json();
    assert_eq!(body["message"], "You are being rate limited.");
    assert_eq!(body["global"], false);
    let retry_after = body["retry_after"].as_f64().unwrap();
    assert!(retry_after > 1_100.0 && retry_after <= 1_200.0);
    assert_eq!(refused.header("retry-after"), Some("1200"));
    assert_eq!(refused.header("x-ratelimit-scope"), Some("user"));
    assert_eq!(refused.header("x-ratelimit-global"), None);
    assert_eq!(refused.header("via"), Some("1.1 guildhall"));
    for name in RATE_HEADERS {
        assert!(refused.header(name).is_some(), "{name}");
    }
    // Another user, another channel and another endpoint have their own count.
    assert_ne!(api.ask_as_bot(send()).await.status, 429);
    let other = "/api/v10/channels/77/messages";
    let response = api.ask(post(other).set_json(json!({"content": "x"}))).await;
    assert_eq!(response.status, 404);
    let history = api.ask(get(&path)).await;
    assert_eq!(history.status, 503);
    assert_eq!(history.header("x-ratelimit-limit"), None);
}

#[actix_web::test]
async fn all_requests_of_a_user_have_a_limit_across_prefixes_and_tokens() {
    let mut settings = generous();
    settings.rest_limits.global = Quota::new(2, Duration::from_secs(3_600)).unwrap();
    let api = Fixture::with(settings);
    for prefix in ["/api/v10", "/api/v9"] {
        let response = api.ask(get(&format!("{prefix}/users/@me"))).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("x-ratelimit-limit"), None);
    }
    let newer = api.signer.sign(ALICE.get(), false, 1_800_000_000);
    let request = get("/api/users/@me").insert_header(("Authorization", newer));
    let refused = api.send(request).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["global"], true);
    assert_eq!(refused.header("x-ratelimit-global"), Some("true"));
    assert_eq!(refused.header("x-ratelimit-scope"), Some("global"));
    for name in RATE_HEADERS {
        assert!(refused.header(name).is_some(), "{name}");
    }
    assert_eq!(api.ask_as_bot(get("/api/users/@me")).await.status, 200);
}

#[actix_web::test]
async fn strangers_of_one_network_have_a_limit_that_users_do_not_feel() {
    let mut settings = generous();
    settings.rest_limits.global = Quota::new(2, Duration::from_secs(3_600)).unwrap();
    let api = Fixture::with(settings);
    let from = "192.0.2.7:1000".parse().unwrap();
    let guess = || get("/api/users/@me").peer_addr(from);
    assert_eq!(api.send(guess()).await.status, 401);
    assert_eq!(api.send(guess()).await.status, 401);
    assert_eq!(api.send(guess()).await.status, 429);
    assert_eq!(api.ask(guess()).await.status, 200);
    let elsewhere = guess().peer_addr("192.0.2.8:1000".parse().unwrap());
    assert_eq!(api.send(elsewhere).await.status, 401);
}
