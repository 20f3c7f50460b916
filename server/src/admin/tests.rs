mod live;
mod moves;
mod nodes;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::{Method, StatusCode};
use actix_web::{App, test};
use serde_json::{Value, json};

use super::*;
use crate::counters::{MoveKind, SessionState};
use crate::directory::MemoryDirectory;
use crate::guild::command::{Caller, Command, Outcome, Reply, Request};
use crate::guild::handoff::{MoveError, Moved, Reason, Target};
use crate::placement::{
    Member, NodeName, Overrides, Placement, PlacementHandle, Ring, RingSettings,
};
use crate::protocol::objects::GuildSettings;

const TOKEN: &str = "correct horse battery staple";

fn node_name() -> NodeName {
    NodeName::new("node-1").unwrap()
}

/// A node with two running guilds: 1 idle, 2 busier with every reading.
struct FakeNode {
    placement: PlacementHandle,
    busy_ns: AtomicU64,
    state: Mutex<NodeState>,
    complaints: Mutex<Vec<String>>,
}

impl FakeNode {
    fn guild_info(id: u64, busy_ns: u64) -> GuildInfo {
        GuildInfo {
            id: GuildId::new(id),
            executor: 0,
            dedicated: false,
            placed_ms: 1,
            placed_because: "started",
            moving: false,
            moves: Vec::new(),
            started_ms: 1,
            state: "serving",
            restarts: 0,
            last_restart_ms: None,
            position: 7,
            sessions: 10 - id,
            hubs: 1,
            waiting_requests: 0,
            waiting_bytes: 0,
            requests: id,
            items: 0,
            appends: 0,
            offered: 0,
            busy_ns,
            load: id as f64 / 10.0,
            queue_delay_ms: 0.0,
            events_per_second: 0.0,
            offered_per_second: 0.0,
        }
    }
}

impl View for FakeNode {
    fn node(&self) -> NodeInfo {
        NodeInfo {
            name: node_name(),
            number: 1,
            state: *self.state.lock().unwrap(),
            started_ms: 1,
            public_url: "http://127.0.0.1:8080".to_owned(),
            workers: 1,
            executors: 1,
            sessions: 0,
            connections: 0,
            guilds: 2,
            drain: None,
        }
    }

    fn placement(&self) -> &PlacementHandle {
        &self.placement
    }

    fn executors(&self) -> Vec<ExecutorInfo> {
        vec![ExecutorInfo {
            id: 0,
            dedicated: false,
            dedicated_to: None,
            guilds: 2,
            state: "serving",
            stuck_since_ms: None,
            stuck_in: None,
            load: 0.3,
            busy: 0.4,
            loop_delay_ms: 0.5,
        }]
    }

    fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap().clone()
    }

    fn guilds(&self) -> Vec<GuildInfo> {
        let busy = self.busy_ns.fetch_add(1_000_000, Ordering::Relaxed);
        vec![Self::guild_info(1, 5), Self::guild_info(2, busy)]
    }

    fn guild(&self, id: GuildId) -> Option<GuildInfo> {
        (id.get() <= 2).then(|| Self::guild_info(id.get(), 0))
    }

    fn session(&self, id: &str) -> ViewFuture<Option<SessionInfo>> {
        let found = (id == "abc").then(|| SessionInfo {
            id: id.to_owned(),
            user_id: UserId::new(5),
            bot: true,
            state: SessionState::Detached,
            detached_ms: Some(10),
            hub: 0,
            shard: (0, 1),
            intents: 1,
            guilds: 2,
            seq: 9,
            pending_events: 0,
            pending_bytes: 0,
            kept_events: 3,
            kept_bytes: 300,
            late_events: 0,
            dropped_typing: 4,
            dropped_presences: 0,
        });
        Box::pin(async move { found })
    }

    fn furthest_behind(&self, limit: usize) -> ViewFuture<Vec<SessionInfo>> {
        let one = self.session("abc");
        Box::pin(async move { one.await.into_iter().take(limit).collect() })
    }
}

