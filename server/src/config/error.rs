//! What is wrong with a configuration: every fault at once.

use std::fmt;

/// The exit code of a process whose configuration is bad (`EX_USAGE` of sysexits).
pub const EXIT_BAD_CONFIG: u8 = 64;

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: it is the documented default.
    Default,
    /// The configuration file at this path.
    File(String),
    /// This environment variable.
    Environment(String),
    /// This command-line flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One fault. No variant repeats a given value: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there, cannot be read, or is no TOML.
    #[error("configuration file {path}: {reason}")]
    File {
        /// As it was named.
        path: String,
        /// What went wrong, with the line where there is one.
        reason: String,
    },
    /// No setting has this key.
    #[error("unknown setting {key} ({origin}){}", did_you_mean(nearest.as_deref()))]
    Unknown {
        /// As it was given.
        key: String,
        /// Where.
        origin: Origin,
        /// The nearest key there is, in the spelling of that origin.
        nearest: Option<String>,
    },
    /// The value is not one that the setting takes.
    #[error("setting {key} ({origin}): {reason}")]
    Invalid {
        /// The setting.
        key: &'static str,
        /// Where its value was given.
        origin: Origin,
        /// What is expected.
        reason: String,
    },
    /// Two settings do not go together.
    #[error("settings {one} and {other}: {reason}")]
    Conflict {
        /// A setting.
        one: &'static str,
        /// The other.
        other: &'static str,
        /// Why they do not.
        reason: String,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; did you mean {key}?"))
}

/// Every fault of a configuration; never empty. Printed as one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
