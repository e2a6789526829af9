//! The limit on open files, which is one on connections.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of this process, and of all that it forks, to the
/// hard one. The soft one is low for the sake of `select(2)`, which nobody
/// here uses.
///
/// # Errors
///
/// The system's.
pub(crate) fn allow_all() -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
}
