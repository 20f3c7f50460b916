//! What only shows on a real connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;

use super::*;

struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    token: String,
}

impl Server {
    async fn start() -> Self {
        let api = Fixture::new().with_member().await;
        let (token, context) = (api.token(ALICE), api.context);
        let server = HttpServer::new(move || {
            let context = context.clone();
            App::new().configure(move |cfg| super::super::configure(cfg, &context))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        #[allow(clippy::disallowed_methods)] // ends with the handle
        actix_web::rt::spawn(server);
        Self {
            address,
            handle,
            token,
        }
    }

    /// Sends a text with `TOKEN` in it and reads until the server closes the connection.
    async fn exchange(&self, text: &str) -> String {
        let text = text.replace("TOKEN", &self.token);
        let address = self.address;
        actix_web::rt::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            String::from_utf8(answer).unwrap()
        })
        .await
        .unwrap()
    }

    async fn stop(self) {
        self.handle.stop(false).await;
    }
}

#[actix_web::test]
async fn responses_have_a_date_head_has_no_body_and_no_content_has_no_type() {
    let server = Server::start().await;
    let get = server
        .exchange("GET /api/gateway HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    let (head, body) = get.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.to_lowercase().contains("\r\ndate: "), "{head}");
    assert!(
        head.contains("\r\ncontent-type: application/json\r\n"),
        "{head}"
    );
    assert_eq!(body, "{\"url\":\"ws://127.0.0.1:8080/gateway\"}");
    let head_only = server
        .exchange("HEAD /api/gateway HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    let (head, rest) = head_only.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let length = format!("content-length: {}", body.len());
    assert!(head.contains(&length), "{head}");
    assert_eq!(rest, "");
    server.stop().await;
}

#[actix_web::test]
async fn a_body_announced_too_large_is_refused_before_it_is_sent() {
    let server = Server::start().await;
    let answer = server
        .exchange(&format!(
            "POST /api/channels/{CHANNEL}/messages HTTP/1.1\r\nHost: x\r\n\
             Authorization: TOKEN\r\nContent-Type: application/json\r\n\
             Content-Length: 1000000000\r\n\r\n{{\"content\":"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"code\":40005"), "{answer}");
    server.stop().await;
}

/// Clients that send a whole file before they look at the response lost it when the connection was
/// closed at once.
#[actix_web::test]
async fn who_sends_all_of_a_large_body_gets_to_read_the_refusal() {
    let server = Server::start().await;
    let size = 8 << 20;
    for (kind, status) in [
        ("application/json", "413"),
        ("multipart/form-data; boundary=b", "400"),
    ] {
        let answer = server
            .exchange(&format!(
                "POST /api/channels/{CHANNEL}/messages HTTP/1.1\r\nHost: x\r\n\
                 Authorization: TOKEN\r\nContent-Type: {kind}\r\nConnection: close\r\n\
                 Content-Length: {size}\r\n\r\n{}",
                "x".repeat(size)
            ))
            .await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    // Without an announced length too, and the connection goes on.
    let chunks = format!("8000\r\n{}\r\n", "x".repeat(0x8000)).repeat(40);
    let answer = server
        .exchange(&format!(
            "POST /api/channels/{CHANNEL}/messages HTTP/1.1\r\nHost: x\r\n\
             Authorization: TOKEN\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n\
             GET /api/gateway HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("HTTP/1.1 200 OK"), "{answer}");
    server.stop().await;
}

#[actix_web::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let server = Server::start().await;
    let answer = server
        .exchange(&format!(
            "POST /api/channels/{CHANNEL}/messages HTTP/1.1\r\nHost: x\r\n\
             Authorization: TOKEN\r\nContent-Type: application/json\r\n\
             Content-Length: 100\r\n\r\n{{\"content\":"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    server.stop().await;
}
