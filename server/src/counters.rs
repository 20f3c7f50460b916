//! The figures that every room counts into. Names follow Prometheus' conventions; each counter of
//! something dropped or refused stands for a bound somewhere.

mod balance;
mod cluster;
mod figures;
mod hub;
mod labels;
mod latency;
mod moves;
mod process;
mod registration;
mod spans;

pub use balance::BalanceFigures;
pub use cluster::ClusterFigures;
pub use figures::{Figures, LatencyFigures, Rates};
pub use hub::HubCounters;
pub use labels::{
    AppendOutcome, Close, Closer, DecisionKind, ElsewhereOutcome, EphemeralKind, Label, MoveKind,
    MoveOutcome, PeerOutcome, RequestOutcome, ResumeOutcome, SessionState, Split, StatusClass, Way,
};
pub use latency::{BOUNDS_US, Latency, LatencyCounts};
pub use moves::MoveCounts;
pub use process::ProcessFigures;
pub use registration::register;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// Start of every name.
pub const PREFIX: &str = "guildhall";

/// The node's figures. Shared behind an `Arc`; counting is one relaxed atomic operation.
#[derive(Debug, Default)]
pub struct Counters {
    /// Events that guilds handed to hubs, each counted once.
    pub publishes: Counter,
    /// Dispatch frames handed to lanes. Counted by hubs through [`HubCounters`].
    pub deliveries: Counter,
    /// Writes to gateway sockets; deliveries per write is what pacing gains.
    pub writes: Counter,
    /// Bytes written to gateway sockets.
    pub bytes_out: Counter,
    /// Writes that were held back, to take several events.
    pub held_writes: Counter,
    /// Mail of guilds that waited to go into outboxes together.
    pub gathered: Counter,
    /// Frames read from gateway sockets.
    pub frames_in: Counter,
    /// Bytes read from gateway sockets.
    pub bytes_in: Counter,
    /// Sessions by state.
    pub sessions: Split<SessionState, Gauge>,
    /// Gateway connections whose frames are compressed.
    pub compressed_connections: Gauge,
    /// Identify payloads that led to a session.
    pub identifies: Counter,
    /// Resume payloads by outcome.
    pub resumes: Split<ResumeOutcome, Counter>,
    /// Gateway connections ended; see [`Counters::closed`].
    pub closes: Family<Close, Counter>,
    /// Connections closed because their lane was full.
    pub lane_overflows: Counter,
    /// Ephemeral events that a session was not sent, because a newer one took their place or their bounds were full.
    pub ephemeral_dropped: Split<EphemeralKind, Counter>,
    /// Gateway connections held back by the rate limit of their address.
    pub upgrades_held: Counter,
    /// Gateway connections refused because too many were held back, or for too long.
    pub upgrades_refused: Counter,
    /// Gateway connections refused because their address has as many as it may.
    pub connections_refused: Counter,
    /// Gateway connections refused because of the page that opened them.
    pub origins_refused: Counter,
    /// Identify payloads answered with op 9 because their user started too many sessions.
    pub identifies_limited: Counter,
    /// Tokens that were not good: REST answered with 401, gateway connections closed with 4004.
    pub tokens_refused: Counter,
    /// Gateway connections closed because their token was revoked or over.
    pub sessions_turned_out: Counter,
    /// TLS handshakes on the main port that came to nothing.
    pub tls_handshake_failures: Counter,
    /// Files read anew at SIGHUP.
    pub reloads: Counter,
    /// Files that could not be used at SIGHUP; what they held before stays in force.
    pub reload_failures: Counter,
    /// Guilds with a running actor.
    pub guilds_running: Gauge,
    /// Guild actors started again after a panic.
    pub guild_restarts: Counter,
    /// From a guild's panic until it serves again.
    pub guild_restart_seconds: Latency,
    /// Executors that are stuck now.
    pub executors_stuck: Gauge,
    /// Times that an executor was found to be stuck.
    pub executor_stalls: Counter,
    /// Guilds moved from one executor to another, by kind and outcome.
    pub guild_moves: MoveCounts,
    /// From the last that a guild handled on its former executor until it can handle the first on the
    /// next one.
    pub guild_move_pause_seconds: Latency,
    /// From the last that a guild handled here until it answered on the node that it went to.
    pub node_move_pause_seconds: Latency,
    /// How guilds are spread over executors.
    pub balance: BalanceFigures,
    /// This node among others.
    pub cluster: ClusterFigures,
    /// Guilds taken off a stuck executor.
    pub guilds_evicted: Counter,
    /// Hubs started again after a panic.
    pub hub_restarts: Counter,
    /// Bytes noted of what sessions were handed, for a Resume after a crash.
    pub session_trail_bytes: Counter,
    /// Times that this could not be noted.
    pub session_trail_failures: Counter,
    /// Sessions that were kept for other nodes.
    pub sessions_let_go: Counter,
    /// Notes of sessions that were kept for other nodes.
    pub session_notes: Counter,
    /// Bytes of these notes.
    pub session_note_bytes: Counter,
    /// Resumes of sessions of other nodes by what came of them.
    pub resumes_elsewhere: Split<ElsewhereOutcome, Counter>,
    /// Requests to guilds by outcome.
    pub guild_requests: Split<RequestOutcome, Counter>,
    /// Requests not taken because a guild's mailbox was full.
    pub mail_refused: Counter,
    /// Reads of messages that guilds had in memory no more; each serves up to 16 requests.
    pub recalls: Counter,
    /// Requests not answered because such messages could not be read in time, or too many waited.
    pub recalls_refused: Counter,
    /// Appends that the journal refused or did not answer.
    pub append_failures: Counter,
    /// From handing a batch to the journal to its acknowledgement.
    pub append_seconds: Latency,
    /// Commits of the store, each of which holds what waited for it.
    pub store_commits: Counter,
    /// Records in those commits.
    pub store_records: Counter,
    /// Writes that the store refused: full, broken, or its queue full.
    pub store_refused: Counter,
    /// Writes that wait for the store.
    pub store_queue: Gauge,
    /// Bytes of committed records that the store has not begun to sort.
    pub store_unsorted: Gauge,
    /// From the start of a commit until it is as durable as the setting promises.
    pub store_commit_seconds: Latency,
    /// From the arrival of a message at its guild to the answer that it is kept.
    pub publish_ack_seconds: Latency,
    /// REST requests by class of their status.
    pub rest_requests: Split<StatusClass, Counter>,
    /// REST requests answered with 429.
    pub rest_limited: Counter,
    /// From the arrival of a REST request to its answer.
    pub rest_seconds: Latency,
}

