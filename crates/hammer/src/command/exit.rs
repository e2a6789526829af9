//! How the command ends, as its caller sees it.

use std::process::ExitCode;

use super::args::Usage;
use super::note::note;

/// How the command ends, in the order of what matters more.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Exit {
    Fine,
    /// A request failed, or the run itself did.
    Failed,
    /// The command makes no sense.
    Usage,
    /// The run is what it must not be.
    Threshold,
    /// The measurement is not to be trusted.
    Invalid,
    /// As a shell says it of a command that SIGINT ended.
    Interrupted,
}

impl Exit {
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Threshold => 3,
            Self::Invalid => 4,
            Self::Interrupted => 130,
        })
    }
}

/// Says in one line why there was no run.
pub(crate) fn refuse(error: &anyhow::Error) -> ExitCode {
    let usage = match error.downcast_ref() {
        Some(error) => matches!(
            error,
            hammer::Error::Url { .. }
                | hammer::Error::Load(_)
                | hammer::Error::Files { .. }
        ),
        None => error.is::<Usage>(),
    };
    if usage {
        note(format_args!(
            "hammer: {error:#} (hammer --help lists what there is)"
        ));
        Exit::Usage.code()
    } else {
        note(format_args!("hammer: {error:#}"));
        Exit::Failed.code()
    }
}
