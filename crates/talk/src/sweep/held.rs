//! Whether a step held the target: asked in one place, by the search and by
//! the answer alike.

use std::time::Duration;

use workload::Workload;

use super::backlog;
use super::record::{Step, Target};

/// How long an app waits for a call: it is told so.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Chance may take so many standard deviations: that of a thousand steps one
/// has more.
pub(super) const CHANCE: f64 = 3.0;

/// Whether an open loop's step kept up, in time, and failed no more than the
/// workload does by itself. What was given up or not sent has failed.
pub(crate) fn held(step: &Step, target: &Target, workload: &Workload) -> bool {
    let failed: u64 = step.errors.values().sum();
    step.answered > 0
        && step.target_seconds <= target.seconds
        && !backlog::grew(step)
        && failed as f64 <= failures(step.requests, failing(workload), CHANCE)
}

/// The share of the requests that fails whatever the model does: a request
/// does where one of its calls does.
pub(crate) fn failing(workload: &Workload) -> f64 {
    let answered = workload.calls().map(|call| 1.0 - call.failing(TIMEOUT));
    1.0 - answered.product::<f64>()
}

/// How many failures of so many requests say nothing against a model, where
/// this share fails by itself and chance may take so many standard deviations.
pub(crate) fn failures(requests: u64, share: f64, chance: f64) -> f64 {
    let requests = requests as f64;
    let deviation = (requests * share * (1.0 - share)).sqrt();
    requests * share + chance * deviation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_is_allowed_where_the_workload_has_none() {
        assert_eq!(failures(10_000, 0.0, CHANCE), 0.0);
    }

    #[test]
    fn chance_may_add_some_to_the_workloads_own() {
        let allowed = failures(1000, 0.01, CHANCE);
        assert!(allowed > 15.0 && allowed < 20.0, "{allowed}");
    }
}
