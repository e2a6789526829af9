//! The limit on open files, which is a limit on connections.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::Error;

/// Files besides the connections: the standard streams, an epoll instance
/// and a timer for each thread, reports being written, a socket to look a
/// name up.
const OTHERS: u64 = 32;

/// Raises the soft limit to the hard one, and makes sure that so many
/// connections fit.
pub(crate) fn allow(connections: usize, threads: usize) -> Result<(), Error> {
    let fail = |what| Error::system(what);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)
        .map_err(fail("read the limit on open files"))?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
            .map_err(fail("raise the limit on open files"))?;
    }
    let needed = connections as u64 + 2 * threads as u64 + OTHERS;
    if needed > hard {
        return Err(Error::Files {
            wanted: connections,
            needed,
            limit: hard,
        });
    }
    Ok(())
}

/// As many connections as the hard limit allows.
pub fn most_connections(threads: usize) -> io::Result<usize> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let most = hard.saturating_sub(2 * threads as u64 + OTHERS);
    Ok(usize::try_from(most).unwrap_or(usize::MAX))
}
