//! The API over its HTTP stack: without guilds (who may ask, how often, what is not there, what
//! needs none), and in [`guilds`] with real ones.

mod accounts;
mod bad_input;
mod guilds;
mod limits;
mod members;
mod memberships;
mod socket;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::test::TestRequest;
use actix_web::{App, test};
use serde_json::{Value, json};

use super::{Context, Rooms, SessionNotices, Settings};
use crate::auth::origin::Origins;
use crate::auth::rate_limit::IdentifyLimit;
use crate::auth::rate_limit::{Quota, RestSettings};
use crate::auth::tokens::TokenSigner;
use crate::counters::{Counters, StatusClass};
use crate::directory::{Directory, MemoryDirectory};
use crate::fanout::mail::HubLinks;
use crate::guild::actor::GuildTools;
use crate::guild::executors::Executors;
use crate::guild::registry::Registry;
use crate::guild::router::Router;
use crate::journal::MemoryJournal;
use crate::placement::{
    Member, NodeName, Overrides, Placement, PlacementHandle, Ring, RingSettings,
};
use crate::protocol::ids::SnowflakeSource;
use crate::protocol::{ChannelId, GuildId, UserId};
use crate::supervision::mail::MailBounds;

const ALICE: UserId = UserId::new(1_000_000_000_000_000_001);
const BOT: UserId = UserId::new(1_000_000_000_000_000_009);
const GUILD: GuildId = GuildId::new(2_000_000_000_000_000_001);
const CHANNEL: ChannelId = ChannelId::new(3_000_000_000_000_000_001);

/// Notes what sessions would be told.
#[derive(Default)]
struct Notices(Mutex<Vec<(UserId, GuildId)>>);

impl SessionNotices for Notices {
    fn joined(&self, user: UserId, guild: GuildId) {
        self.0.lock().unwrap().push((user, guild));
    }
}

/// A router of node `here` in a cluster that consists of node `one`.
fn router(here: &str) -> Router {
    let member = Member::new(NodeName::new("one").unwrap());
    let ring = Ring::build([member], RingSettings::default()).unwrap();
    let tools = GuildTools {
        journal: Arc::new(MemoryJournal::new()),
        ids: Arc::new(SnowflakeSource::new(2)),
        hubs: HubLinks::default(),
        node: "one".into(),
        counters: Arc::new(Counters::default()),
        settings: Arc::default(),
        preloads: crate::guild::actor::Preloads::default(),
    };
    let bounds = MailBounds {
        count: 1_000,
        bytes: 1 << 20,
    };
    Router::new(
        PlacementHandle::new(Placement::new(ring, Overrides::new())),
        NodeName::new(here).unwrap(),
        Registry::new(Executors::start(1), tools, bounds),
        Duration::from_secs(20),
    )
}

struct Fixture {
    context: Arc<Context>,
    notices: Arc<Notices>,
    directory: Arc<MemoryDirectory>,
    signer: TokenSigner,
}

impl Fixture {
    /// An API whose guilds are all unavailable.
    fn new() -> Self {
        Self::with(generous())
    }

    fn with(settings: Settings) -> Self {
        let directory = Arc::new(MemoryDirectory::new());
        Self::over(router("another"), directory.clone(), directory, settings)
    }

    /// An API with guilds.
    fn live() -> Self {
        let directory = Arc::new(MemoryDirectory::new());
        Self::over(router("one"), directory.clone(), directory, generous())
    }

    /// `seen` is the directory as the API sees it, `directory` what is in it.
    fn over(
        router: Router,
        seen: Arc<dyn Directory>,
        directory: Arc<MemoryDirectory>,
        settings: Settings,
    ) -> Self {
        let signer = TokenSigner::new(b"a secret of the tests").unwrap();
        let notices = Arc::new(Notices::default());
        let rooms = Rooms {
            router,
            directory: seen,
            ids: Arc::new(SnowflakeSource::new(1)),
            tokens: signer.clone().into(),
            starts: Arc::new(IdentifyLimit::new(1_000)),
            sessions: notices.clone(),
            counters: Arc::default(),
        };
        let context = Context::new(rooms, "ws://127.0.0.1:8080/gateway/", settings);
        Self {
            context: Arc::new(context),
            notices,
            directory,
            signer,
        }
    }

    fn token(&self, user: UserId) -> String {
        self.signer.sign(user.get(), user == BOT, 1_767_225_600)
    }

    /// Alice in the guild with its channel, as far as the directory knows.
    async fn with_member(self) -> Self {
        let directory = &self.directory;
        directory.add_members(GUILD, vec![ALICE]).await.unwrap();
        directory.add_channels(GUILD, vec![CHANNEL]).await.unwrap();
        self
    }

