//! The docs' commands, run as they stand.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use guildhall_tests::{DEADLINE, Identity, Setup, binary, ports};
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
            // Debian's nats-server is in a folder that not everybody's PATH has.
            format!("{}:{path}:/usr/sbin", binary.parent().unwrap().display()),
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
    /// Starts a line in a shell, with its output in the file `log`.
    fn start(folder: &Path, line: &str) -> Self {
        let child = shell(folder, &format!("exec {line} >log 2>&1")).spawn();
        Self(child.unwrap())
    }

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

/// Waits until something listens there and, where it speaks HTTP, until it is ready.
fn until_ready(port: u16, is_http: bool, log: &Path) {
    let begun = Instant::now();
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        if !is_http {
            return Ok(true);
        }
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(&start == b"HTTP/1.1 200")
    };
    while !ask().unwrap_or(false) {
        let log = fs::read_to_string(log).unwrap_or_default();
        assert!(begun.elapsed() < DEADLINE, "nothing at {port}: {log}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a line that serves, with ports and data of the test's own, until it is ready, and stops it.
fn serves(folder: &Path, line: &str) {
    let port = ports::any();
    let own = format!("--port 0 --admin-port {port} --data data");
    let mut running = Running::start(folder, &format!("{line} {own}"));
    until_ready(port, true, &folder.join("log"));
    assert_eq!(running.interrupt(), Some(0), "{line}");
}

/// The only indented line of a page that begins so, without the remark behind it.
fn line_of(page: &str, start: &str) -> String {
    let page = doc(page);
    let mut found = page.lines().filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        line.starts_with(start).then_some(line)
    });
    let line = found.next().unwrap();
    assert_eq!(found.next(), None, "two lines with {start}");
    line.split(" #").next().unwrap().trim().to_owned()
}

/// A server under TLS with the files that the line names.
#[test]
fn the_line_for_tls_starts_a_server() {
    let folder = tempfile::tempdir().unwrap();
    Identity::new().write(folder.path());
    let line = line_of(
        "docs/operations.md",
        "guildhall serve --set listen.tls_cert",
    );
    let here = folder.path().display().to_string();
    serves(folder.path(), &line.replace("/etc/guildhall/tls", &here));
}

/// A NATS server and a node that keeps everything there.
#[test]
fn the_lines_for_a_cluster_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let (nats, node) = (folder.path().join("nats"), folder.path().join("node"));
    for folder in [&nats, &node] {
        fs::create_dir(folder).unwrap();
    }
    let port = ports::any();
    let line = line_of("docs/cluster.md", "nats-server ");
    let line = line.replace("/var/lib/nats", &nats.display().to_string());
    let _nats = Running::start(&nats, &line.replace("4222", &port.to_string()));
    until_ready(port, false, &nats.join("log"));

    let page = doc("docs/cluster.md");
    let begin = page.find("    [node]\n").unwrap();
    let settings = page[begin..].lines();
    let settings: Vec<&str> = settings
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .map(str::trim)
        .collect();
    let settings = settings.join("\n");
    let settings = settings.replace("4222", &port.to_string());
    let settings = settings.replace("\"...\"", "\"0123456789abcdef0123456789abcdef\"");
    assert!(settings.contains("[cluster]") && settings.contains("secret ="));
    fs::write(node.join("node.toml"), settings).unwrap();
    serves(&node, "guildhall serve --config node.toml");
}

