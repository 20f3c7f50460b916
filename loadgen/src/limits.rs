//! The process's limit on open files.

use anyhow::{Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files open beside the sockets: standard streams, epoll instances, timers, `/proc`, provisioning connections.
const SPARE: u64 = 128;

/// Raises the soft limit on open files to the hard one and says whether `sockets` fit.
///
/// # Errors
/// When the hard limit is too low for `sockets` plus some spare files.
pub fn reserve_open_files(sockets: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // A failure shows below: the limit then stays what it was.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                maximum: limit.maximum,
            },
        );
    }
    let needed = sockets + SPARE;
    match getrlimit(Resource::Nofile).current {
        Some(most) if most < needed => bail!(
            "{needed} open files are needed and {most} allowed: use fewer sessions or raise `ulimit -n`"
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_sockets_than_files_are_refused_with_both_numbers() {
        reserve_open_files(1).unwrap();
        if let Some(most) = getrlimit(Resource::Nofile).current {
            let error = reserve_open_files(most).unwrap_err().to_string();
            assert!(error.contains(&most.to_string()), "{error}");
        }
    }
}
