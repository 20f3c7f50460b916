//! Files that earlier versions of the server wrote are read by today's.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use guildhall_tests::rest::text;
use guildhall_tests::{Server, Setup};
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::Value;

/// What the server that wrote the files answered.
#[derive(Debug, Deserialize)]
struct Known {
    line: Line,
    answers: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Line {
    guild_id: String,
    channel_id: String,
    bot_token: String,
    user_tokens: [String; 2],
}

fn unpack(fixture: &str) -> (tempfile::TempDir, Known) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(fixture);
    let folder = tempfile::tempdir().unwrap();
    let unpacked = Command::new("tar")
        .arg("-xzf")
        .arg(&file)
        .arg("-C")
        .arg(folder.path())
        .status();
    assert!(unpacked.unwrap().success(), "{}", file.display());
    let known = std::fs::read(folder.path().join("answers.json")).unwrap();
    (folder, serde_json::from_slice(&known).unwrap())
}

async fn check(server: &Server, known: &Known) {
    let line = server.line();
    assert_eq!(line.guild_id, known.line.guild_id);
    assert_eq!(line.channel_id, known.line.channel_id);
    assert_eq!(line.bot_token, known.line.bot_token);
    assert_eq!(line.user_tokens, known.line.user_tokens);
    let rest = server.rest(&known.line.user_tokens[0]);
    assert!(known.answers.len() > 8);
    for (path, answer) in &known.answers {
        assert_eq!(&rest.get(path).await.ok(), answer, "{path}");
    }
}

/// Reads everything, with all of it in memory and with most of it in the log alone; writes; and reads
/// again after a kill.
#[tokio::test]
async fn a_store_of_the_first_format_is_read_whole() {
    for recent in [10_000, 100] {
        let (folder, known) = unpack("format-1.tar.gz");
        let setup = || Setup::new().set(format!("guild.recent_max_messages={recent}"));
        let mut server = setup().data(folder).start();
        assert!(server.log().contains("the store is of today's form"));
        check(&server, &known).await;

        let rest = server.rest(&known.line.user_tokens[0]);
        let channel = &known.line.channel_id;
        let before = rest.history(channel).await;
        assert!(before.len() > 190);
        let oldest = text(&before[0]["id"]);
        let path = format!("/channels/{channel}/messages/{oldest}");
        let edit = serde_json::json!({"content": "edited by another version"});
        rest.patch(&path, edit).await.ok();
        rest.say(channel, "of another version").await;

        server.signal(Signal::KILL);
        server.exit().await;
        let server = setup().data_of(&server).start();
        let rest = server.rest(&known.line.user_tokens[0]);
        let after = rest.history(channel).await;
        assert_eq!(after.len(), before.len() + 1);
        assert_eq!(after[0]["content"], "edited by another version");
        assert_eq!(after[1..before.len()], before[1..]);
        let log = server.log();
        assert_eq!(log.matches("the store is of today's form").count(), 1);
    }
}
