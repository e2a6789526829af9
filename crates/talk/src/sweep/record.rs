//! What a sweep measured, as it is kept: a file of lines of JSON. The first
//! is the [`Sweep`], what was asked for; each further one is a [`Step`], and
//! is written when it has been measured, so that a sweep that was stopped
//! can go on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use workload::Manner;

/// Raised when a field changes its meaning, comes or goes.
pub(crate) const VERSION: u32 = 3;

/// What was asked for, and of which machine.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sweep {
    pub(crate) version: u32,
    /// The workload, as the text of its file.
    pub(crate) workload: String,
    pub(crate) target: Target,
    /// The requests a second that are needed, where only those are tried.
    pub(crate) rate: Option<f64>,
    pub(crate) models: Vec<Model>,
    /// How often each model's knee was looked for.
    pub(crate) rounds: u32,
    /// Of the shuffling and of the arrivals.
    pub(crate) seed: u64,
    pub(crate) quick: bool,
    pub(crate) machine: Machine,
}

/// The latency that has to be held: `p99=800ms`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// From 0 to 1.
    pub(crate) quantile: f64,
    pub(crate) seconds: f64,
}

/// A deployment that was swept.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) app: String,
    pub(crate) processes: u64,
    /// That take requests, of each process.
    pub(crate) threads: u64,
    /// Requests at a time, of all processes; `None` is no limit.
    pub(crate) slots: Option<u64>,
    /// Whether the calls of a step run at once.
    pub(crate) at_once: bool,
}

impl Model {
    /// How it makes its calls.
    pub(crate) fn manner(&self) -> Manner {
        match (&*self.app, self.at_once) {
            // What it is for: its thread works while its calls run.
            ("app-offload", _) => Manner::BesideWork,
            (_, true) => Manner::AtOnce,
            (_, false) => Manner::InTurn,
        }
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    /// That a process may open.
    pub(crate) files: u64,
}

/// One load on one model, measured once.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) model: String,
    /// From 1.
    pub(crate) round: u32,
    pub(crate) load: Load,
    /// Other models that were measured at the same time, each with a backend
    /// of its own.
    pub(crate) beside: u64,
    /// How long it was measured, after its warm-up.
    pub(crate) seconds: f64,
    /// That were due, of an open loop; that ended, of a closed one.
    pub(crate) requests: u64,
    /// With 200.
    pub(crate) answered: u64,
    /// Answered in a second.
    pub(crate) throughput: f64,
    pub(crate) mean_seconds: f64,
    pub(crate) p50_seconds: f64,
    pub(crate) p95_seconds: f64,
    pub(crate) p99_seconds: f64,
    pub(crate) max_seconds: f64,
    /// At the target's quantile.
    pub(crate) target_seconds: f64,
    /// By how much the mean of those that were due in the later half is above
    /// that of the earlier half (open loops only), and its standard error.
    pub(crate) rise_seconds: f64,
    pub(crate) rise_error_seconds: f64,
    /// By kind. What was under way when a step was given up, since it could
    /// not hold the target any more, is among them.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Processor time of the app, for a request.
    pub(crate) cpu_seconds: f64,
    /// The most that all workers had resident at a time.
    pub(crate) memory_bytes: u64,
    /// The most that all workers had at a time.
    pub(crate) threads: u64,
    /// Context switches of the app, for a request.
    pub(crate) voluntary_switches: f64,
    pub(crate) involuntary_switches: f64,
    /// The share of its time that the hammer's thread ran or waited for a
    /// core.
    pub(crate) hammer_busy: f64,
    /// The same of the backend's busiest process.
    pub(crate) backend_busy: f64,
    /// Why the step says nothing of the model; empty where it does.
    pub(crate) flaws: Vec<String>,
    /// Over time (stall drills only).
    pub(crate) series: Vec<Slice>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum Load {
    /// So many requests at a time.
    Closed { concurrency: u64 },
    /// So many requests a second.
    Open { rate: f64 },
    /// The same, on a deployment of another size.
    Sized {
        rate: f64,
        processes: u64,
        threads: u64,
    },
    /// The same, while the backend freezes.
    Stall {
        rate: f64,
        from_seconds: f64,
        for_seconds: f64,
    },
}

/// The requests that were due in a part of a step.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slice {
    /// When it began, since the step did.
    pub(crate) from_seconds: f64,
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) p50_seconds: f64,
    pub(crate) max_seconds: f64,
}
