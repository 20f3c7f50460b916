//! Nodes as they describe themselves, draining one, and guilds of other nodes.

use super::*;
use crate::cluster::control::{GuildOrder, Question, Unanswered};
use crate::cluster::moves::NodeMoved;

/// One other node, `node-2`; every question is noted.
pub(super) struct FakeCluster {
    asked: Mutex<Vec<Question>>,
    answer: Result<Value, Unanswered>,
}

impl Cluster for FakeCluster {
    fn move_to_node(
        &self,
        _: GuildId,
        _: Option<NodeName>,
    ) -> ViewFuture<Result<NodeMoved, Unanswered>> {
        panic!("nothing is moved here");
    }

    fn moves(&self) -> Vec<NodeMoved> {
        Vec::new()
    }

    fn others(&self) -> Vec<NodeName> {
        vec![other()]
    }

    fn ask(&self, node: NodeName, question: Question) -> ViewFuture<Result<Value, Unanswered>> {
        assert_eq!(node, other());
        self.asked.lock().unwrap().push(question);
        let answer = self.answer.clone();
        Box::pin(async move { answer })
    }
}

fn other() -> NodeName {
    NodeName::new("node-2").unwrap()
}

/// A house in a cluster of two, in which the other node answers so.
fn of_two(answer: Result<Value, Unanswered>) -> (House, Arc<FakeCluster>) {
    let mut house = House::new();
    let members = [Member::new(node_name()), Member::new(other())];
    let ring = Ring::build(members, RingSettings::default()).unwrap();
    let placement = Placement::new(ring, Overrides::new());
    let next = Placement::at(
        crate::placement::Generation(2),
        placement.ring().clone(),
        Overrides::new(),
    );
    house.node.placement.publish(next).unwrap();
    let cluster = Arc::new(FakeCluster {
        asked: Mutex::default(),
        answer,
    });
    house.cluster = Some(Arc::clone(&cluster));
    (house, cluster)
}

/// A guild that `node` owns.
fn guild_of(house: &House, node: &NodeName) -> u64 {
    let placement = house.node.placement.snapshot();
    (1..1_000)
        .find(|guild| placement.owner(*guild) == node)
        .unwrap()
}

#[actix_web::test]
async fn a_node_alone_is_drained_once_and_again_is_no_error() {
    let house = House::new();
    let post = async |path: &str| house.call(Method::POST, path, None).await;
    for name in ["node-2", "-", "%20", "a.b"] {
        let (status, body) = post(&format!("/admin/v1/nodes/{name}/drain")).await;
        assert_eq!(
            (status, &body["message"]),
            (404, &json!("Unknown Node")),
            "{name}"
        );
    }
    assert_eq!(house.drain.progress(), None);
    let path = "/admin/v1/nodes/node-1/drain";
    let answer = |already| json!({"node": "node-1", "state": "draining", "already": already});
    assert_eq!(post(path).await, (202, answer(false)));
    assert!(house.drain.progress().is_some());
    assert_eq!(post(path).await, (202, answer(true)));
    assert_eq!(house.get(path).await.0, 405);
}

#[actix_web::test]
async fn another_node_is_told_to_drain_and_what_it_says_is_passed_on() {
    let (house, cluster) = of_two(Ok(json!(true)));
    let post = async |house: &House| {
        let path = "/admin/v1/nodes/node-2/drain";
        house.call(Method::POST, path, None).await
    };
    let (status, body) = post(&house).await;
    assert_eq!((status, &body["already"]), (202, &json!(false)));
    assert!(matches!(
        cluster.asked.lock().unwrap()[..],
        [Question::Drain]
    ));
    assert_eq!(house.drain.progress(), None, "it is not this node");
    let (house, _) = of_two(Ok(json!(false)));
    assert_eq!(post(&house).await.1["already"], true);
    let (house, _) = of_two(Err(Unanswered::new(503, "node node-2 does not answer")));
    let (status, body) = post(&house).await;
    let expected = json!({"code": 0, "message": "node node-2 does not answer"});
    assert_eq!((status, body), (503, expected));
    let unknown = "/admin/v1/nodes/node-3/drain";
    assert_eq!(house.call(Method::POST, unknown, None).await.0, 404);
}

#[actix_web::test]
async fn nodes_are_shown_as_they_describe_themselves() {
    let details = json!({"state": "draining", "drain": {"guilds": 9, "guilds_left": 4}});
    let (house, _) = of_two(Ok(json!({"version": "9.9.9", "details": details})));
    let (status, body) = house.get("/admin/v1/nodes").await;
    assert_eq!(status, 200);
    let nodes = body["nodes"].as_array().unwrap();
    let by_name = |name| nodes.iter().find(|it| it["name"] == name).unwrap();
    let (own, other) = (by_name("node-1"), by_name("node-2"));
    assert_eq!(own["details"]["state"], "ready");
    assert_eq!(own["details"]["drain"], Value::Null);
    assert_eq!(
        (&own["self"], &other["self"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(other["details"], details);
    assert_eq!(
        (&other["version"], &other["unanswered"]),
        (&json!("9.9.9"), &Value::Null)
    );
    let (house, _) = of_two(Err(Unanswered::new(503, "node node-2 is gone")));
    let (status, body) = house.get("/admin/v1/nodes").await;
    let nodes = body["nodes"].as_array().unwrap();
    let other = nodes.iter().find(|it| it["name"] == "node-2").unwrap();
    assert_eq!((status, &other["details"]), (200, &Value::Null));
    assert_eq!(other["unanswered"], "node node-2 is gone");
}

#[actix_web::test]
async fn what_is_wanted_of_another_nodes_guild_is_done_there() {
    let done = json!({"Ok": {"id": "5", "from": 0, "to": 3}});
    let (house, cluster) = of_two(Ok(done));
    let theirs = guild_of(&house, &other());
    for (what, order) in [
        ("restart", GuildOrder::Restart),
        ("revive", GuildOrder::Revive),
        ("promote", GuildOrder::Promote),
        ("demote", GuildOrder::Demote),
        ("move", GuildOrder::Executor(None)),
    ] {
        let path = format!("/admin/v1/guilds/{theirs}/{what}");
        let (status, body) = house.call(Method::POST, &path, None).await;
        assert!(matches!(status, 200 | 202), "{what} {status}");
        assert_eq!(body["to"], 3);
        let asked = cluster.asked.lock().unwrap().pop().unwrap();
        let Question::Guild(guild, asked) = asked else {
            panic!("{asked:?}");
        };
        assert_eq!((guild.get(), asked), (theirs, order));
    }
    let refused = json!({"Err": ApiError::from(MoveError::AlreadyThere)});
    let (house, _) = of_two(Ok(refused));
    let path = format!("/admin/v1/guilds/{theirs}/promote");
    assert_eq!(house.call(Method::POST, &path, None).await.0, 409);
    // Asked by another node for a guild that has gone.
    let asked = carry_out(
        &*house.node,
        &*house.guilds,
        GuildId::new(theirs),
        GuildOrder::Promote,
    );
    assert_eq!(asked.await.unwrap_err().status, 503);
    assert!(house.guilds.moves.lock().unwrap().is_empty());
}
