//! What `guildhall dev` prints for people.

use std::fmt::Write;

use crate::app::Demo;
use crate::dev_cluster::NodeAddress;

/// The addresses, the tokens and a first request to paste.
pub fn text(demo: &Demo) -> String {
    let mut text = String::new();
    let page = demo.api.trim_end_matches("/api/v10");
    let lines = [
        ("chat page", format!("{page}/")),
        ("REST API", demo.api.clone()),
        ("gateway", demo.gateway.clone()),
        (
            "console",
            format!("{}/#token={}", demo.admin, demo.admin_token),
        ),
        ("admin API", demo.admin.clone()),
        ("guild", demo.guild_id.to_string()),
        ("#general", demo.channel_id.to_string()),
        ("bot token", demo.bot_token.clone()),
        ("alice's token", demo.user_tokens[0].clone()),
        ("bob's token", demo.user_tokens[1].clone()),
        ("admin token", demo.admin_token.clone()),
    ];
    let mut write = |name: &str, value: &str| {
        writeln!(text, "  {name:<14}{value}").expect("writing to memory");
    };
    for (name, value) in &lines {
        write(name, value);
    }
    format!(
        "guildhall is up. Open the chat page, or post a first message:\n\n\
         {text}\n  curl -X POST {}/channels/{}/messages \\\n    -H 'Authorization: Bot {}' \\\n    \
         -H 'Content-Type: application/json' -d '{{\"content\":\"hello\"}}'\n\n",
        demo.api, demo.channel_id, demo.bot_token
    )
}

/// Where the other nodes of a cluster are reached; nothing where there are none.
pub fn nodes(nodes: &[NodeAddress]) -> String {
    let mut text = String::new();
    for node in nodes {
        writeln!(
            text,
            "  {:<14}{} (admin {})",
            node.name, node.api, node.admin
        )
        .expect("writing to memory");
    }
    if nodes.is_empty() {
        return text;
    }
    format!("Other nodes of the cluster, with the same tokens:\n\n{text}\n")
}
