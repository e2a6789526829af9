//! Ctrl-C, as something to look at rather than something that happens.
//!
//! SIGINT and SIGTERM are blocked, and read from a file when there is time
//! for them: so a stop never leaves a server behind that was just being
//! started.

use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Whether the user wants to stop.
pub(crate) struct Interrupt(SignalFd);

/// The user wants to stop.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
pub(crate) struct Stopped;

impl Interrupt {
    /// Blocks the signals, for this process and those that it starts.
    pub(crate) fn block() -> Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block().context("cannot block signals")?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&signals, flags)
            .context("cannot watch for signals")?;
        Ok(Self(signals))
    }

    /// Waits so long, unless the user wants to stop; or less, where a signal
    /// comes that has a handler, such as that of a terminal that is resized.
    pub(crate) fn wait(&self, patience: Duration) -> Result<()> {
        let mut files = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(patience.as_millis())
            .unwrap_or(PollTimeout::MAX);
        // The signal stays pending: once stopped, always stopped.
        match poll(&mut files, patience) {
            Ok(0) | Err(Errno::EINTR) => Ok(()),
            Ok(_) => bail!(Stopped),
            Err(error) => Err(error).context("cannot wait for signals"),
        }
    }

    /// Fails where the user wants to stop.
    pub(crate) fn check(&self) -> Result<()> {
        self.wait(Duration::ZERO)
    }

    /// The same, for a hammer that is under way.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        match self.check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}
