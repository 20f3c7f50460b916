//! A file system of a few megabytes that a server can fill.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A tmpfs of a given size. It is there only for what is started through [`SmallDisk::prefix`], and
/// goes when this is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    /// Lives in the namespaces that have the file system, and keeps them.
    holder: Child,
    /// What enters these namespaces.
    enter: Vec<String>,
    mount: TempDir,
}

impl SmallDisk {
    /// Mounts one of this many mebibytes: in a user namespace of its own, or, where there is none to
    /// be had, as root. Panics where neither works.
    pub fn new(mebibytes: u64) -> Self {
        let mut why = Vec::new();
        for namespaces in [
            &["--user", "--map-root-user", "--mount"][..],
            &["--mount"][..],
        ] {
            match Self::mounted(mebibytes, namespaces) {
                Ok(disk) => return disk,
                Err(error) => why.push(format!("unshare {}: {error}", namespaces.join(" "))),
            }
        }
        panic!("no small file system can be made:\n{}", why.join("\n"));
    }

    fn mounted(mebibytes: u64, namespaces: &[&str]) -> Result<Self, String> {
        let mount = tempfile::tempdir().map_err(|error| error.to_string())?;
        let script =
            format!("mount -t tmpfs -o size={mebibytes}m small \"$0\" && echo mounted && exec cat");
        let mut holder = Command::new("unshare")
            .args(namespaces)
            .args(["sh", "-c", &script])
            .arg(mount.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut line = String::new();
        if let Some(output) = holder.stdout.take() {
            // Nothing comes where the mount fails.
            let _ = BufReader::new(output).read_line(&mut line);
        }
        if line.trim() != "mounted" {
            let output = holder.wait_with_output();
            return Err(output.map_or_else(
                |error| error.to_string(),
                |output| String::from_utf8_lossy(&output.stderr).into_owned(),
            ));
        }
        let mut enter = vec![
            "nsenter".to_owned(),
            format!("--target={}", holder.id()),
            "--mount".to_owned(),
        ];
        if namespaces.contains(&"--user") {
            enter.push("--user".to_owned());
            enter.push("--preserve-credentials".to_owned());
        }
        enter.push("--".to_owned());
        Ok(Self {
            holder,
            enter,
            mount,
        })
    }

    /// The command that runs its arguments where the file system is.
    pub fn prefix(&self) -> Vec<String> {
        self.enter.clone()
    }

    /// A path in the file system.
    pub fn path(&self, name: &str) -> PathBuf {
        self.mount.path().join(name)
    }

    /// Free bytes.
    pub fn free(&self) -> u64 {
        let output = self.run(
            "df --block-size=1 --output=avail \"$0\" | tail -n 1",
            self.mount.path(),
        );
        output.trim().parse().expect("df prints a number")
    }

    /// Writes a file that leaves this many bytes free.
    pub fn fill(&self, name: &str, free: u64) {
        let bytes = self.free().saturating_sub(free);
        self.run(
            &format!("head -c {bytes} /dev/zero > \"$0\""),
            &self.path(name),
        );
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) {
        self.run("rm \"$0\"", &self.path(name));
    }

    fn run(&self, script: &str, path: &Path) -> String {
        let (program, rest) = self.enter.split_first().expect("a program");
        let output = Command::new(program)
            .args(rest)
            .args(["sh", "-c", script])
            .arg(path)
            .output()
            .expect("the file system's namespaces can be entered");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
