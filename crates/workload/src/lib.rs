//! A workload: what each request of a service does, as a value and as a file.
//!
//! A request makes calls in steps. The calls of a step need nothing of each
//! other, so that a model may make them at once; a step begins when all calls
//! of the one before have ended. The app has the steps and the request's own
//! work of it, the backend how long each call takes, and the runner what
//! arithmetic makes of both.
//!
//! - draw.rs: how long a call takes, drawn so that two runs are alike;
//! - time.rs: how long a request takes where nothing is scarce;
//! - check.rs: what no workload may be;
//! - file.rs: the file, strict, and text.rs: the same written; latencies.rs:
//!   what was measured; spec.rs: a delay on a command line.

mod check;
mod draw;
mod file;
mod latencies;
mod spec;
#[cfg(test)]
mod tests;
mod text;
mod time;

use std::sync::Arc;
use std::time::Duration;

pub use check::{BadValue, LARGEST, LONGEST, MOST_CALLS};
pub use draw::Drawn;
pub use file::WorkloadError;
pub use time::Manner;

/// What each request does.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Of all that is drawn.
    pub seed: u64,
    /// Processor time that a request takes for itself.
    pub work: Duration,
    /// The calls of a step need nothing of each other, but all calls of the
    /// step before.
    pub steps: Vec<Vec<Call>>,
}

/// One call to the backend.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// How long it takes.
    pub delay: Delay,
    /// The share that fails, once the delay is over.
    pub fails: f64,
    /// The share that is never answered.
    pub hangs: f64,
    /// Bytes of the answer; zero is the backend's own line.
    pub size: usize,
}

/// How long a call takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Delay {
    /// Always the same.
    Fixed(Duration),
    /// Any time of a range, one as likely as another.
    Range {
        /// The shortest.
        from: Duration,
        /// The longest.
        to: Duration,
    },
    /// Most are short and a few are long, as those of most services.
    Lognormal {
        /// Half of the calls take no longer.
        median: Duration,
        /// 99 of 100 calls take no longer.
        p99: Duration,
    },
    /// One of these, any as likely as another.
    Measured(Arc<[Duration]>),
}

impl Workload {
    /// The slides': calls of 1/8, 2/8, 3/8 and 4/8 s, which need nothing of
    /// each other.
    pub fn slides() -> Self {
        let eighths = (1..=4).map(|n| n * Duration::from_millis(125));
        let calls = eighths.map(|eighths| Call::of(Delay::Fixed(eighths)));
        Self {
            seed: 0,
            work: Duration::ZERO,
            steps: vec![calls.collect()],
        }
    }

    /// The calls in their order; the place of a call here is its index.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.steps.iter().flatten()
    }
}

impl Call {
    /// A call that succeeds, and is answered with a line.
    pub fn of(delay: Delay) -> Self {
        Self {
            delay,
            fails: 0.0,
            hangs: 0.0,
            size: 0,
        }
    }
}
