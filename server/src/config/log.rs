//! `[log]`: what is written to standard error.

use super::check::{log_filter, within};
use super::setting::section;
use super::value::Value;
use crate::spans::Endpoint;

/// `log.format`.
pub const DEFAULT_FORMAT: LogFormat = LogFormat::Text;
/// `log.deliveries_every`.
pub const DEFAULT_DELIVERIES_EVERY: u64 = 0;
/// `log.filter`.
pub const DEFAULT_FILTER: &str = "info";
/// `log.otlp_every`.
pub const DEFAULT_OTLP_EVERY: u64 = 100;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Value for LogFormat {
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        Self::from_text(value.as_str().unwrap_or_default())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json".to_owned()),
        }
    }

    fn show(&self) -> Option<String> {
        Some(match self {
            Self::Text => "\"text\"".to_owned(),
            Self::Json => "\"json\"".to_owned(),
        })
    }
}

section! {
    /// What is written to standard error.
    pub struct Log = "log" {
        /// How lines are written: text or json.
        format: LogFormat = DEFAULT_FORMAT, None;
        /// Which lines are written, such as `info` or `info,guildhall_server=debug`.
        filter: String = DEFAULT_FILTER.to_owned(), None, log_filter;
        /// Of so many deliveries of a worker the log tells of one, with its guild and how many sessions had
        /// it: the larger a fan-out, the likelier it is told of. 0 for none.
        deliveries_every: u64 = DEFAULT_DELIVERIES_EVERY, Count;
        /// A collector of traces that takes OTLP in JSON over HTTP, such as `http://127.0.0.1:4318`; without a path
        /// spans go to `/v1/traces`. Not set: there are no spans.
        otlp_endpoint: Option<Endpoint> = None, None;
        /// Of so many requests the collector is told of one; of a request that sends something to N sessions, N
        /// times as often. 1 for all.
        otlp_every: u64 = DEFAULT_OTLP_EVERY, Count, within(1..=1_000_000_000_000);
    }
}
