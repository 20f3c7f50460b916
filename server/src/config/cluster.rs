//! `[cluster]`: the NATS servers that keep what a node would keep on its own disk.

use super::check::within;
use super::nats_address::NatsAddress;
use super::setting::section;

/// `cluster.name`.
pub const DEFAULT_NAME: &str = "guildhall";
/// `cluster.partitions`.
pub const DEFAULT_PARTITIONS: usize = 16;
/// `cluster.replicas`.
pub const DEFAULT_REPLICAS: usize = 1;
/// `cluster.append_timeout_ms`.
pub const DEFAULT_APPEND_TIMEOUT_MS: u64 = 5_000;
/// `cluster.heartbeat_ms`.
pub const DEFAULT_HEARTBEAT_MS: u64 = 500;
/// `cluster.dead_after_ms`.
pub const DEFAULT_DEAD_AFTER_MS: u64 = 3_000;
/// `cluster.drain_timeout_ms`.
pub const DEFAULT_DRAIN_TIMEOUT_MS: u64 = 10_000;
/// `cluster.reconnects_per_second`.
pub const DEFAULT_RECONNECTS_PER_SECOND: u32 = 500;
/// `cluster.session_note_ms`.
pub const DEFAULT_SESSION_NOTE_MS: u64 = 1_000;
/// `cluster.sessions_max_bytes`.
pub const DEFAULT_SESSIONS_MAX_BYTES: u64 = 256 << 20;
/// Longest `cluster.name`, in bytes.
const MAX_NAME: usize = 32;

section! {
    /// The NATS servers that keep what a node would keep on its own disk.
    pub struct Cluster = "cluster" {
        /// Addresses of NATS servers with JetStream, such as `nats://127.0.0.1:4222`; `user:password@` or
        /// `token@`, percent-encoded, may stand before the host, the same in all of them. Empty: journal and
        /// directory are in `store.dir`.
        nats: Vec<NatsAddress> = Vec::new(), None, one_login;
        /// What the names of streams and subjects on NATS begin with: letters, digits, `-` and `_`.
        name: String = DEFAULT_NAME.to_owned(), None, nats_name;
        /// Copies that NATS keeps of everything; more than 1 needs that many NATS servers.
        replicas: usize = DEFAULT_REPLICAS, Count, within(1..=5);
        /// Streams that guilds' logs are spread over. It cannot be changed once there are logs.
        partitions: usize = DEFAULT_PARTITIONS, Count, within(1..=256);
        /// How long NATS may take to answer a write before the log is read to find out.
        append_timeout_ms: u64 = DEFAULT_APPEND_TIMEOUT_MS, Milliseconds, within(100..=60_000);
        /// How often a node says that it lives.
        heartbeat_ms: u64 = DEFAULT_HEARTBEAT_MS, Milliseconds, within(50..=60_000);
        /// For how long a node is not heard before the others take its guilds. It stops serving them
        /// one heartbeat earlier by itself. At least three heartbeats.
        dead_after_ms: u64 = DEFAULT_DEAD_AFTER_MS, Milliseconds, within(150..=600_000);
        /// For how long a node that stops hands its guilds over to others, one by one. What is left then
        /// others read from the journal, once the node is off the list.
        drain_timeout_ms: u64 = DEFAULT_DRAIN_TIMEOUT_MS, Milliseconds, within(0..=600_000);
        /// How many clients a node that stops asks to reconnect in a second, each at a random moment; more
        /// where three quarters of `cluster.drain_timeout_ms` would not suffice for all.
        reconnects_per_second: u32 = DEFAULT_RECONNECTS_PER_SECOND, PerSecond, within(1..=1_000_000);
        /// How often a session to which something has happened is noted on NATS, so that it can be resumed at another node
        /// should this one be killed. That succeeds where nothing has happened to it since.
        session_note_ms: u64 = DEFAULT_SESSION_NOTE_MS, Milliseconds, within(100..=600_000);
        /// Most bytes that NATS keeps of sessions that may be resumed at another node; beyond, the oldest go.
        sessions_max_bytes: u64 = DEFAULT_SESSIONS_MAX_BYTES, Bytes, within(1 << 20..=1 << 40);
    }
}

#[allow(clippy::ptr_arg)] // the section macro hands over a reference to the field's type
fn one_login(addresses: &Vec<NatsAddress>) -> Result<(), String> {
    let mut logins = addresses.iter().filter_map(NatsAddress::login);
    let first = logins.next();
    if logins.all(|login| Some(login) == first) {
        Ok(())
    } else {
        // Servers that these ones name as well are connected to in the same way.
        Err("expected the same user and password, or token, in all addresses".to_owned())
    }
}

#[allow(clippy::ptr_arg)] // the section macro hands over a reference to the field's type
fn nats_name(name: &String) -> Result<(), String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(good) {
        Ok(())
    } else {
        Err(format!("expected 1 to {MAX_NAME} letters, digits, - and _"))
    }
}
