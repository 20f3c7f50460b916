//! Secrets in settings that are not secret as a whole.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::nats::node_at;
use guildhall_tests::{NatsServer, World, server};
use rustix::process::Signal;
use tempfile::TempDir;

/// What the command prints, both ways, and whether it succeeds.
fn printed(args: &[&str]) -> (bool, String) {
    let folder = TempDir::new().unwrap();
    let output = server::run(folder.path(), args);
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(printed).unwrap())
}

/// It is taken (with the right one a node serves, with a wrong one it does not start), and neither what `config` prints,
/// nor the log with every line written, nor an error has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_nats_lets_in_and_is_never_shown() {
    let nats = NatsServer::guarded("node", "correct@horse").await;
    let address = |password: &str| format!("nats://node:{password}@127.0.0.1:{}", nats.port());
    let hides = |text: &str| {
        for part in ["correct", "horse", "battery"] {
            assert!(!text.contains(part), "{part} is in {text}");
        }
    };

    let setting = format!("cluster.nats={}", address("correct%40horse"));
    let (is_good, shown) = printed(&["config", "--set", &setting]);
    assert!(is_good && shown.contains("nats://node:(hidden)@127.0.0.1"));
    hides(&shown);

    for args in [
        // The server refuses this one.
        [
            "serve",
            "--set",
            &format!("cluster.nats={}", address("battery")),
        ],
        // This one is not percent-encoded.
        [
            "config",
            "--set",
            &format!("cluster.nats={}", address("battery%")),
        ],
    ] {
        let more = [
            "--set",
            "log.filter=trace",
            "--port",
            "0",
            "--admin-port",
            "0",
        ];
        let (is_good, shown) = printed(&[&args[..], &more].concat());
        assert!(!is_good && shown.contains("nats"), "{shown}");
        hides(&shown);
    }

    let setup = node_at(&address("correct%40horse")).set("log.filter=trace");
    let mut world = World::with(setup, 1).await;
    world.owner.rest.say(&world.channel, "hello").await;
    world.server.signal(Signal::TERM);
    world.server.exit().await;
    let log = world.server.log();
    assert!(log.contains("TRACE") && log.contains("connected to NATS"));
    hides(&log);
}
