//! Why a run could not start, or could not go on.
//!
//! What befalls a single request is no error of the run: it is counted, by
//! [`ErrorKind`](crate::ErrorKind).

use std::io;

/// Why a run could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A URL that cannot be asked for.
    #[error("bad URL {url:?}: {why}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A host without an address.
    #[error("cannot look up {host}: {why}")]
    Host {
        /// The host of the URL.
        host: String,
        /// What the resolver said.
        why: String,
    },
    /// A load that makes no sense.
    #[error("bad load: {0}")]
    Load(String),
    /// More connections than this process may have files.
    #[error(
        "{wanted} connections need {needed} open files, and the hard limit \
         (RLIMIT_NOFILE, ulimit -Hn) is {limit}"
    )]
    Files {
        /// Connections that the load asks for.
        wanted: usize,
        /// Files that they need.
        needed: u64,
        /// Files that there may be.
        limit: u64,
    },
    /// The operating system refused what every run needs.
    #[error("cannot {what}")]
    System {
        /// The operation.
        what: &'static str,
        /// The reason.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn system(
        what: &'static str,
    ) -> impl FnOnce(nix::Error) -> Self {
        move |source| Self::System {
            what,
            source: source.into(),
        }
    }
}