impl Counters {
    /// Counts the end of a gateway connection.
    pub fn closed(&self, close: Close) {
        self.closes.get_or_create(&close).inc();
    }

    /// Counts a REST request that was answered.
    pub fn rest_answered(&self, status: u16) {
        self.rest_requests.of(StatusClass::of(status)).inc();
        if status == 429 {
            self.rest_limited.inc();
        }
    }

    /// Counts a request to a guild that was answered: with `Ok`, or with an error's status.
    pub fn guild_answered(&self, outcome: Result<(), u16>) {
        let outcome = outcome.map_or_else(RequestOutcome::of_status, |()| RequestOutcome::Ok);
        self.guild_requests.of(outcome).inc();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::protocol::CloseCode;

    fn scrape(counters: &Counters) -> String {
        let mut registry = Registry::default();
        register(counters, &mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn names_keep_to_prometheus_conventions_and_show_from_the_start() {
        let counters = Counters::default();
        counters.closed(Close::by_server(CloseCode::RateLimited));
        let text = scrape(&counters);
        for line in [
            "guildhall_publishes_total 0",
            "guildhall_deliveries_total 0",
            "guildhall_socket_writes_total 0",
            "guildhall_sent_bytes_total 0",
            "guildhall_sessions{state=\"active\"} 0",
            "guildhall_sessions{state=\"detached\"} 0",
            "guildhall_identifies_total 0",
            "guildhall_resumes_total{outcome=\"whole\"} 0",
            "guildhall_resumes_total{outcome=\"refused\"} 0",
            "guildhall_closes_total{by=\"server\",code=\"4008\"} 1",
            "guildhall_lane_overflows_total 0",
            "guildhall_ephemeral_dropped_total{kind=\"typing\"} 0",
            "guildhall_ephemeral_dropped_total{kind=\"presence\"} 0",
            "guildhall_upgrades_held_total 0",
            "guildhall_upgrades_refused_total 0",
            "guildhall_guilds_running 0",
            "guildhall_executors_stuck 0",
            "guildhall_executor_stalls_total 0",
            "guildhall_guilds_evicted_total 0",
            "guildhall_guild_restart_seconds_count 0",
            "guildhall_guild_moves_total{kind=\"promotion\",outcome=\"done\"} 0",
            "guildhall_guild_moves_total{kind=\"shared\",outcome=\"refused\"} 0",
            "guildhall_guild_move_pause_seconds_count 0",
            "guildhall_balance_decisions_total{kind=\"promote\"} 0",
            "guildhall_guilds_dedicated 0",
            "guildhall_top_guild_load 0.0",
            "guildhall_guild_requests_total{outcome=\"unavailable\"} 0",
            "guildhall_mail_refused_total 0",
            "guildhall_recalls_total 0",
            "guildhall_recalls_refused_total 0",
            "guildhall_append_seconds_count 0",
            "guildhall_store_commits_total 0",
            "guildhall_store_records_total 0",
            "guildhall_store_refused_total 0",
            "guildhall_store_queue 0",
            "guildhall_store_unsorted_bytes 0",
            "guildhall_store_commit_seconds_count 0",
            "guildhall_publish_ack_seconds_bucket{le=\"+Inf\"} 0",
            "guildhall_rest_requests_total{status=\"5xx\"} 0",
            "guildhall_compressed_connections 0",
            "# TYPE guildhall_append_seconds histogram",
            "# TYPE guildhall_deliveries counter",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n---\n{text}");
        }
        for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
            let name = line.split(' ').nth(2).unwrap();
            let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(plain, "{name}");
            let prefixed = name.starts_with("guildhall_") || name.starts_with("process_");
            assert!(prefixed, "{name}");
            assert_eq!(text.matches(&format!("# TYPE {name} ")).count(), 1);
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn labels_stay_bounded_whatever_clients_send() {
        let counters = Counters::default();
        for code in 0..=u16::MAX {
            counters.closed(Close::by_client(Some(code)));
        }
        counters.closed(Close::by_client(None));
        counters.closed(Close::lost());
        let text = scrape(&counters);
        let closes = text.matches("guildhall_closes_total{").count();
        assert_eq!(closes, CloseCode::ALL.len() + 2);
    }

    #[test]
    fn answers_are_counted_by_what_they_mean() {
        let counters = Counters::default();
        for status in [200, 204, 404, 429, 503] {
            counters.rest_answered(status);
        }
        assert_eq!(counters.rest_requests.of(StatusClass::Success).get(), 2);
        assert_eq!(counters.rest_requests.of(StatusClass::ClientError).get(), 2);
        assert_eq!(counters.rest_limited.get(), 1);
        counters.guild_answered(Ok(()));
        counters.guild_answered(Err(403));
        counters.guild_answered(Err(503));
        for &outcome in RequestOutcome::ALL {
            assert_eq!(counters.guild_requests.of(outcome).get(), 1);
        }
    }

    #[test]
    fn a_histogram_shows_seconds_and_cumulative_buckets() {
        let counters = Counters::default();
        counters.append_seconds.observe(Duration::from_micros(90));
        counters.append_seconds.observe(Duration::from_secs(60));
        let text = scrape(&counters);
        for line in [
            "guildhall_append_seconds_bucket{le=\"0.00005\"} 0",
            "guildhall_append_seconds_bucket{le=\"0.0001\"} 1",
            "guildhall_append_seconds_bucket{le=\"10.0\"} 1",
            "guildhall_append_seconds_bucket{le=\"+Inf\"} 2",
            "guildhall_append_seconds_count 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n---\n{text}");
        }
    }
}
