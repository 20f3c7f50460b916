use std::fs;
use std::path::PathBuf;

use super::*;

fn env(pairs: &[(&str, &str)]) -> Sources {
    Sources {
        env: pairs
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        ..Sources::default()
    }
}

fn flag(name: &str, key: &str, value: &str) -> Flag {
    Flag {
        name: name.to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guildhall.toml");
    fs::write(&path, text).unwrap();
    (dir, path)
}

#[test]
fn without_any_source_every_setting_has_its_default() {
    let config = Config::load(&Sources::default()).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.listen.port, 8080);
    assert_eq!(config.gateway.heartbeat_interval_ms, 41_250);
    assert_eq!(config.limits.body_max_bytes, 262_144);
}

#[test]
fn flags_go_before_the_environment_before_the_file_before_defaults() {
    let (_dir, path) = file("[listen]\nport = 1\nbacklog = 10\n[node]\nworkers = 3\n");
    let mut sources = env(&[
        ("GUILDHALL_LISTEN__PORT", "2"),
        ("GUILDHALL_NODE__WORKERS", "4"),
    ]);
    sources.file = Some(path);
    sources.flags = vec![
        flag("--port", "listen.port", "3"),
        flag("--port", "listen.port", "4"),
    ];
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.listen.port, 4);
    assert_eq!(config.node.workers, 4);
    assert_eq!(config.listen.backlog, 10);
    assert_eq!(config.admin.port, 9090);
    assert_eq!(
        config.origin("listen.port"),
        &Origin::Flag("--port".to_owned())
    );
    assert_eq!(config.origin("admin.port"), &Origin::Default);
}

#[test]
fn all_faults_are_reported_at_once_with_a_suggestion_for_unknown_keys() {
    let (_dir, path) = file("prot = 1\n[listen]\nprot = 1\nport = \"x\"\n[gatway]\na = 1\n");
    let mut sources = env(&[
        ("GUILDHALL_ADMIN__PROT", "1"),
        ("GUILDHALL_NODE__NUMBER", "1024"),
        ("GUILDHALL_PORT_8080_TCP", "left alone"),
        ("PATH", "left alone"),
    ]);
    sources.file = Some(path);
    sources.flags = vec![flag("--set", "limits.rest_per_secnd", "1")];
    // Hidden by nothing and hidden by a flag: both are bad.
    sources.flags.push(flag("--port", "listen.port", "80"));
    let text = Config::load(&sources).unwrap_err().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 7, "{text}");
    for expected in [
        "unknown setting listen.prot (file ",
        "did you mean listen.port?",
        "setting listen.port (file ",
        "expected a whole number from 0 to 65535",
        "unknown setting gatway.a",
        "GUILDHALL_ADMIN__PROT (environment GUILDHALL_ADMIN__PROT); did you mean GUILDHALL_ADMIN__PORT?",
        "node.number (environment GUILDHALL_NODE__NUMBER): expected 0 to 1023",
        "(flag --set); did you mean limits.rest_per_second?",
    ] {
        assert!(text.contains(expected), "{expected}\n---\n{text}");
    }
}

#[test]
fn a_bad_file_is_named_with_its_line_and_without_its_text() {
    let (_dir, path) = file("[auth]\nsecret = \"correct horse\n");
    let text = Config::load(&Sources {
        file: Some(path),
        ..Sources::default()
    })
    .unwrap_err()
    .to_string();
    assert!(text.contains("line 2"), "{text}");
    assert!(!text.contains("horse"), "{text}");
    let missing = Sources {
        file: Some("/nowhere/guildhall.toml".into()),
        ..Sources::default()
    };
    let text = Config::load(&missing).unwrap_err().to_string();
    assert!(text.contains("/nowhere/guildhall.toml"), "{text}");
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let sources = env(&[
        ("GUILDHALL_LISTEN__PORT", "9090"),
        ("GUILDHALL_GUILD__MAILBOX_MAX_BYTES", "65536"),
        ("GUILDHALL_GATEWAY__SILENT_TIMEOUT_S", "61"),
    ]);
    let errors = Config::load(&sources).unwrap_err();
    assert_eq!(errors.0.len(), 3, "{errors}");
}

