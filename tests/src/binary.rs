//! The server's binary.

use std::path::PathBuf;
use std::time::SystemTime;

/// Variable that names the binary to test.
pub const VARIABLE: &str = "GUILDHALL_BIN";

/// The binary: what [`VARIABLE`] names, or the newer of the optimised and the plain build in the
/// workspace's target directory.
///
/// The newer one, since the other may have been left from before a change.
///
/// Panics, saying what to do, where there is none.
pub fn path() -> PathBuf {
    if let Some(path) = std::env::var_os(VARIABLE) {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "{VARIABLE} is no file: {}", path.display());
        return path;
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
        PathBuf::from,
    );
    let built = |path: &PathBuf| path.metadata().and_then(|meta| meta.modified()).ok();
    let newest = ["test-release", "debug"]
        .map(|profile| target.join(profile).join("guildhall"))
        .into_iter()
        .filter_map(|path| built(&path).map(|at| (at, path)))
        .max_by_key(|(at, _): &(SystemTime, PathBuf)| *at);
    let Some((_, path)) = newest else {
        panic!(
            "no server binary in {}: build one with `cargo build -p guildhall-server \
             --profile test-release` or name one in {VARIABLE}",
            target.display()
        )
    };
    path
}
