//! The state of a run under way, for a live view.

use std::time::Duration;

use crate::outcome::Counted;

/// The state of a run under way.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Since the start, the warm-up included.
    pub elapsed: Duration,
    /// Whether the warm-up is still on.
    pub warming: bool,
    /// How much of the run is over, from 0 to 1.
    pub progress: f64,
    /// Whole answers so far.
    pub answered: u64,
    /// Failed requests so far.
    pub failed: u64,
    /// Requests shed so far.
    pub shed: u64,
    /// Requests under way.
    pub in_flight: usize,
    /// The seconds that ended since the last snapshot, counted from the end
    /// of the warm-up. The last one of a run may be cut off by its end.
    pub seconds: Vec<Second>,
}

/// One second of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Second {
    /// Its number, from 0.
    pub number: u64,
    /// Whole answers.
    pub answered: u64,
    /// Failed requests.
    pub failed: u64,
    /// Requests shed.
    pub shed: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Latencies of answers below 400, in the classes of their histogram.
    pub latency: Counted,
    /// Quantiles of the latencies of answers below 400.
    pub p50: Duration,
    /// See `p50`.
    pub p90: Duration,
    /// See `p50`.
    pub p99: Duration,
    /// The longest of them.
    pub max: Duration,
}
