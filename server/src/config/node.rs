//! `[node]`: who this process is and what it runs on.

use std::thread::available_parallelism;

use super::check::within;
use super::setting::section;
use crate::placement::NodeName;

/// `node.name`.
pub const DEFAULT_NAME: &str = "node-1";
/// `node.number`.
pub const DEFAULT_NUMBER: u16 = 1;

/// Longest `node.zone`, in bytes.
const MAX_ZONE: usize = 64;

/// Default of `node.workers`: the cores that the process may use.
pub fn default_workers() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Default of `node.executors`: half the cores, at least one.
pub fn default_executors() -> usize {
    (default_workers() / 2).max(1)
}

section! {
    /// Who this process is and what it runs on.
    pub struct Node = "node" {
        /// Name on the ring, unique in the cluster. A node that changes its name moves its guilds.
        name: NodeName = NodeName::new(DEFAULT_NAME).expect("the default is a valid name"), None;
        /// Number in the ids that this node gives, 0 to 1023, unique in the cluster.
        number: u16 = DEFAULT_NUMBER, None, within(0..=1023);
        /// What may fail together with this node, such as a rack or a data centre; no zone where it is empty. The nodes
        /// that are named after a guild's owner are of other zones.
        zone: String = String::new(), None, zone_name;
        /// HTTP worker threads; each has a hub for its sessions. By default one per core.
        workers: usize = default_workers(), Count, within(1..=1024);
        /// Threads that run guilds. By default one per two cores.
        executors: usize = default_executors(), Count, within(1..=1024);
    }
}

#[allow(clippy::ptr_arg)] // the section macro hands over a reference to the field's type
fn zone_name(zone: &String) -> Result<(), String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if zone.len() <= MAX_ZONE && zone.bytes().all(good) {
        Ok(())
    } else {
        Err(format!(
            "expected at most {MAX_ZONE} letters, digits, -, _ and ."
        ))
    }
}
