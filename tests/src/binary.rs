//! The server's binary.

use std::path::PathBuf;
use std::time::SystemTime;

/// Variable that names the binary to test.
pub const VARIABLE: &str = "GUILDHALL_BIN";

/// Variable that names a binary with fault points.
pub const FAULTS_VARIABLE: &str = "GUILDHALL_FAULTS_BIN";

/// The binary: what [`VARIABLE`] names, or the newer of the optimised and the plain build in the
/// workspace's target directory.
///
/// The newer one, since the other may have been left from before a change.
///
/// Panics, saying what to do, where there is none.
pub fn path() -> PathBuf {
    find(VARIABLE, "guildhall").unwrap_or_else(|target| {
        panic!(
            "no server binary in {target}: build one with `cargo build` or name one in {VARIABLE}"
        )
    })
}

/// A binary in which faults can be set: what [`FAULTS_VARIABLE`] names, or the newer of the builds
/// that were kept as `guildhall-faults` in the workspace's target directory.
///
/// Panics, saying what to do, where there is none.
pub fn with_faults() -> PathBuf {
    find(FAULTS_VARIABLE, "guildhall-faults").unwrap_or_else(|target| {
        panic!(
            "no server binary with fault points in {target}: build one with `tests/faults`, or name \
             one in {FAULTS_VARIABLE}"
        )
    })
}

/// What the variable names, or the newer build of this name; else where it was looked for.
fn find(variable: &str, name: &str) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os(variable) {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "{variable} is no file: {}", path.display());
        return Ok(path);
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
        PathBuf::from,
    );
    let built = |path: &PathBuf| path.metadata().and_then(|meta| meta.modified()).ok();
    ["test-release", "debug"]
        .map(|profile| target.join(profile).join(name))
        .into_iter()
        .filter_map(|path| built(&path).map(|at| (at, path)))
        .max_by_key(|(at, _): &(SystemTime, PathBuf)| *at)
        .map(|(_, path)| path)
        .ok_or_else(|| target.display().to_string())
}

/// The load generator: what `LOADGEN_BIN` names, or the one beside the server.
///
/// Panics, saying what to do, where there is none.
pub fn loadgen() -> PathBuf {
    let beside = || path().with_file_name("loadgen");
    let path = std::env::var_os("LOADGEN_BIN").map_or_else(beside, PathBuf::from);
    assert!(
        path.is_file(),
        "no {}: build it with `cargo build --workspace`",
        path.display()
    );
    path
}
