//! Where settings come from, and how the sources are laid over one another.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::{ConfigError, Origin};
use super::reader::{Given, Raw, Reader};
use super::{Setting, settings};
use crate::config::suggest::nearest;

/// Start of the environment variables that are settings. `GUILDHALL_SECTION__KEY`, with two
/// underscores; other variables with this start are left alone, since orchestrators set some
/// (`GUILDHALL_PORT_8080_TCP` for a service of that name).
pub const ENV_PREFIX: &str = "GUILDHALL_";

/// A setting given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// As it is written, such as `--port`.
    pub name: String,
    /// The key it sets.
    pub key: String,
    /// The value.
    pub value: String,
}

/// Everything that can say something about settings. Plain data, so that tests make their own.
/// Flags go before the environment, the environment before the file.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The TOML file, if one was named.
    pub file: Option<PathBuf>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The command line; of two flags for one key the last counts.
    pub flags: Vec<Flag>,
}

impl Sources {
    /// With the environment of this process. Variables that are not UTF-8 are left out.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file, env, flags }
    }

    /// Lays the sources over one another and refuses unknown keys.
    pub(super) fn layers(&self) -> Reader {
        let mut reader = Reader::default();
        if let Some(path) = &self.file {
            let shown = path.display().to_string();
            match read_file(path) {
                Ok(table) => add_file(&mut reader, &shown, table),
                Err(reason) => reader.errors.push(ConfigError::File {
                    path: shown,
                    reason,
                }),
            }
        }
        for (name, value) in &self.env {
            add_variable(&mut reader, name, value);
        }
        for flag in &self.flags {
            let origin = Origin::Flag(flag.name.clone());
            add(&mut reader, &flag.key, text(&flag.value), origin, |s| {
                s.key.to_owned()
            });
        }
        reader
    }
}

fn text(value: &str) -> Raw {
    Raw::Text(value.to_owned())
}

fn read_file(path: &PathBuf) -> Result<toml::Table, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    text.parse::<toml::Table>().map_err(|error| {
        // The error's own rendering repeats the line, which may hold a secret.
        let line = error
            .span()
            .map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        match line {
            Some(line) => format!("line {line}: {}", error.message()),
            None => error.message().to_owned(),
        }
    })
}

fn add_file(reader: &mut Reader, path: &str, table: toml::Table) {
    for (section, value) in table {
        let origin = || Origin::File(path.to_owned());
        match value {
            toml::Value::Table(keys) => {
                for (name, value) in keys {
                    let key = format!("{section}.{name}");
                    add(reader, &key, Raw::Toml(value), origin(), |s| {
                        s.key.to_owned()
                    });
                }
            }
            other => add(reader, &section, Raw::Toml(other), origin(), |s| {
                s.key.to_owned()
            }),
        }
    }
}

fn add_variable(reader: &mut Reader, name: &str, value: &str) {
    let Some(rest) = name.strip_prefix(ENV_PREFIX) else {
        return;
    };
    if !rest.contains("__") {
        return;
    }
    let key = rest.replace("__", ".").to_lowercase();
    let origin = Origin::Environment(name.to_owned());
    add(reader, &key, text(value), origin, Setting::environment);
}

fn add(
    reader: &mut Reader,
    key: &str,
    raw: Raw,
    origin: Origin,
    spell: impl Fn(&Setting) -> String,
) {
    if let Some(setting) = settings().find(|setting| setting.key == key) {
        let given = Given { raw, origin };
        reader.layers.entry(setting.key).or_default().push(given);
        return;
    }
    let near = nearest(key, settings().map(|setting| setting.key));
    let nearest = settings()
        .find(|setting| Some(setting.key) == near)
        .map(spell);
    // In the spelling of where it was given: a variable is not known by its dotted name there.
    let key = match &origin {
        Origin::Environment(name) => name.clone(),
        _ => key.to_owned(),
    };
    reader.errors.push(ConfigError::Unknown {
        key,
        origin,
        nearest,
    });
}
