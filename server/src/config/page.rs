//! The page of all settings, made of what the sections declare.

use std::fmt::Write as _;

use super::{Setting, Unit, settings};

/// Examples for settings whose default is none, or says little of what else there may be.
const EXAMPLES: &[(&str, &str)] = &[
    ("node.name", "\"chat-1\""),
    ("listen.host", "\"0.0.0.0\""),
    ("listen.public_url", "\"https://chat.example.org\""),
    ("listen.allowed_origins", "[\"https://app.example.org\"]"),
    ("listen.tls_cert", "\"/etc/guildhall/server.crt\""),
    ("listen.tls_key", "\"/etc/guildhall/server.key\""),
    ("admin.token", "\"0123456789abcdef0123456789abcdef\""),
    ("admin.tls_cert", "\"/etc/guildhall/admin.crt\""),
    ("admin.tls_key", "\"/etc/guildhall/admin.key\""),
    ("store.dir", "\"/var/lib/guildhall\""),
    ("store.durability", "\"os\""),
    ("cluster.nats", "[\"nats://127.0.0.1:4222\"]"),
    ("auth.secret", "\"0123456789abcdef0123456789abcdef\""),
    ("auth.jwt_secret", "\"0123456789abcdef0123456789abcdef\""),
    ("auth.jwt_public_key", "\"/etc/guildhall/jwt.pem\""),
    ("auth.jwt_keys", "\"/etc/guildhall/jwks.json\""),
    ("auth.jwt_issuer", "\"https://accounts.example.org\""),
    ("auth.jwt_audience", "\"guildhall\""),
    ("placement.weights", "{ \"chat-1\" = 2.0 }"),
    ("placement.overrides", "{ \"1234\" = \"chat-1\" }"),
    ("log.format", "\"json\""),
    ("log.otlp_endpoint", "\"http://127.0.0.1:4318\""),
    ("log.filter", "\"info,guildhall_server=debug\""),
];

/// Settings whose default is of the machine: what the page says instead.
const BY_MACHINE: &[(&str, &str)] = &[
    ("node.workers", "one per core"),
    ("node.executors", "one per two cores"),
    ("guild.dedicated_executors", "one per two cores"),
];

fn listed<'a>(list: &'a [(&str, &'a str)], key: &str) -> Option<&'a str> {
    let found = list.iter().find(|(listed, _)| *listed == key);
    found.map(|(_, text)| *text)
}

/// What a setting may be set to, as a TOML value.
pub(super) fn example(setting: &Setting) -> String {
    let of_machine = listed(BY_MACHINE, setting.key).map(|_| "4".to_owned());
    listed(EXAMPLES, setting.key)
        .map(str::to_owned)
        .or(of_machine)
        .or_else(setting.default)
        .unwrap_or_default()
}

/// The page, in Markdown.
pub fn page() -> String {
    let mut page = String::from(HEAD);
    let mut section = "";
    for setting in settings() {
        let (in_section, name) = setting.key.split_once('.').expect("a key is section.name");
        if in_section != section {
            section = in_section;
            let _ = write!(
                page,
                "\n## `[{section}]`\n\n| name | default | unit | meaning | example |\n|---|---|---|---|---|\n"
            );
        }
        let default = match listed(BY_MACHINE, setting.key) {
            Some(words) => words.to_owned(),
            None => {
                (setting.default)().map_or_else(|| "not set".to_owned(), |it| format!("`{it}`"))
            }
        };
        let unit = match setting.unit {
            Unit::None => String::new(),
            unit => unit.to_string(),
        };
        let meaning: Vec<&str> = setting.doc.lines().map(str::trim).collect();
        let meaning = meaning.join(" ").replace('|', "\\|");
        let example = example(setting);
        let _ = writeln!(
            page,
            "| `{section}.{name}` | {default} | {unit} | {meaning} | `{name} = {example}` |"
        );
    }
    page
}

const HEAD: &str = "\
# Settings

Made by `guildhall config --page` of what the code declares; a test holds it to that. Where a value comes from, and what becomes of
one that is wrong, is in [operations.md](../operations.md#settings). The example is a line of the section's table in the settings file. In the environment
`section.name` is `GUILDHALL_SECTION__NAME`, on the command line `--set section.name=value`; there texts go without quotes, the items of a list are separated
by commas, and the entries of a table are `key=value`.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    #[test]
    fn the_page_in_the_docs_is_what_the_code_declares() {
        let kept = include_str!("../../../docs/operations/settings.md");
        let hint = "run: guildhall config --page > docs/operations/settings.md";
        assert!(
            kept == page(),
            "docs/operations/settings.md is out of date; {hint}"
        );
    }

    #[test]
    fn every_example_is_taken() {
        for setting in settings() {
            let (section, name) = setting.key.split_once('.').unwrap();
            let mut text = format!("[{section}]\n{name} = {}\n", example(setting));
            for (one, other) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
                if name == one {
                    let _ = writeln!(text, "{other} = \"/x\"");
                }
            }
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("settings.toml");
            std::fs::write(&path, &text).unwrap();
            let sources = Sources {
                file: Some(path),
                ..Sources::default()
            };
            let loaded = Config::load(&sources);
            assert!(loaded.is_ok(), "{text}: {loaded:?}");
        }
    }

    #[test]
    fn examples_name_settings_that_there_are() {
        for (key, _) in EXAMPLES.iter().chain(BY_MACHINE) {
            assert!(settings().any(|setting| setting.key == *key), "{key}");
        }
    }
}
