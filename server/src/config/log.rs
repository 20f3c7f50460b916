//! `[log]`: what is written to standard error.

use super::check::log_filter;
use super::setting::section;
use super::value::Value;

/// `log.format`.
pub const DEFAULT_FORMAT: LogFormat = LogFormat::Text;
/// `log.deliveries_every`.
pub const DEFAULT_DELIVERIES_EVERY: u64 = 0;
/// `log.filter`.
pub const DEFAULT_FILTER: &str = "info";

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
    }
}