/// Guilds that exist once they were made; every request is noted.
#[derive(Default)]
struct FakeGuilds {
    made: Mutex<Vec<(GuildId, String)>>,
    refuse: Mutex<Option<ApiError>>,
    restarted: Mutex<Vec<GuildId>>,
    moves: Mutex<Vec<Target>>,
    no_move: Mutex<Option<MoveError>>,
}

impl AskGuild for FakeGuilds {
    fn ask(&self, guild: GuildId, request: Request) -> ViewFuture<Outcome> {
        assert!(matches!(request.caller, Caller::Operator));
        let mut made = self.made.lock().unwrap();
        let known = made.iter().position(|(id, _)| *id == guild);
        let outcome = match (request.command, known) {
            (Command::CreateGuild(new), None) => {
                if let Some(error) = self.refuse.lock().unwrap().clone() {
                    Err(error)
                } else {
                    let settings = GuildSettings::new(guild, new.name.clone(), new.owner.id);
                    made.push((guild, new.channels[0].id.to_string()));
                    Ok(Reply::Json(serde_json::to_vec(&settings).unwrap().into()))
                }
            }
            (Command::GetChannels, Some(index)) => {
                let body = json!([{ "id": made[index].1 }]);
                Ok(Reply::Json(body.to_string().into()))
            }
            (Command::GetGuild { with_counts: true }, Some(_)) => {
                Ok(Reply::Json(r#"{"name":"x"}"#.into()))
            }
            (Command::DeleteGuild, Some(index)) => {
                made.remove(index);
                Ok(Reply::Done)
            }
            (_, None) => Err(ApiError::UNKNOWN_GUILD),
            (command, Some(_)) => panic!("unexpected {command:?}"),
        };
        Box::pin(async move { outcome })
    }

    fn restart(&self, guild: GuildId) -> bool {
        self.restarted.lock().unwrap().push(guild);
        true
    }

    fn move_to(&self, guild: GuildId, target: Target) -> ViewFuture<Result<Moved, MoveError>> {
        assert_eq!(guild, GuildId::new(1));
        self.moves.lock().unwrap().push(target);
        let error = self.no_move.lock().unwrap().clone();
        let moved = Moved {
            from: 0,
            to: 1,
            kind: MoveKind::Shared,
            reason: Reason::ByHand,
            at_ms: 1,
            pause: Some(Duration::from_micros(1_500)),
        };
        Box::pin(async move { error.map_or(Ok(moved), Err) })
    }
}

struct House {
    node: Arc<FakeNode>,
    guilds: Arc<FakeGuilds>,
    directory: Arc<MemoryDirectory>,
    counters: Arc<Counters>,
    ids: Arc<SnowflakeSource>,
    tokens: TokenSigner,
    joined: Arc<Mutex<Vec<(UserId, GuildId)>>>,
    cluster: Option<Arc<nodes::FakeCluster>>,
    drain: Drain,
}

impl House {
    fn new() -> Self {
        let ring = Ring::build([Member::new(node_name())], RingSettings::default()).unwrap();
        let placement = Placement::new(ring, Overrides::new());
        Self {
            node: Arc::new(FakeNode {
                placement: PlacementHandle::new(placement),
                busy_ns: AtomicU64::new(0),
                state: Mutex::new(NodeState::Ready),
                complaints: Mutex::default(),
            }),
            guilds: Arc::new(FakeGuilds::default()),
            directory: Arc::new(MemoryDirectory::new()),
            counters: Arc::new(Counters::default()),
            ids: Arc::new(SnowflakeSource::new(1)),
            tokens: TokenSigner::new(&[7; 32]).unwrap(),
            joined: Arc::default(),
            cluster: None,
            drain: Drain::default(),
        }
    }

    fn admin(&self, open_metrics: bool) -> Admin {
        let joined = Arc::clone(&self.joined);
        Admin {
            view: Arc::clone(&self.node) as Arc<dyn View>,
            guilds: Arc::clone(&self.guilds) as Arc<dyn AskGuild>,
            directory: Arc::clone(&self.directory) as Arc<dyn Directory>,
            ids: Arc::clone(&self.ids),
            tokens: self.tokens.clone(),
            verifier: self.tokens.clone().into(),
            joined: Arc::new(move |user, guild| joined.lock().unwrap().push((user, guild))),
            counters: Arc::clone(&self.counters),
            token: Secret::new(TOKEN).unwrap(),
            open_metrics,
            cluster: self.cluster.clone().map(|it| it as Arc<dyn Cluster>),
            drain: self.drain.clone(),
        }
    }

    /// One request with the token; status and JSON body (null where it is empty).
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let app = test::init_service(App::new().configure(routes(self.admin(false)))).await;
        let mut request = test::TestRequest::with_uri(path)
            .method(method)
            .insert_header(("authorization", format!("Bearer {TOKEN}")));
        if let Some(body) = body {
            request = request.set_payload(body.to_string());
        }
        let response = test::call_service(&app, request.to_request()).await;
        let status = response.status().as_u16();
        let body = test::read_body(response).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    async fn user(&self, name: &str) -> UserId {
        let form = json!({ "username": name });
        let (status, body) = self.call(Method::POST, "/admin/v1/users", Some(form)).await;
        assert_eq!(status, 201, "{body}");
        body["user"]["id"].as_str().unwrap().parse().unwrap()
    }
}

#[actix_web::test]
async fn without_the_token_everything_is_refused_in_one_form() {
    let house = House::new();
    let app = test::init_service(App::new().configure(routes(house.admin(false)))).await;
    let tries = [
        None,
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer correct horse battery stapl"),
        Some("Bearer correct horse battery staplee"),
        Some("Basic correct horse battery staple"),
        Some("correct horse battery staple"),
    ];
    for path in [
        "/admin/v1/ring",
        "/admin/v1/nowhere",
        "/admin/v1/live?token=wrong",
        "/admin/v1/ring?token=correct%20horse%20battery%20staple",
        "/metrics",
    ] {
        for header in tries {
            let mut request = test::TestRequest::get().uri(path);
            if let Some(header) = header {
                request = request.insert_header(("authorization", header));
            }
            let response = test::call_service(&app, request.to_request()).await;
            assert_eq!(
                response.status(),
                StatusCode::UNAUTHORIZED,
                "{path} {header:?}"
            );
            assert_eq!(
                response.headers().get("content-type").unwrap(),
                "application/json"
            );
            assert_eq!(
                response.headers().get("www-authenticate").unwrap(),
                "Bearer"
            );
            let body: Value = test::read_body_json(response).await;
            assert_eq!(body, json!({ "code": 0, "message": "401: Unauthorized" }));
        }
    }
}

#[actix_web::test]
async fn health_and_open_metrics_need_no_token() {
    let house = House::new();
    let app = test::init_service(App::new().configure(routes(house.admin(true)))).await;
    let status = async |path: &str| {
        let request = test::TestRequest::get().uri(path).to_request();
        test::call_service(&app, request).await.status().as_u16()
    };
    assert_eq!(status("/healthz").await, 200);
    assert_eq!(status("/readyz").await, 200);
    let complaint = "executor 0 has been stuck for 4 s in guild 2".to_owned();
    house.node.complaints.lock().unwrap().push(complaint);
    assert_eq!(status("/readyz").await, 503);
    let request = test::TestRequest::get().uri("/readyz").to_request();
    let body: Value = test::call_and_read_body_json(&app, request).await;
    let reasons = json!(["executor 0 has been stuck for 4 s in guild 2"]);
    assert_eq!(body, json!({"status": "stuck", "reasons": reasons}));
    house.node.complaints.lock().unwrap().clear();
    assert_eq!(status("/readyz").await, 200);
    *house.node.state.lock().unwrap() = NodeState::Draining;
    assert_eq!(status("/healthz").await, 200);
    assert_eq!(status("/readyz").await, 503);
    house.counters.publishes.inc_by(3);
    let request = test::TestRequest::get().uri("/metrics").to_request();
    let response = test::call_service(&app, request).await;
    let text = String::from_utf8(test::read_body(response).await.to_vec()).unwrap();
    assert!(text.contains("guildhall_publishes_total 3"), "{text}");
    assert!(text.contains("process_resident_memory_bytes "), "{text}");
}

#[actix_web::test]
async fn unknown_paths_methods_and_queries_are_answered_in_json() {
    let house = House::new();
    assert_eq!(house.get("/admin/v1/nowhere").await.0, 404);
    assert_eq!(house.get("/nowhere").await.1["message"], "404: Not Found");
    let (status, body) = house.call(Method::DELETE, "/admin/v1/ring", None).await;
    assert_eq!(
        (status, &body["message"]),
        (405, &json!("405: Method Not Allowed"))
    );
    for bad in [
        "/admin/v1/guilds?sort=beauty",
        "/admin/v1/guilds?limit=0",
        "/admin/v1/guilds?limit=x",
        "/admin/v1/placement",
        "/admin/v1/placement?guild=x",
    ] {
        let (status, body) = house.get(bad).await;
        assert_eq!(status, 400, "{bad}");
        assert!(body["message"].is_string(), "{bad} {body}");
    }
}

#[actix_web::test]
async fn placement_names_node_executor_hash_ring_position_and_owners() {
    let house = House::new();
    let (status, body) = house.get("/admin/v1/placement?guild=2").await;
    assert_eq!(status, 200);
    assert_eq!(body["node"], "node-1");
    assert_eq!(body["executor"], 0);
    assert_eq!(body["running"], true);
    assert_eq!(body["reason"], "ring");
    assert_eq!(body["owners"], json!(["node-1"]));
    assert_eq!(
        body["hash"],
        format!("{:016x}", crate::placement::guild_hash(2))
    );
    assert_eq!(body["ring"]["points"], 150);
    assert!(body["ring"]["index"].is_u64());
    let (_, body) = house
        .get("/admin/v1/placement?guild=2000000000000000001")
        .await;
    assert_eq!(body["guild_id"], "2000000000000000001");
    assert_eq!(
        (&body["running"], &body["executor"]),
        (&json!(false), &json!(null))
    );
}

#[actix_web::test]
async fn ring_and_nodes_show_members_and_this_node() {
    let house = House::new();
    let mut overrides = Overrides::new();
    overrides.pin(9, NodeName::new("gone").unwrap()).unwrap();
    let next = house.node.placement.load().with_overrides(overrides);
    house.node.placement.publish(next).unwrap();
    let (_, ring) = house.get("/admin/v1/ring").await;
    assert_eq!(ring["generation"], 2);
    assert_eq!(ring["members"][0]["share"], 1.0);
    assert_eq!(ring["overrides"], json!({ "9": "gone" }));
    assert_eq!(ring["ignored_overrides"], 1);
    let (_, nodes) = house.get("/admin/v1/nodes").await;
    assert_eq!(nodes["nodes"][0]["self"], true);
    assert_eq!(nodes["nodes"][0]["details"]["state"], "ready");
}

#[actix_web::test]
async fn guilds_are_listed_by_what_was_asked_for() {
    let house = House::new();
    let order = async |query: &str| {
        let (status, body) = house
            .get(&format!("/admin/v1/guilds?window_ms=5{query}"))
            .await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["running"], 2);
        let ids = body["guilds"].as_array().unwrap().iter();
        ids.map(|guild| guild["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(order("").await, ["2", "1"]);
    assert_eq!(order("&sort=load").await, ["2", "1"]);
    assert_eq!(order("&sort=sessions").await, ["1", "2"]);
    assert_eq!(order("&sort=requests&limit=1").await, ["2"]);
    let (_, body) = house.get("/admin/v1/executors?window_ms=5").await;
    assert_eq!(body["executors"][0]["guilds"], 2);
    assert_eq!(body["executors"][0]["busiest_guild"], "2");
    assert!(body["executors"][0]["load"].as_f64().unwrap() > 0.0);
    // Without a window the answer is there at once, and is of smoothed figures.
    let (_, body) = house.get("/admin/v1/guilds?sort=load").await;
    assert_eq!(body["window_ms"], Value::Null);
    assert_eq!(body["guilds"][0]["id"], "2");
    assert_eq!(body["guilds"][0]["load"], 0.2);
    let (_, body) = house.get("/admin/v1/executors").await;
    assert_eq!(body["executors"][0]["load"], 0.3);
    assert_eq!(body["executors"][0]["busy"], 0.4);
}

#[actix_web::test]
async fn a_running_guild_can_be_restarted_and_a_serving_one_needs_no_reviving() {
    let house = House::new();
    let post = async |path| house.call(Method::POST, path, None).await;
    assert_eq!(post("/admin/v1/guilds/1/restart").await.0, 202);
    assert_eq!(post("/admin/v1/guilds/1/revive").await.0, 400);
    assert_eq!(post("/admin/v1/guilds/999/restart").await.0, 404);
    assert_eq!(post("/admin/v1/guilds/x/revive").await.0, 404);
    let restarted = house.guilds.restarted.lock().unwrap();
    assert_eq!(*restarted, [GuildId::new(1)]);
}

#[actix_web::test]
async fn a_session_is_shown_or_unknown() {
    let house = House::new();
    let (status, body) = house.get("/admin/v1/sessions/abc").await;
    assert_eq!((status, &body["state"]), (200, &json!("detached")));
    assert_eq!(body["shard"], json!([0, 1]));
    let (status, body) = house.get("/admin/v1/sessions/xyz").await;
    assert_eq!((status, &body["message"]), (404, &json!("Unknown Session")));
}

#[actix_web::test]
async fn sessions_that_are_behind_are_listed() {
    let house = House::new();
    let (status, body) = house.get("/admin/v1/sessions").await;
    assert_eq!((status, &body["sessions"][0]["id"]), (200, &json!("abc")));
    for limit in ["0", "1001", "x"] {
        let (status, _) = house
            .get(&format!("/admin/v1/sessions?limit={limit}"))
            .await;
        assert_eq!(status, 400, "{limit}");
    }
}

#[actix_web::test]
async fn accounts_get_tokens_one_by_one_and_in_bulk() {
    let house = House::new();
    let form = json!({ "username": "relay", "bot": true });
    let (status, body) = house
        .call(Method::POST, "/admin/v1/users", Some(form))
        .await;
    assert_eq!(status, 201);
    let id: UserId = body["user"]["id"].as_str().unwrap().parse().unwrap();
    let claims = house
        .tokens
        .verify(body["token"].as_str().unwrap())
        .unwrap();
    assert_eq!((claims.user_id, claims.bot), (id.get(), true));
    assert_eq!(&*house.directory.user(id).unwrap().username, "relay");

    let form = json!({ "count": 10_000, "prefix": "load", "bot": false });
    let (status, body) = house
        .call(Method::POST, "/admin/v1/users", Some(form))
        .await;
    assert_eq!(status, 201);
    let users = body["users"].as_array().unwrap();
    assert_eq!(users.len(), 10_000);
    assert_eq!(users[9_999]["user"]["username"], "load-10000");
    assert_eq!(house.directory.sizes().users, 10_001);

    for bad in [
        json!({}),
        json!({ "username": "x" }),
        json!({ "username": " padded" }),
        json!({ "username": "ok", "rank": 1 }),
        json!({ "count": 0 }),
        json!({ "count": 10_001 }),
        json!({ "count": 1, "prefix": "" }),
        json!([1]),
    ] {
        let (status, body) = house.call(Method::POST, "/admin/v1/users", Some(bad)).await;
        assert_eq!(status, 400, "{body}");
    }
    assert_eq!(
        house.call(Method::POST, "/admin/v1/users", None).await.0,
        400
    );
}

#[actix_web::test]
async fn a_guild_is_noted_made_announced_and_deleted() {
    let house = House::new();
    let (owner, other) = (house.user("owner").await, house.user("other").await);
    let form = json!({
        "name": "Load",
        "owner_id": owner,
        "member_ids": [other, owner, other],
        "channels": [{ "name": "one", "type": 0 }, { "name": "two" }],
    });
    let (status, body) = house
        .call(Method::POST, "/admin/v1/guilds", Some(form))
        .await;
    assert_eq!(status, 201, "{body}");
    let guild: GuildId = body["guild"]["id"].as_str().unwrap().parse().unwrap();
    let channel = body["channels"][0]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(house.directory.guild_of(channel), Some(guild));
    assert!(house.directory.is_member(owner, guild));
    assert!(house.directory.is_member(other, guild));
    assert_eq!(
        *house.joined.lock().unwrap(),
        [(other, guild), (owner, guild)]
    );

    let (status, body) = house.get(&format!("/admin/v1/guilds/{guild}")).await;
    assert_eq!((status, &body["guild"]["name"]), (200, &json!("x")));

    let path = format!("/admin/v1/guilds/{guild}");
    assert_eq!(house.call(Method::DELETE, &path, None).await.0, 204);
    assert_eq!(house.directory.sizes().memberships, 0);
    assert_eq!(house.directory.sizes().channels, 0);
    assert_eq!(house.call(Method::DELETE, &path, None).await.0, 404);
    assert_eq!(house.get(&path).await.0, 404);
}

#[actix_web::test]
async fn a_refused_guild_leaves_no_entry_and_an_unanswered_one_keeps_it() {
    let house = House::new();
    let owner = house.user("owner").await;
    let form = json!({ "name": "Load", "owner_id": owner });
    for (error, kept) in [(ApiError::INVALID_FORM, 0), (ApiError::UNAVAILABLE, 1)] {
        let status = error.status;
        *house.guilds.refuse.lock().unwrap() = Some(error);
        let form = Some(form.clone());
        assert_eq!(
            house.call(Method::POST, "/admin/v1/guilds", form).await.0,
            status
        );
        assert_eq!(house.directory.sizes().memberships, kept);
    }
    assert!(house.joined.lock().unwrap().is_empty());
}

#[actix_web::test]
async fn a_guild_with_unknown_accounts_or_bad_fields_is_not_made() {
    let house = House::new();
    let owner = house.user("owner").await;
    for (form, field) in [
        (json!({ "name": "x", "owner_id": owner }), "name"),
        (json!({ "name": "ok", "owner_id": "77" }), "owner_id"),
        (
            json!({ "name": "ok", "owner_id": owner, "member_ids": ["77"] }),
            "member_ids",
        ),
        (
            json!({ "name": "ok", "owner_id": owner, "channels": [{ "name": "" }] }),
            "channels",
        ),
    ] {
        let (status, body) = house
            .call(Method::POST, "/admin/v1/guilds", Some(form))
            .await;
        assert_eq!(status, 400, "{body}");
        assert!(body["errors"][field].is_object(), "{body}");
    }
    for form in [
        json!({ "name": "ok" }),
        json!({ "name": "ok", "owner_id": owner, "channels": [{ "name": "a", "type": 99 }] }),
        json!({ "name": "ok", "owner_id": owner, "channels": [{ "name": "a", "type": 1 }] }),
    ] {
        let (status, body) = house
            .call(Method::POST, "/admin/v1/guilds", Some(form))
            .await;
        assert_eq!(status, 400, "{body}");
    }
    assert_eq!(house.directory.sizes().memberships, 0);
}
