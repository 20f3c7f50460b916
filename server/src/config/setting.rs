//! The description of one setting, and the macro that makes a section of them.

use std::fmt;

/// In what a number is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Not a quantity.
    None,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Pieces of what the setting names.
    Count,
    /// Pieces per second.
    PerSecond,
    /// Hundredths.
    Percent,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "",
            Self::Milliseconds => "milliseconds",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Count => "count",
            Self::PerSecond => "per second",
            Self::Percent => "percent",
        })
    }
}

/// What there is to know about one setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// `section.name`.
    pub key: &'static str,
    /// What it decides, a sentence or more.
    pub doc: &'static str,
    /// In what it is counted.
    pub unit: Unit,
    /// The default as a TOML value; `None` where it is not set.
    pub default: fn() -> Option<String>,
}

impl Setting {
    /// The environment variable that sets it.
    pub fn environment(&self) -> String {
        let name = self.key.replace('.', "__").to_uppercase();
        format!("{}{name}", super::sources::ENV_PREFIX)
    }
}

/// Makes the struct of a section, its table of settings and its reader.
///
/// `name: Type = default, Unit, check;` where the check is a function from `&Type` to
/// `Result<(), String>`.
macro_rules! section {
    (
        $(#[$meta:meta])*
        pub struct $name:ident = $section:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $default:expr, $unit:ident $(, $check:expr)?;
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $name {
            /// The settings of this section.
            pub const SETTINGS: &[$crate::config::Setting] = &[$(
                $crate::config::Setting {
                    key: concat!($section, ".", stringify!($field)),
                    doc: concat!($($doc, "\n"),+),
                    unit: $crate::config::Unit::$unit,
                    default: || {
                        let default: $type = $default;
                        $crate::config::value::Value::show(&default)
                    },
                }
            ),+];

            /// Takes what was given; where that is wrong, notes it and takes the default.
            pub(super) fn read(reader: &mut $crate::config::reader::Reader) -> Self {
                Self {
                    $($field: {
                        let checks: &[&dyn Fn(&$type) -> Result<(), String>] = &[$(&$check)?];
                        reader
                            .take(concat!($section, ".", stringify!($field)), checks)
                            .unwrap_or_else(|| $default)
                    },)+
                }
            }

            /// The effective values in the order of [`Self::SETTINGS`], as TOML, secrets hidden.
            pub(super) fn shown(&self) -> Vec<Option<String>> {
                vec![$($crate::config::value::Value::show(&self.$field)),+]
            }
        }
    };
}

pub(super) use section;
