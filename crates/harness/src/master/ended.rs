//! Children that have ended, and how.
//!
//! nix knows no real-time signals, and fails where one has ended a child:
//! after the child was reaped, so that nobody would ever hear of it.

use std::fmt;
use std::io;

use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// A child that has ended and was reaped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pid: libc::pid_t,
    status: libc::c_int,
}

impl Ended {
    /// The next child that has ended, if any.
    #[allow(unsafe_code)]
    pub(super) fn next() -> io::Result<Option<Self>> {
        loop {
            let mut status = 0;
            // SAFETY: `status` is a place for a number, and lives long
            // enough.
            let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
            match pid {
                0 => return Ok(None),
                pid if pid > 0 => return Ok(Some(Self { pid, status })),
                _ => {}
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::ECHILD) => return Ok(None),
                Some(libc::EINTR) => {}
                _ => return Err(error),
            }
        }
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(self.pid)
    }

    /// Whether somebody killed it, which says nothing of itself.
    pub(super) fn was_killed(&self) -> bool {
        self.signal() == Some(libc::SIGKILL)
    }

    /// Whether it ended by itself, with nothing to complain of.
    pub(super) fn went_well(&self) -> bool {
        self.status == 0
    }

    fn signal(&self) -> Option<i32> {
        libc::WIFSIGNALED(self.status).then(|| libc::WTERMSIG(self.status))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.signal().map(|n| (n, Signal::try_from(n))) {
            None => {
                write!(f, "exit status {}", libc::WEXITSTATUS(self.status))
            }
            Some((_, Ok(signal))) => write!(f, "killed by {signal}"),
            Some((number, Err(_))) => write!(f, "killed by signal {number}"),
        }
    }
}
