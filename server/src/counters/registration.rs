//! Under which name and with which words each figure is shown to a scrape.

use prometheus_client::registry::{Metric, Registry, Unit};

use super::process::ProcessCollector;
use super::spans::SpansCollector;
use super::{Counters, PREFIX};

/// Makes the figures, and those of the process, visible to a scrape.
pub fn register(counters: &Counters, registry: &mut Registry) {
    registry.register_collector(Box::new(ProcessCollector));
    registry.register_collector(Box::new(SpansCollector));
    let own = registry.sub_registry_with_prefix(PREFIX);
    gateway_counters(counters, own);
    security_counters(counters, own);
    guild_and_store_counters(counters, own);
    supervision(counters, own);
    balance(counters, own);
    cluster(counters, own);
    split_figures(counters, own);
    gauges_and_latencies(counters, own);
}

/// Registers figures that have no unit but their number.
fn each<M: Metric + Clone, const N: usize>(own: &mut Registry, figures: [(&str, &str, &M); N]) {
    for (name, help, figure) in figures {
        own.register(name, help, figure.clone());
    }
}

fn gateway_counters(c: &Counters, own: &mut Registry) {
    let figures = [
        (
            "publishes",
            "Events that guilds handed to hubs",
            &c.publishes,
        ),
        (
            "deliveries",
            "Dispatch frames handed to lanes",
            &c.deliveries,
        ),
        ("socket_writes", "Writes to gateway sockets", &c.writes),
        (
            "sent_bytes",
            "Bytes written to gateway sockets",
            &c.bytes_out,
        ),
        (
            "held_writes",
            "Writes to gateway sockets that were held back to take several events",
            &c.held_writes,
        ),
        (
            "gathered_mail",
            "Mail of busy guilds that waited to go into outboxes together",
            &c.gathered,
        ),
        (
            "received_frames",
            "Frames read from gateway sockets",
            &c.frames_in,
        ),
        (
            "received_bytes",
            "Bytes read from gateway sockets",
            &c.bytes_in,
        ),
        (
            "identifies",
            "Identify payloads that led to a session",
            &c.identifies,
        ),
        (
            "lane_overflows",
            "Connections closed because their lane was full",
            &c.lane_overflows,
        ),
        (
            "upgrades_held",
            "Gateway connections held back by the rate limit of their address",
            &c.upgrades_held,
        ),
        (
            "upgrades_refused",
            "Gateway connections refused by the rate limit of their address",
            &c.upgrades_refused,
        ),
        (
            "session_trail_bytes",
            "Bytes noted of what sessions were handed",
            &c.session_trail_bytes,
        ),
        (
            "sessions_let_go",
            "Sessions that were kept for other nodes",
            &c.sessions_let_go,
        ),
        (
            "session_notes",
            "Notes of sessions that were kept for other nodes",
            &c.session_notes,
        ),
        (
            "session_note_bytes",
            "Bytes of notes of sessions",
            &c.session_note_bytes,
        ),
        (
            "session_trail_failures",
            "Times that it could not be noted what sessions were handed",
            &c.session_trail_failures,
        ),
        (
            "rest_limited",
            "REST requests answered with 429",
            &c.rest_limited,
        ),
    ];
    each(own, figures);
}

fn security_counters(c: &Counters, own: &mut Registry) {
    let figures = [
        (
            "connections_refused",
            "Gateway connections refused because their address has as many as it may",
            &c.connections_refused,
        ),
        (
            "origins_refused",
            "Gateway connections refused because of the page that opened them",
            &c.origins_refused,
        ),
        (
            "identifies_limited",
            "Identify payloads of users that started too many sessions",
            &c.identifies_limited,
        ),
        (
            "tokens_refused",
            "Tokens that were not good",
            &c.tokens_refused,
        ),
        (
            "sessions_turned_out",
            "Gateway connections closed because their token was revoked or over",
            &c.sessions_turned_out,
        ),
        (
            "tls_handshake_failures",
            "TLS handshakes on the main port that came to nothing",
            &c.tls_handshake_failures,
        ),
        ("reloads", "Files read anew at SIGHUP", &c.reloads),
        (
            "reload_failures",
            "Files that could not be used at SIGHUP",
            &c.reload_failures,
        ),
    ];
    each(own, figures);
}

