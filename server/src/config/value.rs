//! The types that settings have: how each is read from TOML and from text, and shown.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

use super::nats_address::HIDDEN;
use super::public_url::PublicUrl;
use super::secret::{MIN_SECRET_LEN, Secret};
use crate::placement::{NodeName, Weight};
use crate::protocol::GuildId;
use crate::spans::Endpoint;

/// A type that a setting can have. Errors say what is expected and never repeat what was given.
pub(super) trait Value: Sized {
    /// Reads what a file says.
    fn from_toml(value: &toml::Value) -> Result<Self, String>;
    /// Reads what an environment variable or a flag says.
    fn from_text(text: &str) -> Result<Self, String>;
    /// As a TOML value, secrets hidden; `None` where it is not set.
    fn show(&self) -> Option<String>;
}

/// Quotes a text for TOML.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Value for $type {
            fn from_toml(value: &toml::Value) -> Result<Self, String> {
                value
                    .as_integer()
                    .and_then(|number| number.try_into().ok())
                    .ok_or_else(|| format!("expected a whole number from 0 to {}", Self::MAX))
            }

            fn from_text(text: &str) -> Result<Self, String> {
                text.replace('_', "")
                    .parse()
                    .map_err(|_| format!("expected a whole number from 0 to {}", Self::MAX))
            }

            fn show(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )*};
}

integers!(u16 u32 u64 usize);

impl Value for bool {
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        value
            .as_bool()
            .ok_or_else(|| "expected true or false".to_owned())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "expected true or false".to_owned())
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// Types whose file form is a TOML string with the same rules as a flag.
macro_rules! textual {
    ($($type:ty: $parse:expr, $show:expr;)*) => {$(
        impl Value for $type {
            fn from_toml(value: &toml::Value) -> Result<Self, String> {
                let text = value.as_str().ok_or("expected a text in quotes")?;
                Self::from_text(text)
            }

            fn from_text(text: &str) -> Result<Self, String> {
                $parse(text)
            }

            fn show(&self) -> Option<String> {
                #[allow(clippy::redundant_closure_call)] // one closure per type
                Some(quoted(&$show(self)))
            }
        }
    )*};
}

textual! {
    String: |text: &str| Ok(text.to_owned()), |text: &String| text.clone();
    PathBuf: parse_path, |path: &PathBuf| path.display().to_string();
    IpAddr: parse_host, ToString::to_string;
    NodeName: |text| Self::new(text).map_err(|e| e.to_string()), ToString::to_string;
    PublicUrl: |text| Self::parse(text).map_err(|e| e.to_string()), ToString::to_string;
    Endpoint: parse_endpoint, ToString::to_string;
    Secret: parse_secret, |_| HIDDEN.to_owned();
}

fn parse_path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("expected a path".to_owned());
    }
    Ok(text.into())
}

fn parse_host(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse()
        .map_err(|_| "expected an IP address or localhost".to_owned())
}

fn parse_endpoint(text: &str) -> Result<Endpoint, String> {
    Endpoint::parse(text)
        .ok_or_else(|| "expected http://host:port, with a path or without".to_owned())
}

fn parse_secret(text: &str) -> Result<Secret, String> {
    Secret::new(text).ok_or_else(|| format!("expected at least {MIN_SECRET_LEN} bytes"))
}

impl Value for Weight {
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        let number = value
            .as_float()
            .or_else(|| value.as_integer().map(|whole| whole as f64))
            .ok_or("expected a number")?;
        Self::new(number).map_err(|error| error.to_string())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let number = text.parse().map_err(|_| "expected a number".to_owned())?;
        Self::new(number).map_err(|error| error.to_string())
    }

    fn show(&self) -> Option<String> {
        Some(self.get().to_string())
    }
}

/// A value that may be left out; an empty text stands for that.
impl<T: Value> Value for Option<T> {
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        if value.as_str() == Some("") {
            return Ok(None);
        }
        T::from_toml(value).map(Some)
    }

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        T::from_text(text).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(Value::show)
    }
}

/// A list; as text, its items are separated by commas.
impl<T: Value> Value for Vec<T> {
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        let items = value.as_array().ok_or("expected a list in brackets")?;
        items.iter().map(T::from_toml).collect()
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(str::trim);
        let items = items.filter(|item| !item.is_empty());
        items.map(T::from_text).collect()
    }

    fn show(&self) -> Option<String> {
        let items: Vec<String> = self.iter().filter_map(Value::show).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

/// What the keys of a table stand for.
pub(super) trait MapKey: Ord + Display + FromStr {
    /// What is expected of a key.
    const EXPECTED: &'static str;
}

impl MapKey for NodeName {
    const EXPECTED: &'static str = "a node name";
}

impl MapKey for GuildId {
    const EXPECTED: &'static str = "a guild id";
}

/// A table; as text it is `key=value,key=value`.
impl<K: MapKey, V: Value> Value for BTreeMap<K, V> {
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        value
            .as_table()
            .ok_or_else(|| format!("expected a table with {} as keys", K::EXPECTED))?
            .iter()
            .map(|(key, value)| entry(key, V::from_toml(value)))
            .collect()
    }

    fn from_text(text: &str) -> Result<Self, String> {
        text.split(',')
            .filter(|pair| !pair.trim().is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').ok_or("expected key=value,key=value")?;
                entry(key.trim(), V::from_text(value.trim()))
            })
            .collect()
    }

    fn show(&self) -> Option<String> {
        let pairs: Vec<String> = self
            .iter()
            .filter_map(|(key, value)| {
                Some(format!("{} = {}", quoted(&key.to_string()), value.show()?))
            })
            .collect();
        Some(if pairs.is_empty() {
            "{}".to_owned()
        } else {
            format!("{{ {} }}", pairs.join(", "))
        })
    }
}

fn entry<K: MapKey, V>(key: &str, value: Result<V, String>) -> Result<(K, V), String> {
    let parsed = K::from_str(key).map_err(|_| format!("expected {} as key", K::EXPECTED))?;
    match value {
        Ok(value) => Ok((parsed, value)),
        Err(reason) => Err(format!("entry {key}: {reason}")),
    }
}
