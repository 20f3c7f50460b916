//! Compares history with what was acknowledged.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::Value;

use super::faults::Faults;
use super::ledger::{Ledger, Post};
use super::scene::Scene;
use crate::rest::Rest;

/// Messages on a page.
const PAGE: usize = 100;

/// Reads the history of every channel and compares it. Gives the number of messages read.
pub async fn history(rest: &Rest, scene: &Scene, ledger: &Ledger, faults: &Faults) -> usize {
    let mut read = 0;
    for (guild, made) in scene.guilds.iter().enumerate() {
        for (channel, id) in made.channels.iter().enumerate() {
            let posts = ledger.guild(guild).iter();
            let posts: Vec<&Post> = posts.filter(|post| post.channel == channel).collect();
            match pages(rest, id).await {
                Ok(messages) => {
                    read += messages.len();
                    compare(&messages, &posts, ledger, faults);
                }
                Err(error) => faults.add(format!(
                    "guild {guild}, channel {id}, {} acknowledged messages: {error}",
                    posts.len()
                )),
            }
        }
    }
    read
}

/// The whole history of a channel, oldest first.
async fn pages(rest: &Rest, channel: &str) -> Result<Vec<Value>, String> {
    let mut messages: Vec<Value> = Vec::new();
    let mut before = String::new();
    loop {
        let path = format!("/channels/{channel}/messages?limit={PAGE}{before}");
        let answer = rest.try_send(Method::GET, &path, None).await;
        let answer = answer.map_err(|error| format!("{error:?}"))?;
        if answer.status != 200 {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(format!("{} {body}", answer.status));
        }
        let page: Vec<Value> =
            serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        let Some(oldest) = page.last().and_then(|message| message["id"].as_str()) else {
            messages.reverse();
            return Ok(messages);
        };
        before = format!("&before={oldest}");
        messages.extend(page);
    }
}

/// Compares a channel's messages, oldest first, with what was acknowledged of it.
fn compare(messages: &[Value], posts: &[&Post], ledger: &Ledger, faults: &Faults) {
    let mut found = HashSet::new();
    let mut newest = 0;
    for message in messages {
        let id: u64 = message["id"]
            .as_str()
            .map_or(0, |id| id.parse().unwrap_or(0));
        if id <= newest {
            faults.add(format!("history: message {id} stands after {newest}"));
        }
        newest = id;
        let content = message["content"].as_str().unwrap_or_default();
        let nonce = content.split(' ').next().unwrap_or_default();
        let Some(post) = ledger.find(nonce) else {
            faults.add(format!(
                "history: message {id} of which nothing was acknowledged: {content:?}"
            ));
            continue;
        };
        let name = post.name();
        if post.id != id {
            faults.add(format!("history: also there as message {id}: {name}"));
            continue;
        }
        found.insert(id);
        if let Some(round) = post.deleted {
            faults.add(format!(
                "history: deleted in round {round} but there: {name}"
            ));
        }
        if post.content != content {
            let wanted = &post.content;
            faults.add(format!("history: says {content:?}, not {wanted:?}: {name}"));
        }
        let reactions = &message["reactions"];
        let count = reactions[0]["count"].as_u64().unwrap_or(0);
        if count != u64::from(post.reacted) {
            let wanted = u64::from(post.reacted);
            faults.add(format!("history: {count} reactions, not {wanted}: {name}"));
        }
    }
    for post in posts {
        if post.deleted.is_none() && !found.contains(&post.id) {
            faults.add(format!("history: lost: {}", post.name()));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn post(id: u64) -> Post {
        Post {
            nonce: format!("n{id}"),
            guild: 0,
            channel: 0,
            id,
            round: 1,
            began: std::time::Instant::now(),
            content: format!("n{id}"),
            deleted: None,
            reacted: false,
        }
    }

    fn found(messages: &Value) -> Vec<String> {
        let faults = Faults::default();
        let edited = Post {
            content: "n2 edited".to_owned(),
            reacted: true,
            ..post(2)
        };
        let deleted = Post {
            deleted: Some(1),
            ..post(3)
        };
        let ledger = Ledger::new(1, vec![deleted, edited, post(1)], &faults);
        let posts: Vec<&Post> = ledger.guild(0).iter().collect();
        compare(messages.as_array().unwrap(), &posts, &ledger, &faults);
        faults.report().0
    }

    #[test]
    fn what_holds_is_no_fault_and_every_kind_of_fault_is_found() {
        let first = json!({"id": "1", "content": "n1"});
        let second = json!({"id": "2", "content": "n2 edited", "reactions": [{"count": 1}]});
        assert_eq!(found(&json!([first, second])), [""; 0]);
        let finds = |messages: Value, what: &str| {
            let found = found(&messages);
            assert!(found.len() == 1 && found[0].contains(what), "{found:?}");
        };
        finds(json!([second]), "lost: nonce n1");
        finds(
            json!([first, second, {"id": "4", "content": "n1"}]),
            "also there as message 4",
        );
        finds(
            json!([first, second, {"id": "3", "content": "n3"}]),
            "deleted in round 1",
        );
        finds(
            json!([first, second, {"id": "5", "content": "n5"}]),
            "nothing was acknowledged",
        );
        finds(json!([second, first]), "stands after");
        let unedited = json!({"id": "2", "content": "n2", "reactions": [{"count": 1}]});
        finds(json!([first, unedited]), "not \"n2 edited\"");
        finds(
            json!([first, {"id": "2", "content": "n2 edited"}]),
            "0 reactions, not 1",
        );
    }
}
