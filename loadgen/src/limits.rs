//! The process's limit on open files.

use anyhow::{Context as _, Result, ensure};

/// Files open beside the sockets: standard streams, epoll instances, timers, `/proc`, provisioning connections.
const SPARE: u64 = 128;

/// Raises the soft limit on open files to the hard one and says whether `sockets` fit.
///
/// # Errors
/// When the hard limit is too low for `sockets` plus some spare files.
pub fn reserve_open_files(sockets: u64) -> Result<()> {
    let most = rlimit::increase_nofile_limit(u64::MAX).context("the limit on open files")?;
    let needed = sockets + SPARE;
    ensure!(
        most >= needed,
        "{needed} open files are needed and {most} allowed: use fewer sessions or raise `ulimit -n`"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_sockets_than_files_are_refused_with_both_numbers() {
        reserve_open_files(1).unwrap();
        let most = rlimit::Resource::NOFILE.get_soft().unwrap();
        if most < u64::MAX - SPARE {
            let error = reserve_open_files(most).unwrap_err().to_string();
            assert!(error.contains(&most.to_string()), "{error}");
        }
    }
}
