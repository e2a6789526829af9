//! What the wrong programs, and the cures beside them, have in common.
//!
//! Each file of `src/bin` is one of the caveats that docs/caveats.md tells:
//! a `wrong` that runs and goes wrong, with the line that does it marked
//! WRONG, and a `right` with the line that cures it marked RIGHT. `cargo
//! talk caveats` runs both and measures. There are two binaries, since may
//! has no business in a process with tokio or rayon.
//!
//! Here is only what is not the point of any of them: the command line of a
//! server ([`server`]), HTTP by hand ([`http`]), and calls by name with what
//! goes on beside them ([`calls`]).

pub mod calls;
pub mod http;
pub mod server;

use std::io;

use clap::ValueEnum;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

pub use server::Server;

/// Which of the two.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Which {
    /// The program that goes wrong.
    Wrong,
    /// Its cure.
    Right,
}

/// Sees to it that this process does not outlive the one that started it,
/// through whatever it executes.
///
/// # Errors
///
/// The system's, or that it is gone already.
pub fn die_with_parent() -> io::Result<()> {
    let parent = getppid();
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() == parent {
        Ok(())
    } else {
        Err(io::Error::other("whoever started this is gone"))
    }
}