fn guild_and_store_counters(c: &Counters, own: &mut Registry) {
    let figures = [
        (
            "mail_refused",
            "Requests not taken because a mailbox was full",
            &c.mail_refused,
        ),
        (
            "recalls",
            "Reads of messages that guilds had in memory no more",
            &c.recalls,
        ),
        (
            "recalls_refused",
            "Requests refused because old messages could not be read",
            &c.recalls_refused,
        ),
        (
            "append_failures",
            "Appends that the journal refused or did not answer",
            &c.append_failures,
        ),
        ("store_commits", "Commits of the store", &c.store_commits),
        (
            "store_records",
            "Records that the store committed",
            &c.store_records,
        ),
        (
            "store_refused",
            "Writes that the store refused",
            &c.store_refused,
        ),
    ];
    each(own, figures);
}

fn supervision(c: &Counters, own: &mut Registry) {
    let figures = [
        (
            "guild_restarts",
            "Guild actors started again after a panic",
            &c.guild_restarts,
        ),
        (
            "executor_stalls",
            "Times that a thread that runs guilds was found to be stuck",
            &c.executor_stalls,
        ),
        (
            "guilds_evicted",
            "Guilds taken off a stuck thread",
            &c.guilds_evicted,
        ),
        (
            "hub_restarts",
            "Hubs started again after a panic",
            &c.hub_restarts,
        ),
    ];
    each(own, figures);
}

fn balance(c: &Counters, own: &mut Registry) {
    let c = &c.balance;
    own.register(
        "balance_decisions",
        "Moves of guilds between threads that were decided upon by themselves",
        c.decisions.clone(),
    );
    own.register(
        "guilds_dedicated",
        "Guilds that have a thread of their own",
        c.guilds_dedicated.clone(),
    );
    own.register(
        "top_guild_load",
        "Share of its thread's time that the busiest guild has",
        c.top_guild_load.clone(),
    );
    own.register(
        "executor_load",
        "Share of the time of a thread that runs guilds that they have",
        c.executor_load.clone(),
    );
    own.register_with_unit(
        "executor_delay",
        "How long a guild waits for its thread to come round",
        Unit::Seconds,
        c.executor_delay.clone(),
    );
}

fn cluster(c: &Counters, own: &mut Registry) {
    let c = &c.cluster;
    let gauges = [
        (
            "nats_connected",
            "Whether a NATS server is connected",
            &c.nats_connected,
        ),
        (
            "lease_held",
            "Whether the node may serve its guilds",
            &c.lease_held,
        ),
        (
            "nats_appends_in_flight",
            "Appends that NATS has not answered yet",
            &c.appends_in_flight,
        ),
        (
            "list_generation",
            "Number of the list of nodes that is followed",
            &c.list_generation,
        ),
        ("peers", "Other nodes on the list", &c.peers),
        (
            "peer_requests_in_flight",
            "Requests to guilds of other nodes that are not answered yet",
            &c.requests_in_flight,
        ),
    ];
    each(own, gauges);
    let counts = [
        (
            "nats_disconnects",
            "Times that the connection to NATS was lost",
            &c.nats_disconnects,
        ),
        (
            "lease_renewals",
            "Renewals of the node's lease",
            &c.lease_renewals,
        ),
        (
            "lease_failures",
            "Heartbeats at which the lease could not be renewed",
            &c.lease_failures,
        ),
        (
            "peer_gaps",
            "Times that messages of another node were not heard",
            &c.gaps,
        ),
        (
            "peer_resyncs",
            "Times that another node did not hear messages of this one",
            &c.resyncs,
        ),
        (
            "peer_parcels_refused",
            "What was not taken to be sent to another node because too much waited",
            &c.parcels_refused,
        ),
        (
            "peer_requests_turned_away",
            "Requests of other nodes refused because too many were under way",
            &c.requests_turned_away,
        ),
        (
            "peer_breaker_opened",
            "Times that a node was found not to answer",
            &c.breakers_opened,
        ),
    ];
    each(own, counts);
    own.register(
        "nats_appends",
        "Appends to guilds' logs by what became of them",
        c.appends.clone(),
    );
    own.register(
        "peer_messages",
        "Messages between this node and others, requests aside",
        c.messages.clone(),
    );
    own.register("peer_bytes", "Bytes of these messages", c.bytes.clone());
    own.register(
        "peer_requests",
        "Requests to guilds of other nodes by what became of them",
        c.requests.clone(),
    );
    own.register(
        "peer_breaker_open",
        "Whether a node is found not to answer, and is asked nothing",
        c.breaker_open.clone(),
    );
    own.register_with_unit(
        "peer_request",
        "From sending a request to another node to its answer",
        Unit::Seconds,
        c.request_seconds.clone(),
    );
}

