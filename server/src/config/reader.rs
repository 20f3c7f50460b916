//! Takes settings out of the layers and collects every fault on the way.

use std::collections::BTreeMap;

use super::error::{ConfigError, Origin};
use super::value::Value;

/// A value as it was given.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    /// By a file.
    Toml(toml::Value),
    /// By the environment or a flag.
    Text(String),
}

/// A value and where it was given.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// A check of a value.
pub(super) type Check<'a, T> = &'a dyn Fn(&T) -> Result<(), String>;

/// What was given for each key, lowest layer first.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) layers: BTreeMap<&'static str, Vec<Given>>,
    pub(super) errors: Vec<ConfigError>,
    /// Where each value that is in force was given; defaults left out.
    pub(super) origins: BTreeMap<&'static str, Origin>,
}

impl Reader {
    /// The value of the highest layer; `None` where none was given or one is wrong. Values of
    /// lower layers are checked as well: a bad line in a file is bad even where a flag hides it.
    pub(super) fn take<T: Value>(
        &mut self,
        key: &'static str,
        checks: &[Check<'_, T>],
    ) -> Option<T> {
        let mut taken = None;
        for given in self.layers.remove(key)? {
            let value = match &given.raw {
                Raw::Toml(value) => T::from_toml(value),
                Raw::Text(text) => T::from_text(text.trim()),
            };
            let checked = value.and_then(|value| {
                checks.iter().try_for_each(|check| check(&value))?;
                Ok(value)
            });
            match checked {
                Ok(value) => {
                    taken = Some(value);
                    self.origins.insert(key, given.origin);
                }
                Err(reason) => self.errors.push(ConfigError::Invalid {
                    key,
                    origin: given.origin,
                    reason,
                }),
            }
        }
        taken
    }
}
