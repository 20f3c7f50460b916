//! Bodies, paths and queries that are wrong: each gets its status and code.

use super::*;

fn messages() -> String {
    format!("/api/v10/channels/{CHANNEL}/messages")
}

async fn send_body(api: &Fixture, kind: &str, body: impl Into<bytes::Bytes>) -> Response {
    let request = post(&messages())
        .insert_header(("Content-Type", kind))
        .set_payload(body.into());
    api.ask(request).await
}

#[actix_web::test]
async fn malformed_json_is_50109_and_a_wrong_type_names_its_field() {
    let api = Fixture::new().with_member().await;
    for body in [
        "{",
        "{\"content\":",
        "hello",
        "{}}",
        "{\"content\":\"\u{0}\"}",
    ] {
        let response = send_body(&api, "application/json", body).await;
        response.is_error(400, 50_109, "The request body contains invalid JSON.");
    }
    for (body, path) in [
        (r#"{"content":5}"#, "content"),
        (r#"{"tts":"yes"}"#, "tts"),
        (
            r#"{"embeds":[{"title":"t"},{"color":"red"}]}"#,
            "embeds.1.color",
        ),
        (
            r#"{"message_reference":{}}"#,
            "message_reference.message_id",
        ),
        (r#"{"nonce":{}}"#, "nonce"),
        (r#"["content"]"#, "body"),
    ] {
        let response = send_body(&api, "application/json", body).await;
        response.is_field_error(path);
    }
}

#[actix_web::test]
async fn deep_nesting_is_refused_also_where_it_would_be_passed_on() {
    let api = Fixture::new().with_member().await;
    let deep = "[".repeat(50_000) + &"]".repeat(50_000);
    for body in [deep.clone(), format!("{{\"components\":[{deep}]}}")] {
        let response = send_body(&api, "application/json", body).await;
        response.is_error(400, 50_109, "The request body contains invalid JSON.");
    }
}

#[actix_web::test]
async fn a_large_body_is_413() {
    let api = Fixture::new().with_member().await;
    let limit = generous().max_body;
    let exact = format!("{{\"content\":\"{}\"}}", "x".repeat(limit - 14));
    assert_eq!(exact.len(), limit);
    let response = send_body(&api, "application/json", exact.clone()).await;
    assert_ne!(response.status, 413);
    let message = "Request entity too large. Try sending something smaller in size";
    let response = send_body(&api, "application/json", exact + " ").await;
    response.is_error(413, 40_005, message);
}

#[actix_web::test]
async fn types_other_than_json_are_415_unless_the_body_is_empty() {
    let api = Fixture::new().with_member().await;
    let types = [
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "text/plain",
        "application/jsonx",
    ];
    for kind in types {
        let response = send_body(&api, kind, "content=x").await;
        assert_eq!(
            (response.status.as_u16(), &response.json()["code"]),
            (415, &json!(50_035))
        );
        // The guild is asked: its 503 shows that the empty body was taken.
        assert_eq!(send_body(&api, kind, "").await.status, 503, "{kind}");
        let typing = post(&format!("/api/v10/channels/{CHANNEL}/typing"))
            .insert_header(("Content-Type", kind))
            .set_payload("");
        assert_eq!(api.ask(typing).await.status, 503, "{kind}");
    }
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
    ] {
        let response = send_body(&api, kind, "{\"content\":\"x\"}").await;
        assert_eq!(response.status, 503, "{kind}");
    }
    let untyped = post(&messages()).set_payload("{\"content\":\"x\"}");
    assert_eq!(api.ask(untyped).await.status, 503);
    let packed = post(&messages())
        .insert_header(("Content-Type", "application/json"))
        .insert_header(("Content-Encoding", "gzip"))
        .set_payload("xx");
    assert_eq!(api.ask(packed).await.status, 415);
}

#[actix_web::test]
async fn multipart_without_files_is_taken_and_with_files_refused() {
    let api = Fixture::new().with_member().await;
    let kind = "multipart/form-data; boundary=b";
    let json = "--b\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n\
                {\"content\":\"x\"}\r\n";
    let response = send_body(&api, kind, format!("{json}--b--\r\n")).await;
    assert_eq!(response.status, 503);
    let file = "--b\r\nContent-Disposition: form-data; name=\"files[0]\"; filename=\"a\"\r\n\r\n\
                bytes\r\n";
    let message = "File uploads are not supported by this server";
    let response = send_body(&api, kind, format!("{json}{file}--b--\r\n")).await;
    response.is_error(400, 50_035, message);
    // Also where the file is larger than any body may be.
    let response = send_body(&api, kind, vec![b'x'; generous().max_body + 1]).await;
    response.is_error(400, 50_035, message);
    let response = send_body(&api, kind, "nothing of the kind").await;
    response.is_field_error("body");
}

#[actix_web::test]
async fn ids_and_limits_that_are_none_name_the_parameter() {
    let api = Fixture::new().with_member().await;
    for (path, field) in [
        ("/channels/abc".to_owned(), "channel_id"),
        ("/channels/0".to_owned(), "channel_id"),
        ("/channels/-5".to_owned(), "channel_id"),
        ("/channels/99999999999999999999".to_owned(), "channel_id"),
        ("/guilds/%C3%A9".to_owned(), "guild_id"),
        (format!("/channels/{CHANNEL}/messages/x"), "message_id"),
        (format!("/channels/{CHANNEL}/messages?limit=0"), "limit"),
        (format!("/channels/{CHANNEL}/messages?limit=101"), "limit"),
        (format!("/channels/{CHANNEL}/messages?before=x"), "before"),
        (format!("/channels/{CHANNEL}/messages?a=%zz"), "query"),
        (format!("/guilds/{GUILD}/members?limit=1001"), "limit"),
        (format!("/guilds/{GUILD}/members/search?limit=5"), "query"),
    ] {
        let response = api.ask(get(&format!("/api/v10{path}"))).await;
        response.is_field_error(field);
    }
}

#[actix_web::test]
async fn an_emoji_is_percent_encoded_unicode_or_name_and_id() {
    let api = Fixture::new().with_member().await;
    let put =
        |emoji: &str| TestRequest::put().uri(&format!("{}/5/reactions/{emoji}/@me", messages()));
    for emoji in [
        "%F0%9F%91%8D",
        "%F0%9F%91%A9%E2%80%8D%F0%9F%9A%80",
        "1%EF%B8%8F%E2%83%A3",
        "blob:123",
        "blob%3A123",
        "a%3Ablob%3A123",
    ] {
        assert_eq!(api.ask(put(emoji)).await.status, 503, "{emoji}");
    }
    for emoji in [
        "thumbsup",
        "%F0%9F",
        "%zz",
        "%",
        "blob:x",
        ":123",
        "blob:0",
        "%00",
        "%F0%9F%91%8D%0A",
        "%C2%A0",
        &"%F0%9F%91%8D".repeat(20),
    ] {
        let response = api.ask(put(emoji)).await;
        response.is_error(400, 10_014, "Unknown Emoji");
    }
}

#[actix_web::test]
async fn bulk_delete_takes_two_to_a_hundred_different_messages() {
    let api = Fixture::new().with_member().await;
    let path = format!("{}/bulk-delete", messages());
    let delete = |ids: Vec<u64>| post(&path).set_json(json!({ "messages": ids }));
    for count in [0, 1, 101] {
        let response = api.ask(delete((1..=count).collect())).await;
        assert_eq!(response.json()["code"], 50_016, "{count}");
    }
    let twice = api.ask(delete(vec![1, 2, 1])).await;
    twice.is_field_error("messages");
    assert_eq!(api.ask(delete((1..=100).collect())).await.status, 503);
}
