//! How a master and a worker hear that they should stop.
//!
//! A master's signals are blocked and read from a file (`signalfd(2)`), so
//! that no handler ever runs between two lines of ours. A worker's stop is
//! the end of a pipe: whatever it waits with (epoll, tokio, may) can wait
//! for that as well.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{getppid, pipe2};

/// The signals that a master reads.
#[derive(Debug)]
pub(crate) struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals; call it before the first fork.
    #[allow(unsafe_code)]
    pub(crate) fn block() -> nix::Result<Self> {
        // Where whoever started this ignores SIGCHLD, the kernel would reap
        // the workers, and tell nobody.
        // SAFETY: the default is no handler, which would have to be careful.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl)? };
        let mask = SigSet::from_iter([
            Signal::SIGCHLD,
            Signal::SIGHUP,
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGTTIN,
            Signal::SIGTTOU,
            Signal::SIGUSR1,
        ]);
        mask.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        SignalFd::with_flags(&mask, flags).map(Self)
    }

    /// The next signal that has come, if any.
    pub(crate) fn next(&self) -> nix::Result<Option<Signal>> {
        let Some(info) = self.0.read_signal()? else {
            return Ok(None);
        };
        i32::try_from(info.ssi_signo)
            .map_err(|_| Errno::EINVAL)
            .and_then(Signal::try_from)
            .map(Some)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A worker's stop: the reading end of a pipe, which ends once the master
/// tells the worker to stop.
///
/// Every thread that waits for it sees it, whatever it waits with: nothing
/// is ever read. A worker leaves the master's signals blocked, as it inherits
/// them: Ctrl-C and `systemctl stop` reach it too, and what follows from
/// them is for the master to say.
#[derive(Debug)]
pub struct Stop(OwnedFd);

/// The master's end of a worker's stop; to drop it is to tell the worker.
#[derive(Debug)]
pub(crate) struct StopTeller(#[allow(dead_code)] OwnedFd);

impl Stop {
    /// The two ends.
    pub(crate) fn pair() -> nix::Result<(StopTeller, Self)> {
        let (stop, teller) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        Ok((StopTeller(teller), Self(stop)))
    }

    /// Holds the calling thread until the stop comes.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn wait(&self) -> nix::Result<()> {
        loop {
            let mut files = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
            match poll(&mut files, PollTimeout::NONE) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Another handle on the same stop.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn try_clone(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Lets SIGCHLD through again, as a worker's own children expect.
pub(crate) fn unblock_sigchld() -> nix::Result<()> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.thread_unblock()
}

/// Asks to be stopped as by SIGTERM when the thread that started this
/// process ends.
///
/// Returns `false` where it ended meanwhile. One that had ended before is not
/// noticed: its parent is this one's by then.
///
/// # Errors
///
/// The system's.
pub fn stop_with_parent() -> nix::Result<bool> {
    follow_parent(Signal::SIGTERM)
}

/// Asks for `signal` when the thread that started this process ends.
///
/// Returns `false` where it ended meanwhile (`prctl(2)`, PR_SET_PDEATHSIG).
pub(crate) fn follow_parent(signal: Signal) -> nix::Result<bool> {
    let parent = getppid();
    prctl::set_pdeathsig(signal)?;
    Ok(getppid() == parent)
}
