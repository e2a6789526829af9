//! Ctrl-C and SIGTERM, asked for instead of suffered: a run that is ended
//! early still has something to report.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// SIGINT and SIGTERM, read from a file.
pub(crate) struct Interrupt(SignalFd);

impl Interrupt {
    /// To be called before any thread is started, since a thread inherits
    /// what is blocked.
    pub(crate) fn catch() -> nix::Result<Self> {
        let signals = signals();
        signals.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self(SignalFd::with_flags(&signals, flags)?))
    }

    /// Whether it came. From then on another one ends the process at once,
    /// should anything hang.
    pub(crate) fn came(&self) -> bool {
        let came = matches!(self.0.read_signal(), Ok(Some(_)));
        if came {
            // Where they stay blocked, the run ends all the same.
            let _ = signals().thread_unblock();
        }
        came
    }
}

fn signals() -> SigSet {
    SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM])
}
