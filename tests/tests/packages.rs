//! What the packages say is what the server does.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use guildhall_tests::{Server, Setup, binary, server};
use tempfile::TempDir;

/// What a machine may need on top of what a stop takes by its settings, in milliseconds.
const SPARE_MS: u64 = 10_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// What stands between two texts, the first time.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split(before).nth(1);
    let rest = rest.unwrap_or_else(|| panic!("no {before}"));
    rest.split(after).next().unwrap().trim()
}

fn number(text: &str, before: &str, after: &str) -> u64 {
    between(text, before, after)
        .replace('_', "")
        .parse()
        .unwrap()
}

/// How long a stop may take by the defaults: guilds go to other nodes, clients are asked to come back, requests are
/// answered, sessions are collected, connections end.
fn longest_stop_ms() -> u64 {
    let folder = TempDir::new().unwrap();
    let shown = server::run(folder.path(), &["config"]).stdout;
    let shown = String::from_utf8(shown).unwrap();
    let settings = number(&shown, "\ndrain_timeout_ms = ", "\n")
        + number(&shown, "\nreconnect_grace_ms = ", "\n");
    let stop = read("server/src/app/drain.rs");
    let seconds = number(
        &stop,
        "const REST_GRACE: Duration = Duration::from_secs(",
        ")",
    ) + number(&stop, "const CONNECTION_GRACE_S: u64 = ", ";")
        + number(
            &stop,
            "const HANDOVER: Duration = Duration::from_secs(",
            ")",
        );
    settings + 1_000 * seconds
}

#[test]
fn orchestrators_wait_for_as_long_as_a_stop_may_take() {
    let needed = longest_stop_ms() + SPARE_MS;
    assert!(needed > 20_000, "{needed}");
    let manifest = read("server/package/kubernetes.yaml");
    let grace = number(&manifest, "terminationGracePeriodSeconds: ", "\n");
    // The grace begins before preStop does.
    let before = number(&manifest, "command: [sleep, \"", "\"]");
    let node = 1_000 * (grace - before);
    assert!(node >= needed, "{node} ms of {needed}");
    let unit = read("server/package/guildhall.service");
    let unit = 1_000 * number(&unit, "TimeoutStopSec=", "s\n");
    assert!(unit >= needed, "{unit} ms of {needed}");
}

/// `config --check` with an environment of its own; what it prints, and whether all is well.
fn check(args: &[&str], environment: &[(String, String)]) -> (bool, String) {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(binary::path());
    command.current_dir(folder.path()).env_clear();
    command.args(["config", "--check"]).args(args);
    command.envs(environment.iter().cloned());
    let output = command.output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), printed)
}

/// Variables that are the server's, with a value that one of them may have where the text has none.
fn variables(
    text: &str,
    is_here: impl Fn(&str) -> Option<(String, String)>,
) -> Vec<(String, String)> {
    let found: Vec<_> = text
        .lines()
        .filter_map(|line| is_here(line.trim()))
        .collect();
    assert!(found.iter().all(|(name, _)| name.starts_with("GUILDHALL_")));
    found
}

#[test]
fn every_setting_in_a_package_is_one() {
    let manifest = variables(&read("server/package/kubernetes.yaml"), |line| {
        if let Some(inner) = line.strip_prefix("- {name: GUILDHALL_") {
            let (name, rest) = inner.split_once(", value: ")?;
            let value = rest.trim_end_matches('}').trim_matches('"');
            return Some((format!("GUILDHALL_{name}"), value.to_owned()));
        }
        // Its value is a secret of the cluster.
        let name = line.strip_prefix("- name: GUILDHALL_")?;
        Some((format!("GUILDHALL_{name}"), "0123456789abcdef".repeat(2)))
    });
    let image = variables(&read("server/package/Containerfile"), |line| {
        let line = line.trim_start_matches("ENV ").trim_end_matches(" \\");
        let (name, value) = line.split_once('=')?;
        let is_variable = name.starts_with("GUILDHALL_");
        is_variable.then(|| (name.to_owned(), value.to_owned()))
    });
    let unit = variables(&read("server/package/guildhall.service"), |line| {
        let (name, value) = line.strip_prefix("Environment=")?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    assert_eq!((manifest.len(), image.len(), unit.len()), (5, 3, 1));
    let file = root().join("server/package/guildhall.toml");
    let file = file.to_str().unwrap();
    for (args, environment) in [
        (&[][..], [image, manifest].concat()),
        (&["--config", file], unit),
    ] {
        let (is_good, printed) = check(args, &environment);
        assert!(is_good, "{printed}");
    }
    let wrong = [("GUILDHALL_LISTEN__HOTS".to_owned(), "a".to_owned())];
    assert!(!check(&[], &wrong).0, "the check checks");
}

/// Probes ask what the operator's listener answers.
#[tokio::test]
async fn probes_ask_for_what_there_is() {
    let server: Server = Setup::new().start();
    let manifest = read("server/package/kubernetes.yaml");
    let mut probes = 0;
    for probe in manifest.split("httpGet: {path: ").skip(1) {
        let (path, port) = probe.split_once(", port: ").unwrap();
        assert!(port.starts_with("admin}"));
        server.operator(None).get(path).await.has_status(200);
        probes += 1;
    }
    assert_eq!(probes, 3);
}

#[test]
fn each_command_has_a_manual_page_and_each_shell_its_completions() {
    let folder = TempDir::new().unwrap();
    let run = |args: &[&str]| {
        let output = server::run(folder.path(), args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["man", "--dir", "."]);
    let main = fs::read_to_string(folder.path().join("guildhall.1")).unwrap();
    let mut pages = 0;
    for named in main.split("guildhall\\-").skip(1) {
        let name = named.split("(1)").next().unwrap();
        let page = folder.path().join(format!("guildhall-{name}.1"));
        let page = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(page.contains("SYNOPSIS"));
        pages += 1;
    }
    assert_eq!(pages, 6);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), pages + 1);
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).contains("guildhall"));
    }
}
