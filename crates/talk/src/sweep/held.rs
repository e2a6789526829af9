//! Whether a step held the target: asked in one place, by the search and by
//! the answer alike.

use std::time::Duration;

use workload::Workload;

use super::backlog;
use super::record::{Step, Target};

/// How long an app waits for a call: it is told so.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Of a thousand steps, one has more failures by chance.
const CHANCE: f64 = 1e-3;

/// Whether an open loop's step kept up, in time, and failed no more than the
/// workload does by itself. What was given up or not sent has failed.
pub(crate) fn held(step: &Step, target: &Target, workload: &Workload) -> bool {
    let failed: u64 = step.errors.values().sum();
    step.answered > 0
        && step.target_seconds <= target.seconds
        && !backlog::grew(step)
        && failed <= failures(step.requests, failing(workload), CHANCE)
}

/// The share of the requests that fails whatever the model does: a request
/// does where one of its calls does.
pub(crate) fn failing(workload: &Workload) -> f64 {
    let answered = workload.calls().map(|call| 1.0 - call.failing(TIMEOUT));
    1.0 - answered.product::<f64>()
}

/// How many failures of so many requests say nothing against a model, where
/// this share fails by itself: with such a chance there are more (the binomial
/// distribution's quantile).
pub(crate) fn failures(requests: u64, share: f64, chance: f64) -> u64 {
    let none = requests as f64 * (-share).ln_1p();
    // The logarithms of the chances of just so many.
    let (mut of, mut upto) = (none, none.exp());
    for count in 0..requests {
        if 1.0 - upto <= chance {
            return count;
        }
        let left = (requests - count) as f64 / (count + 1) as f64;
        of += (left * share / (1.0 - share)).ln();
        upto += of.exp();
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_is_allowed_where_the_workload_has_none() {
        assert_eq!(failures(10_000, 0.0, CHANCE), 0);
    }

    #[test]
    fn chance_may_add_some_to_the_workloads_own() {
        // As tables have them; three standard deviations would allow 3.98 of
        // a hundred, which two steps of a hundred have more than.
        for (requests, share, allowed) in [
            (100, 0.01, 5),
            (1000, 0.01, 21),
            (20, 0.001, 1),
            (4, 0.01, 1),
            (1000, 0.5, 549),
            (3, 1.0, 3),
        ] {
            let told = failures(requests, share, CHANCE);
            assert_eq!(told, allowed, "of {requests} with {share}");
        }
    }
}
