//! `/nodes`: the nodes on the ring, each as it describes itself; `/nodes/{name}/drain`: has one end.

use actix_web::http::StatusCode;
use actix_web::web;
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::{Value, json as object};

use super::Admin;
use super::answer::{Answer, json, ok};
use crate::cluster::control::{Question, Unanswered};
use crate::placement::{Generation, NodeName};
use crate::protocol::ApiError;

/// There is no Discord error for this: clients never see nodes.
const UNKNOWN_NODE: ApiError = ApiError::new(404, 0, "Unknown Node");

#[derive(Serialize)]
struct NodesAnswer<'a> {
    generation: Generation,
    nodes: Vec<NodeAnswer<'a>>,
}

/// A member of the ring.
#[derive(Serialize)]
struct NodeAnswer<'a> {
    name: &'a NodeName,
    weight: f64,
    share: f64,
    zone: Option<&'a str>,
    #[serde(rename = "self")]
    this: bool,
    version: Option<Value>,
    /// As it describes itself; none where it does not.
    details: Option<Value>,
    /// Why it does not.
    unanswered: Option<String>,
}

/// What a node says when it is asked how it is: its [details](super::NodeInfo), and its version.
pub fn describe(view: &dyn super::View) -> Value {
    object!({ "version": env!("CARGO_PKG_VERSION"), "details": view.node() })
}

/// Asks all nodes at a time.
pub(super) async fn list(admin: web::Data<Admin>) -> Answer {
    let placement = admin.view.placement().snapshot();
    let this = admin.view.node().name;
    let shares = placement.ring().shares();
    let told = shares
        .iter()
        .map(|(member, _)| ask(&admin, &this, &member.name));
    let told = join_all(told).await;
    let nodes = shares.iter().zip(told).map(|((member, share), told)| {
        let (mut told, unanswered) = match told {
            Ok(told) => (told, None),
            Err(error) => (Value::Null, Some(error.message)),
        };
        let mut part = |name| told.get_mut(name).map(Value::take);
        NodeAnswer {
            name: &member.name,
            weight: member.weight.get(),
            share: *share,
            zone: placement.zones().of(&member.name),
            this: member.name == this,
            version: part("version"),
            details: part("details"),
            unanswered,
        }
    });
    Ok(ok(&NodesAnswer {
        generation: placement.generation(),
        nodes: nodes.collect(),
    }))
}

async fn ask(admin: &Admin, this: &NodeName, node: &NodeName) -> Result<Value, Unanswered> {
    match &admin.cluster {
        _ if node == this => Ok(describe(&*admin.view)),
        Some(cluster) => cluster.ask(node.clone(), Question::Describe).await,
        None => Err(Unanswered::new(503, "there is only this node")),
    }
}

/// Has a node hand its guilds over and end, as at a SIGTERM. Answers at once; where it is about to end
/// already nothing changes.
pub(super) async fn drain(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let name = NodeName::new(&path).map_err(|_| UNKNOWN_NODE)?;
    let is_new = if name == admin.view.node().name {
        admin.drain.order()
    } else {
        let cluster = admin.cluster.as_ref().ok_or(UNKNOWN_NODE)?;
        if !cluster.others().contains(&name) {
            return Err(UNKNOWN_NODE.into());
        }
        let told = cluster.ask(name.clone(), Question::Drain).await;
        told.map_err(ApiError::from)?.as_bool().unwrap_or_default()
    };
    tracing::info!(node = %name, is_new, "the operator drains a node");
    let answer = object!({ "node": name, "state": "draining", "already": !is_new });
    Ok(json(StatusCode::ACCEPTED, &answer))
}
