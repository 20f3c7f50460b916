//! Where the gateway is, and lists that libraries ask for at login and that are empty here.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use serde_json::json;

use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::context::Context;
use crate::api::endpoint::Endpoint;
use crate::clock;

pub(super) fn add(cfg: &mut ServiceConfig, context: &Arc<Context>) {
    Endpoint::at(context, "/gateway").public(get).add(cfg);
    Endpoint::at(context, "/gateway/bot")
        .on(&Method::GET, get_bot)
        .add(cfg);
    // One library never becomes ready without it.
    Endpoint::at(context, "/soundboard-default-sounds")
        .on(&Method::GET, no_sounds)
        .add(cfg);
}

fn get(context: &Context) -> Handled {
    Answer::json(&json!({ "url": context.gateway_url }))
}

async fn get_bot(call: Call) -> Handled {
    let context = &call.context;
    let guilds = context.directory.guilds_of(call.user.id).len();
    let shards = guilds.div_ceil(context.settings.guilds_per_shard.max(1));
    let starts = &context.starts;
    let standing = starts.standing(call.user.id.get(), clock::uptime());
    Answer::json(&json!({
        "url": context.gateway_url,
        "shards": shards.max(1),
        "session_start_limit": {
            "total": starts.total(),
            "remaining": standing.remaining,
            "reset_after": standing.reset_after.as_millis() as u64,
            "max_concurrency": context.settings.max_concurrency,
        },
    }))
}

async fn no_sounds(_: Call) -> Handled {
    Answer::json(&json!([]))
}
