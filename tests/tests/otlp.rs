//! Spans, as a collector gets them.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::sync::{Arc, Mutex};

use guildhall_tests::{Setup, World, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Takes what is exported.
struct Collector {
    endpoint: String,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bodies);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let body = take(stream).await;
                kept.lock().unwrap().push(body);
            }
        });
        Self { endpoint, bodies }
    }

    /// A server that tells it of one request in so many.
    fn server(&self, every: u64) -> Setup {
        Setup::new()
            .set(format!("log.otlp_endpoint={}", self.endpoint))
            .set(format!("log.otlp_every={every}"))
    }

    /// Every span so far.
    fn spans(&self) -> Vec<Value> {
        let bodies = self.bodies.lock().unwrap();
        let mut all = Vec::new();
        for body in bodies.iter() {
            let of_node = &body["resourceSpans"][0];
            assert_eq!(attribute(&of_node["resource"], "service.name"), "guildhall");
            all.extend_from_slice(of_node["scopeSpans"][0]["spans"].as_array().unwrap());
        }
        all
    }
}

/// One request, answered as collectors do.
async fn take(mut stream: TcpStream) -> Value {
    let mut text = Vec::new();
    loop {
        assert!(stream.read_buf(&mut text).await.unwrap() > 0);
        let head = text.windows(4).position(|part| part == b"\r\n\r\n");
        let Some(head) = head else { continue };
        let head_text = std::str::from_utf8(&text[..head]).unwrap();
        assert!(head_text.starts_with("POST /v1/traces HTTP/1.1\r\n"));
        assert!(head_text.contains("Content-Type: application/json"));
        let length = head_text.split("Content-Length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        if text.len() == head + 4 + length {
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
            stream.write_all(answer.as_bytes()).await.unwrap();
            return serde_json::from_slice(&text[head + 4..]).unwrap();
        }
    }
}

/// The value of an attribute, a text; empty where there is none.
fn attribute<'a>(of: &'a Value, key: &str) -> &'a str {
    let attributes = of["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|it| it["key"] == key);
    found.map_or("", |it| {
        let value = it["value"].as_object().unwrap().values().next();
        value.unwrap().as_str().unwrap()
    })
}

fn nanos(of: &Value, key: &str) -> u128 {
    of[key].as_str().unwrap().parse().unwrap()
}

const POST: &str = "POST /api/v10/channels/{channel_id}/messages";

/// The request, the guild, the journal and the fan-out, in one trace, each within the one that it belongs to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_has_a_trace_from_the_request_to_the_fan_out() {
    let collector = Collector::start().await;
    let world = World::with(collector.server(1), 1).await;
    let mut session = world.login(world.member()).await;
    let body = json!({"content": "hello"});
    let answer = world.owner.rest.post(world.messages(), body).await;
    let request = answer.header("x-request-id").unwrap().to_owned();
    session.until_message("hello").await;
    let root = eventually("the request's span", || async {
        let spans = collector.spans();
        let mut found = spans.into_iter();
        found.find(|span| attribute(span, "guildhall.request") == request)
    });
    let root = root.await;
    assert_eq!((&root["name"], &root["kind"]), (&json!(POST), &json!(2)));
    assert_eq!(attribute(&root, "guildhall.guild"), world.guild);
    assert_eq!(attribute(&root, "http.response.status_code"), "200");
    let spans = collector.spans();
    let within = |parent: &Value, name: &str| {
        let mut found = spans.iter().filter(|span| {
            span["traceId"] == parent["traceId"] && span["parentSpanId"] == parent["spanId"]
        });
        let span = found.find(|span| span["name"] == name);
        let span = span.unwrap_or_else(|| panic!("no {name} in {spans:?}"));
        assert_eq!(attribute(span, "guildhall.guild"), world.guild);
        let (begun, ended) = (
            nanos(span, "startTimeUnixNano"),
            nanos(span, "endTimeUnixNano"),
        );
        assert!(begun <= ended);
        // Each moment is converted by itself, from one clock to the other.
        let slack = 5_000_000;
        assert!(begun + slack >= nanos(parent, "startTimeUnixNano"));
        assert!(ended <= nanos(parent, "endTimeUnixNano") + slack);
        span
    };
    let guild = within(&root, "guild");
    within(guild, "journal");
    let fan_out = within(guild, "fan-out");
    assert_eq!(attribute(fan_out, "guildhall.sessions"), "1");
    assert_eq!(attribute(fan_out, "guildhall.hubs"), "1");
}

/// One request in four; of those that reach four sessions, each. What waits is sent when the server stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_larger_a_fan_out_the_likelier_it_is_exported() {
    let collector = Collector::start().await;
    let mut world = World::with(collector.server(4), 4).await;
    let mut sessions = Vec::new();
    for member in &world.members {
        sessions.push(world.login(member).await);
    }
    for number in 0..20 {
        let content = number.to_string();
        world.owner.rest.say(&world.channel, &content).await;
    }
    for _ in 0..200 {
        world.owner.rest.get("/users/@me").await.ok();
    }
    world.server.signal(Signal::TERM);
    world.server.exit().await;
    let all = || async {
        let spans = collector.spans();
        let count = |name: &str| spans.iter().filter(|span| span["name"] == name).count();
        let (posts, guilds) = (count(POST), count("fan-out"));
        (posts == 20 && guilds >= 20).then(|| count("GET /api/v10/users/@me"))
    };
    let reads = eventually("20 traces of messages", all).await;
    // Six times the standard deviation to either side.
    assert!((15..90).contains(&reads), "{reads} of 200");
}

/// Nobody waits for a collector that is not there; the log says so once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_collector_a_server_goes_on() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let setup = Setup::new()
        .set(format!("log.otlp_endpoint=http://{nobody}"))
        .set("log.otlp_every=1");
    let world = World::with(setup, 1).await;
    let mut session = world.login(world.member()).await;
    for content in ["first", "second"] {
        world.owner.rest.say(&world.channel, content).await;
        session.until_message(content).await;
        let lost = || async {
            let metrics = world.admin.metrics().await;
            let failed = metrics.sum("guildhall_spans_failed_total", &[]);
            (failed >= if content == "first" { 1.0 } else { 5.0 }).then_some(())
        };
        eventually("spans that could not be sent", lost).await;
    }
    let lines = world
        .server
        .log()
        .matches("spans cannot be exported")
        .count();
    assert_eq!(lines, 1);
}