fn split_figures(c: &Counters, own: &mut Registry) {
    own.register("sessions", "Sessions by state", c.sessions.clone());
    own.register(
        "resumes_elsewhere",
        "Resumes of sessions of other nodes by outcome",
        c.resumes_elsewhere.clone(),
    );
    own.register("resumes", "Resume payloads by outcome", c.resumes.clone());
    own.register(
        "ephemeral_dropped",
        "Ephemeral events that a session was not sent because it was behind",
        c.ephemeral_dropped.clone(),
    );
    own.register(
        "closes",
        "Gateway connections ended, by whom and with which code",
        c.closes.clone(),
    );
    own.register(
        "guild_requests",
        "Requests to guilds by outcome",
        c.guild_requests.clone(),
    );
    own.register(
        "guild_moves",
        "Guilds moved from one thread to another, by kind and outcome",
        c.guild_moves.family.clone(),
    );
    own.register(
        "rest_requests",
        "REST requests by class of their status",
        c.rest_requests.clone(),
    );
}

fn gauges_and_latencies(c: &Counters, own: &mut Registry) {
    let gauges = [
        (
            "compressed_connections",
            "Gateway connections whose frames are compressed",
            &c.compressed_connections,
        ),
        (
            "guilds_running",
            "Guilds with a running actor",
            &c.guilds_running,
        ),
        (
            "executors_stuck",
            "Threads that run guilds and are stuck",
            &c.executors_stuck,
        ),
        (
            "store_queue",
            "Writes that wait for the store",
            &c.store_queue,
        ),
        (
            "store_unsorted_bytes",
            "Bytes of committed records that the store has not begun to sort by guild",
            &c.store_unsorted,
        ),
    ];
    each(own, gauges);
    for (name, help, latency) in [
        (
            "append",
            "From handing a batch to the journal to its acknowledgement",
            &c.append_seconds,
        ),
        (
            "store_commit",
            "From the start of a commit until it is as durable as promised",
            &c.store_commit_seconds,
        ),
        (
            "publish_ack",
            "From the arrival of a message at its guild to the answer that it is kept",
            &c.publish_ack_seconds,
        ),
        (
            "guild_restart",
            "From a guild's panic until it serves again",
            &c.guild_restart_seconds,
        ),
        (
            "guild_move_pause",
            "From the last that a moved guild handled until it can handle the next",
            &c.guild_move_pause_seconds,
        ),
        (
            "node_move_pause",
            "From the last that a guild handled here until it answered on the node that it went to",
            &c.node_move_pause_seconds,
        ),
        (
            "rest",
            "From the arrival of a REST request to its answer",
            &c.rest_seconds,
        ),
    ] {
        own.register_with_unit(name, help, Unit::Seconds, latency.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prometheus_client::encoding::text::encode;

    use super::*;

    /// The names of figures in a text: whatever begins like one.
    fn names(text: &str) -> BTreeSet<&str> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("guildhall_") || word.starts_with("process_"))
            .collect()
    }

    #[test]
    fn dashboard_and_alerts_name_figures_that_there_are() {
        let mut registry = Registry::default();
        let counters = Counters::default();
        // Shown once there is another node.
        counters.cluster.show_breaker("other", false);
        register(&counters, &mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let shown = names(&text);
        for (file, text) in [
            (
                "grafana.json",
                include_str!("../../../docs/operations/grafana.json"),
            ),
            (
                "alerts.yaml",
                include_str!("../../../docs/operations/alerts.yaml"),
            ),
        ] {
            let named = names(text);
            assert!(named.len() > 10, "{file} names next to nothing");
            for name in named {
                assert!(
                    shown.contains(name),
                    "{file} names {name}: there is no such figure"
                );
            }
        }
    }
}