#[test]
fn tables_come_from_files_and_from_text() {
    let (_dir, path) = file(
        "[placement.weights]\nnode-1 = 2\n\"node.2\" = 0.5\n\
         [placement.overrides]\n2000000000000000001 = \"node.2\"\n",
    );
    let from_file = Config::load(&Sources {
        file: Some(path),
        ..Sources::default()
    })
    .unwrap();
    let from_env = Config::load(&env(&[
        ("GUILDHALL_PLACEMENT__WEIGHTS", "node-1=2, node.2=0.5"),
        (
            "GUILDHALL_PLACEMENT__OVERRIDES",
            "2000000000000000001=node.2",
        ),
    ]))
    .unwrap();
    assert_eq!(from_file.placement, from_env.placement);
    assert_eq!(from_env.placement.weights.len(), 2);
    let errors = Config::load(&env(&[("GUILDHALL_PLACEMENT__WEIGHTS", "node-1=0")])).unwrap_err();
    assert!(errors.to_string().contains("entry node-1"), "{errors}");
}

#[test]
fn what_is_shown_reads_back_and_hides_secrets() {
    let sources = env(&[
        ("GUILDHALL_AUTH__SECRET", "correct horse battery"),
        ("GUILDHALL_ADMIN__TOKEN", "staple staple staple"),
        ("GUILDHALL_LISTEN__PUBLIC_URL", "https://chat.example.org"),
        ("GUILDHALL_PLACEMENT__WEIGHTS", "node-1=2"),
        ("GUILDHALL_LOG__FORMAT", "json"),
        ("GUILDHALL_CLUSTER__NATS", "nats://a, nats://me:horse@b"),
    ]);
    let config = Config::load(&sources).unwrap();
    let shown = config.to_string();
    assert!(shown.contains("\n# nats = [\"nats://a\", \"nats://me:(hidden)@b\"]\n"));
    for secret in ["horse", "staple"] {
        assert!(!shown.contains(secret), "{shown}");
        assert!(!format!("{config:?}").contains(secret));
    }
    let (_dir, path) = file(&shown);
    let mut again = Config::load(&Sources {
        file: Some(path),
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(again.listen, config.listen);
    assert_eq!(again.placement, config.placement);
    again.auth = config.auth.clone();
    again.admin = config.admin.clone();
    again.cluster = config.cluster.clone();
    again.origins.clone_from(&config.origins);
    assert_eq!(again, config);
}

#[test]
fn addresses_of_nats_have_one_login() {
    let load = |nats| Config::load(&env(&[("GUILDHALL_CLUSTER__NATS", nats)]));
    assert!(load("nats://me:horse@a,nats://b,nats://me:horse@c").is_ok());
    let error = load("nats://me:horse@a,nats://me:battery@b").unwrap_err();
    let error = error.to_string();
    assert!(error.contains("the same user"), "{error}");
    assert!(!error.contains("horse") && !error.contains("battery"));
}

#[test]
fn every_setting_is_documented_and_has_one_key_and_one_variable() {
    let mut keys = std::collections::BTreeSet::new();
    for setting in settings() {
        assert!(keys.insert(setting.key), "{}", setting.key);
        assert!(setting.doc.trim().ends_with('.'), "{}", setting.key);
        assert_eq!(setting.key.matches('.').count(), 1);
        assert!(setting.environment().starts_with("GUILDHALL_"));
        let counted = ["_ms", "_s", "_bytes"]
            .iter()
            .any(|end| setting.key.ends_with(end));
        assert!(!counted || setting.unit != Unit::None, "{}", setting.key);
    }
}

#[test]
fn secrets_come_from_the_setting_or_are_kept_in_the_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.store.dir = dir.path().join("data");
    let kept = config.auth_secret().unwrap();
    assert_eq!(config.auth_secret().unwrap(), kept);
    assert_ne!(config.admin_token().unwrap(), kept);
    config.auth.secret = Secret::new("correct horse battery");
    assert_eq!(
        config.auth_secret().unwrap().reveal(),
        "correct horse battery"
    );
}