/// The README's load, for a shorter time: what is printed begins like what stands there, and nothing is wrong.
#[test]
fn the_load_of_the_readme_is_carried() {
    let server = Setup::new().strict().start();
    let readme = doc("README.md");
    let shown = readme.split("    $ cargo run --release -p guildhall-loadgen -- ");
    let shown = shown.last().unwrap();
    let mut lines = shown.lines();
    let mut command = String::from("loadgen ");
    for line in &mut lines {
        command.push_str(line.trim().trim_end_matches('\\'));
        if !line.ends_with('\\') {
            break;
        }
    }
    let labels: Vec<&str> = lines
        .take_while(|line| line.starts_with("    "))
        .filter_map(|line| {
            line[4..]
                .split(' ')
                .next()
                .filter(|it| !it.is_empty() && *it != "…")
        })
        .collect();
    let line = server.line();
    let pid = format!("{}", server.process().0);
    for (shown, own) in [
        ("http://127.0.0.1:8080/api/v10", line.api.as_str()),
        ("http://127.0.0.1:9090", line.admin.as_str()),
        ("f1be4ee3…", line.admin_token.as_str()),
        ("--duration 10", "--duration 2 --warmup 1"),
        ("\"$(pgrep -xo guildhall)\"", pid.as_str()),
    ] {
        assert!(command.contains(shown), "no {shown} in {command}");
        command = command.replace(shown, own);
    }
    let folder = tempfile::tempdir().unwrap();
    let output = shell(folder.path(), &command).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8(printed).unwrap();
    assert!(output.status.success(), "{command}: {printed}");
    assert!(labels.len() >= 6, "{labels:?}");
    for label in labels {
        let is_there = printed.lines().any(|line| line.starts_with(label));
        assert!(is_there, "no {label} in {printed}");
    }
    assert!(printed.contains("violations  none"), "{printed}");
}

/// Commands that a test runs: how each begins, and the test.
const RUN: &[(&str, &str)] = &[
    (
        "cargo run --release -- dev",
        "tests/tests/walk.rs::the_first_success_of_the_readme_is_one",
    ),
    (
        "cargo run --release -p guildhall-loadgen -- run",
        "tests/tests/walk.rs::the_load_of_the_readme_is_carried",
    ),
    (
        "guildhall serve --set listen.tls_cert=",
        "tests/tests/walk.rs::the_line_for_tls_starts_a_server",
    ),
    (
        "nats-server -js",
        "tests/tests/walk.rs::the_lines_for_a_cluster_start_one",
    ),
    (
        "guildhall dev --nodes 3",
        "tests/tests/cluster.rs::dev_starts_a_cluster_and_ends_it",
    ),
];

/// Commands that no test runs, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("tests/run", "it is what runs the tests"),
    ("tests/cluster", "minutes each: a run on demand"),
    ("tests/faults", "tests/run does it first"),
    (
        "SCREENSHOTS=docs/images",
        "tests/run does it, without a folder for pictures",
    ),
];

/// What a command in the docs may begin with, beside a prompt.
const PROGRAMS: &[&str] = &[
    "apt",
    "cargo",
    "curl",
    "docker",
    "dpkg",
    "guildhall",
    "kill",
    "kubectl",
    "loadgen",
    "nats-server",
    "node",
    "npm",
    "python",
    "sudo",
    "systemctl",
    "tests/",
];

/// Each command in the pages for newcomers and operators is run, or is one of the exceptions; and no list has more.
#[test]
fn every_command_in_the_docs_is_run_or_it_is_said_why_not() {
    let mut used = Vec::new();
    for name in ["README.md", "docs/operations.md", "docs/cluster.md"] {
        let page = doc(name);
        let printed: Vec<String> = commands(&page).into_iter().map(|(line, _)| line).collect();
        let mut is_output = false;
        for line in page.lines() {
            let Some(line) = line.strip_prefix("    ") else {
                is_output = false;
                continue;
            };
            let prompted = line.strip_prefix("$ ");
            is_output |= prompted.is_some();
            if is_output && prompted.is_none() {
                // Printed by the command before it, or the rest of that.
                continue;
            }
            let line = prompted.unwrap_or(line);
            let is_variable = |word: &&str| word.contains('=') && !word.starts_with(['-', '"']);
            let program = line.split(' ').find(|word| !is_variable(word));
            let program = program.unwrap_or_default();
            let is_command = PROGRAMS.iter().any(|known| program.starts_with(known));
            if !(is_command || prompted.is_some()) {
                continue;
            }
            let is_printed = prompted.is_some() && printed.iter().any(|it| it == line);
            let mut lists = RUN.iter().chain(NOT_RUN);
            let listed = lists.rfind(|(start, _)| line.starts_with(start));
            assert!(
                is_printed || listed.is_some(),
                "{name}: nothing runs {line}"
            );
            used.extend(listed.map(|(start, _)| *start));
        }
    }
    for (start, _) in RUN.iter().chain(NOT_RUN) {
        assert!(used.contains(start), "no page has {start}");
    }
    for (_, test) in RUN {
        let (file, test) = test.split_once("::").unwrap();
        assert!(doc(file).contains(&format!("fn {test}(")), "no test {test}");
    }
}