    async fn send(&self, request: TestRequest) -> Response {
        let app = App::new().configure(|cfg| super::configure(cfg, &self.context));
        let service = test::init_service(app).await;
        Response::read(service.call(request.to_request()).await.unwrap()).await
    }

    /// A request of Alice's.
    async fn ask(&self, request: TestRequest) -> Response {
        let token = self.token(ALICE);
        self.send(request.insert_header(("Authorization", token)))
            .await
    }

    /// A request of the bot's.
    async fn ask_as_bot(&self, request: TestRequest) -> Response {
        let token = format!("Bot {}", self.token(BOT));
        self.send(request.insert_header(("Authorization", token)))
            .await
    }
}

/// Settings by which no test but those of the limits meets one.
fn generous() -> Settings {
    Settings {
        rest_limits: RestSettings {
            global: Quota::per_second(1_000_000),
            ..RestSettings::default()
        },
        create_message: Quota::per_second(1_000_000),
        body_timeout: Duration::from_secs(2),
        ..Settings::default()
    }
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

fn post(path: &str) -> TestRequest {
    TestRequest::post().uri(path)
}

struct Response {
    status: StatusCode,
    headers: actix_web::http::header::HeaderMap,
    bytes: Vec<u8>,
}

impl Response {
    async fn read<B: MessageBody>(response: ServiceResponse<B>) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            bytes: test::read_body(response).await.to_vec(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The whole of an error without fields.
    fn is_error(&self, status: u16, code: u32, message: &str) {
        assert_eq!(self.json(), json!({"message": message, "code": code}));
        assert_eq!(self.status, status);
        assert_eq!(self.header("content-type"), Some("application/json"));
    }

    /// An error about one field, by its path.
    fn is_field_error(&self, path: &str) {
        let body = self.json();
        assert_eq!((self.status.as_u16(), &body["code"]), (400, &json!(50_035)));
        let mut at = &body["errors"];
        for step in path.split('.') {
            at = &at[step];
        }
        assert!(at["_errors"][0]["code"].is_string(), "{path} in {body}");
    }
}

#[actix_web::test]
async fn every_prefix_serves_and_the_type_is_exactly_json() {
    let api = Fixture::new();
    for prefix in ["/api/v10", "/api/v9", "/api"] {
        let response = api.send(get(&format!("{prefix}/gateway"))).await;
        assert_eq!(response.status, 200);
        assert_eq!(
            response.json(),
            json!({"url": "ws://127.0.0.1:8080/gateway"})
        );
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("x-ratelimit-limit"), None);
    }
}

#[actix_web::test]
async fn tokens_are_taken_with_and_without_prefix_and_strangers_get_401() {
    let api = Fixture::new();
    let token = api.token(ALICE);
    for prefix in ["Bot ", "Bearer ", ""] {
        let value = format!("{prefix}{token}");
        let request = get("/api/v10/users/@me").insert_header(("Authorization", value));
        assert_eq!(api.send(request).await.status, 200, "{prefix}");
    }
    let zero = api.signer.sign(0, false, 0);
    for value in [
        "",
        "Bot",
        "Bot x.y.z",
        &token[1..],
        "Basic abc",
        "\u{e9}",
        &zero,
    ] {
        let request = get("/api/v10/users/@me").insert_header(("Authorization", value));
        api.send(request)
            .await
            .is_error(401, 0, "401: Unauthorized");
    }
    let response = api.send(get("/api/v10/users/@me")).await;
    response.is_error(401, 0, "401: Unauthorized");
    assert_eq!(api.directory.sizes().users, 1);
}

#[actix_web::test]
async fn unknown_paths_are_404_and_unknown_methods_405_with_those_allowed() {
    let api = Fixture::new();
    for path in [
        "/api/v10",
        "/api/v10/",
        "/api/v10/nothing",
        "/api/v8/gateway",
        "/api/v10/gateway/",
        "/api/v10//gateway",
        "/api/v10/channels",
    ] {
        api.send(get(path)).await.is_error(404, 0, "404: Not Found");
    }
    for (request, allow) in [
        (post("/api/v10/gateway"), "GET, HEAD"),
        (
            TestRequest::delete().uri("/api/v10/users/@me"),
            "GET, HEAD, PATCH",
        ),
        (
            TestRequest::put().uri("/api/v10/channels/1/messages"),
            "POST, GET, HEAD",
        ),
        (
            TestRequest::default()
                .method(actix_web::http::Method::OPTIONS)
                .uri("/api/v10/gateway"),
            "GET, HEAD",
        ),
    ] {
        let response = api.send(request).await;
        response.is_error(405, 0, "405: Method Not Allowed");
        assert_eq!(response.header("allow"), Some(allow));
    }
}

#[actix_web::test]
async fn guilds_are_asked_only_by_members() {
    let api = Fixture::new().with_member().await;
    // This fixture's guilds say 503 whenever they are asked.
    for path in [
        format!("/guilds/{GUILD}"),
        format!("/guilds/{GUILD}/channels"),
        format!("/guilds/{GUILD}/members?limit=2&after=0"),
        format!("/guilds/{GUILD}/roles/{GUILD}"),
        format!("/channels/{CHANNEL}"),
        format!("/channels/{CHANNEL}/messages?&limit=10"),
    ] {
        let path = format!("/api/v10{path}");
        assert_eq!(api.ask(get(&path)).await.status, 503, "{path}");
        let response = api.ask_as_bot(get(&path)).await;
        if path.contains("/guilds/") {
            response.is_error(404, 10_004, "Unknown Guild");
        } else {
            response.is_error(403, 50_001, "Missing Access");
        }
    }
    let response = api.ask(get("/api/v10/channels/5/messages")).await;
    response.is_error(404, 10_003, "Unknown Channel");
    let response = api.ask(get("/api/v10/guilds/5")).await;
    response.is_error(404, 10_004, "Unknown Guild");
}

#[actix_web::test]
async fn what_a_guild_may_have_done_stays_in_the_directory() {
    let api = Fixture::new().with_member().await;
    let response = api
        .ask(post("/api/v10/guilds").set_json(json!({"name": "new"})))
        .await;
    assert_eq!(response.status, 503);
    // Nobody knows whether it was made, so its entry stays.
    assert_eq!(api.directory.guilds_of(ALICE).len(), 2);
    let path = format!("/api/v10/guilds/{GUILD}/channels");
    let response = api.ask(post(&path).set_json(json!({"name": "new"}))).await;
    assert_eq!(response.status, 503);
    assert_eq!(api.directory.sizes().channels, 3);
    let path = format!("/api/v10/users/@me/guilds/{GUILD}");
    assert_eq!(api.ask(TestRequest::delete().uri(&path)).await.status, 503);
    assert!(api.directory.is_member(ALICE, GUILD));
}

#[actix_web::test]
async fn every_answer_is_counted_by_class_and_limited_ones_beside() {
    let mut settings = generous();
    settings.rest_limits.global = Quota::new(1, Duration::from_secs(3_600)).unwrap();
    let api = Fixture::with(settings);
    for (path, user) in [
        ("/api/gateway", None),
        ("/api/nothing", None),
        ("/api/users/@me", None),
        ("/api/users/@me", Some(ALICE)),
        ("/api/users/@me", Some(ALICE)),
    ] {
        let mut request = get(path);
        if let Some(user) = user {
            request = request.insert_header(("Authorization", api.token(user)));
        }
        api.send(request).await;
    }
    api.send(post("/api/gateway")).await;
    let counters = &api.context.counters;
    assert_eq!(counters.rest_requests.of(StatusClass::Success).get(), 2);
    assert_eq!(counters.rest_requests.of(StatusClass::ClientError).get(), 4);
    assert_eq!(counters.rest_limited.get(), 1);
    assert_eq!(counters.rest_seconds.counts().count(), 6);
}

#[actix_web::test]
async fn other_origins_are_let_in_only_by_the_setting() {
    let origin = ("Origin", "https://example.com");
    let closed = Fixture::new();
    let response = closed.send(get("/api/gateway").insert_header(origin)).await;
    assert_eq!(response.header("access-control-allow-origin"), None);
    let mut settings = generous();
    settings.origins = Origins::new(&["https://example.com".to_owned()]);
    let open = Fixture::with(settings);
    for path in ["/api/gateway", "/api/users/@me", "/api/nothing"] {
        let response = open.send(get(path).insert_header(origin)).await;
        let allowed = response.header("access-control-allow-origin");
        assert_eq!(allowed, Some("https://example.com"));
        let other = get(path).insert_header(("Origin", "https://example.org"));
        let response = open.send(other).await;
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
    let preflight = TestRequest::default()
        .method(actix_web::http::Method::OPTIONS)
        .uri("/api/channels/1/messages")
        .insert_header(origin);
    let response = open.send(preflight).await;
    assert_eq!(response.status, 204);
    assert_eq!(
        response.header("access-control-allow-methods"),
        Some("POST, GET, HEAD")
    );
    assert!(response.bytes.is_empty());
}
