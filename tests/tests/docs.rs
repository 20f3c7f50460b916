//! What the docs say of tests, and what the licences of dependencies are.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Each row of the table of threats names tests, and each of them is there.
#[test]
fn each_row_of_the_table_of_threats_names_tests_that_there_are() {
    let table = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut count = 0;
    for row in rows {
        let tests = row.rsplit(" | ").next().unwrap();
        let named: Vec<&str> = tests.split('`').filter(|it| it.contains("::")).collect();
        assert!(!named.is_empty(), "no test in {row}");
        for name in named {
            let (file, test) = name.split_once("::").unwrap();
            let source = fs::read_to_string(root().join(file));
            let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
            let is_there = source.contains(&format!("fn {test}("));
            assert!(is_there, "{file} has no test {test}");
        }
        count += 1;
    }
    assert!(count >= 20, "{count} rows");
}

/// Licences under which code may be part of the server. The same list is in `.deny.toml`.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Crates that are not to come in: what each would be instead of.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "rustls"),
    ("openssl-sys", "rustls"),
    ("native-tls", "rustls"),
    ("aws-lc-sys", "ring, the one provider of cryptography"),
    ("chrono", "the server's own clock"),
];

fn metadata() -> Vec<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let Value::Array(packages) = metadata["packages"].take() else {
        panic!("packages are a list");
    };
    packages
}

/// Every package that any target or feature may bring is from the registry, under a licence of the list, and none is
/// banned.
#[test]
fn dependencies_have_good_licences_and_come_from_the_registry() {
    let packages = metadata();
    assert!(packages.len() > 100);
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        if let Some(source) = package["source"].as_str() {
            assert!(source.starts_with("registry+"), "{name} is from {source}");
        } else {
            assert!(name.starts_with("guildhall"), "{name} is from a folder");
        }
        let licence = package["license"].as_str();
        let licence = licence.unwrap_or_else(|| panic!("{name} names no licence"));
        // An older spelling of OR.
        let licence = licence.replace('/', " OR ");
        let parsed = spdx::Expression::parse_mode(&licence, spdx::ParseMode::LAX);
        let parsed = parsed.unwrap_or_else(|error| panic!("{name}: {licence}: {error}"));
        let good = parsed.evaluate(|wanted| LICENCES.contains(&wanted.to_string().as_str()));
        assert!(good, "{name} is under {licence}");
        let banned = BANNED.iter().find(|(banned, _)| *banned == name);
        assert!(banned.is_none(), "{banned:?}");
    }
}

/// What takes part in security is there once: two versions would be two places to keep up to date.
#[test]
fn what_security_rests_on_is_there_in_one_version() {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in metadata() {
        let name = package["name"].as_str().unwrap().to_owned();
        let version = package["version"].as_str().unwrap().to_owned();
        versions.entry(name).or_default().push(version);
    }
    for name in [
        "ring",
        "rustls",
        "rustls-webpki",
        "jsonwebtoken",
        "hmac",
        "sha2",
        "subtle",
    ] {
        assert_eq!(versions[name].len(), 1, "{name}: {:?}", versions[name]);
    }
}

/// The list for those who have cargo-deny is the same.
#[test]
fn the_configuration_of_cargo_deny_has_the_same_lists() {
    let text = fs::read_to_string(root().join(".deny.toml")).unwrap();
    for licence in LICENCES {
        assert!(text.contains(&format!("\"{licence}\"")), "{licence}");
    }
    for (name, _) in BANNED {
        assert!(text.contains(&format!("name = \"{name}\"")), "{name}");
    }
}
