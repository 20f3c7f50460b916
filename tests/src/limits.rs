//! Limits of this process, which a server started by it takes over.

/// Lets this process open as many files as it may, and says how many that are.
pub fn raise_open_files() -> usize {
    let most = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    usize::try_from(most).unwrap_or(usize::MAX)
}
