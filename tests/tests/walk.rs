//! The docs' commands, run as they stand.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use guildhall_tests::binary;
use rustix::process::{Pid, Signal, kill_process};

/// Start of a line with a command.
const PROMPT: &str = "    $ ";

fn doc(name: &str) -> String {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(name)).unwrap()
}

/// A shell that finds the server as `guildhall`, in a folder of the test's own.
fn shell(folder: &Path, line: &str) -> Command {
    let binary = binary::path();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("bash");
    shell
        .current_dir(folder)
        .env_clear()
        .env(
            "PATH",
            format!("{}:{path}", binary.parent().unwrap().display()),
        )
        .args(["-c", line]);
    shell
}

/// Commands with a prompt that are the server's own, and what the docs say that they print.
fn commands(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut within = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix(PROMPT) {
            within = command.starts_with("guildhall ") || command.starts_with("GUILDHALL_");
            if within {
                found.push((command.to_owned(), Vec::new()));
            }
        } else if let (true, Some(printed)) = (within, line.strip_prefix("    ")) {
            found.last_mut().unwrap().1.push(printed.to_owned());
        } else {
            within = false;
        }
    }
    found
}

/// Each command prints what the docs say.
#[test]
fn commands_in_the_docs_print_what_stands_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for name in [
        "docs/operations.md",
        "docs/cluster.md",
        "docs/durability.md",
    ] {
        for (command, expected) in commands(&doc(name)) {
            let output = shell(folder.path(), &command).output().unwrap();
            let printed = [output.stdout, output.stderr].concat();
            let printed = String::from_utf8(printed).unwrap();
            let printed: Vec<&str> = printed.lines().collect();
            assert_eq!(printed, expected, "{name}: {command}");
            count += 1;
        }
    }
    assert!(count >= 5, "{count} commands");
}

/// Ends the server as Ctrl-C does, also where the test fails.
struct Running(Child);

impl Running {
    fn interrupt(&mut self) -> Option<i32> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), Signal::INT).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The README's first success: `dev` prints what stands there, the line that it prints to be pasted posts the message,
/// Ctrl-C ends it cleanly, and a second start has the same guild.
#[test]
fn the_first_success_of_the_readme_is_one() {
    let readme = doc("README.md");
    let shown = readme.split("guildhall is up.").nth(1).unwrap();
    let labels: Vec<&str> = shown
        .lines()
        .skip_while(|line| line.trim().is_empty() || !line.starts_with("      "))
        .take_while(|line| line.starts_with("      "))
        .map(|line| line.trim().split("  ").next().unwrap())
        .map(|label| label.split(" MTU").next().unwrap())
        .collect();
    assert!(labels.len() >= 9, "{labels:?}");
    let folder = tempfile::tempdir().unwrap();
    let mut guilds = Vec::new();
    for _ in 0..2 {
        let line = "exec guildhall dev --port 0 --admin-port 0 2>log";
        let mut child = shell(folder.path(), line)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut running = Running(child);
        let mut banner = Vec::new();
        let mut curl = String::new();
        for line in &mut printed {
            let line = line.unwrap();
            if line.trim().starts_with("curl ") || !curl.is_empty() {
                curl.push_str(line.trim().trim_end_matches('\\'));
                if !line.ends_with('\\') {
                    break;
                }
            }
            banner.push(line);
        }
        let banner = banner.join("\n");
        for label in &labels {
            assert!(banner.contains(label), "no {label} in {banner}");
        }
        let guild = banner
            .lines()
            .find(|line| line.trim().starts_with("guild "));
        guilds.push(guild.unwrap().to_owned());
        let posted = shell(folder.path(), &format!("{curl} --silent --fail")).output();
        let posted = posted.unwrap();
        assert!(posted.status.success(), "{curl}: {posted:?}");
        let message: serde_json::Value = serde_json::from_slice(&posted.stdout).unwrap();
        assert_eq!(message["content"], "hello");
        assert_eq!(message["author"]["username"], "demo-bot");
        assert_eq!(running.interrupt(), Some(0));
    }
    assert_eq!(guilds[0], guilds[1]);
}
