//! Ctrl-C, as something to look at rather than something that happens.
//!
//! SIGINT and SIGTERM are blocked, and SIGHUP where it matters, and read from
//! a file when there is time for them: so a stop never leaves a server behind
//! that was just being started.

use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::procfs;

/// The file, and when the first signal came out of it.
static SIGNALS: OnceLock<SignalFd> = OnceLock::new();
static CAME: OnceLock<Instant> = OnceLock::new();
static CAME_AGAIN: AtomicBool = AtomicBool::new(false);

/// A signal that comes so soon after the first is the same wish: timeout(1)
/// sends two.
const ONE_WISH: Duration = Duration::from_millis(100);

/// Whether the user wants to stop.
pub(crate) struct Interrupt(&'static SignalFd);

/// The user wants to stop.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
pub(crate) struct Stopped;

/// Hears of its children's ends, even where whoever started this ignores
/// SIGCHLD: nobody could wait for them.
#[allow(unsafe_code)]
pub(crate) fn hear_of_children() -> Result<()> {
    // SAFETY: the default is no handler, which would have to be careful.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }
        .context("cannot wait for what is started")?;
    Ok(())
}

/// Whether the user wanted to stop, and was heard.
pub(crate) fn came() -> bool {
    CAME.get().is_some()
}

/// Whether the user, who wanted to stop, wants it at once.
pub(crate) fn is_urgent() -> bool {
    if let (Some(signals), Some(first)) = (SIGNALS.get(), CAME.get())
        && matches!(signals.read_signal(), Ok(Some(_)))
        && first.elapsed() >= ONE_WISH
    {
        CAME_AGAIN.store(true, Ordering::Relaxed);
    }
    CAME_AGAIN.load(Ordering::Relaxed)
}

impl Interrupt {
    /// Blocks the signals, for this process and those that it starts.
    pub(crate) fn block() -> Result<Self> {
        Self::block_all(&[Signal::SIGINT, Signal::SIGTERM])
    }

    /// The same, and SIGHUP, for who has a terminal to put right and starts
    /// nobody: that signal asks others to reload. Under nohup it stays
    /// ignored, which it would not be once it is blocked.
    pub(crate) fn block_hangup_too() -> Result<Self> {
        let signals = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
        match procfs::ignores(Signal::SIGHUP) {
            true => Self::block(),
            false => Self::block_all(&signals),
        }
    }

    fn block_all(signals: &[Signal]) -> Result<Self> {
        let signals: SigSet = signals.iter().copied().collect();
        signals.thread_block().context("cannot block signals")?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&signals, flags)
            .context("cannot watch for signals")?;
        Ok(Self(SIGNALS.get_or_init(|| signals)))
    }

    /// Waits so long, unless the user wants to stop; or less, where a signal
    /// comes that has a handler, such as that of a terminal that is resized.
    pub(crate) fn wait(&self, patience: Duration) -> Result<()> {
        if came() {
            bail!(Stopped);
        }
        let mut files = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(patience.as_millis())
            .unwrap_or(PollTimeout::MAX);
        match poll(&mut files, patience) {
            Ok(0) | Err(Errno::EINTR) => Ok(()),
            Ok(_) => {
                // What comes after it is another wish.
                self.0.read_signal().context("cannot read a signal")?;
                CAME.get_or_init(Instant::now);
                bail!(Stopped)
            }
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
