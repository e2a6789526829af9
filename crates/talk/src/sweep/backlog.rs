//! Whether requests came quicker than they were done, so that more and more
//! of them waited.
//!
//! A quantile does not tell that in a short step: until what waits takes
//! longer than the target allows, all is well. But who comes later waits
//! longer, so the later half of the requests is held against the earlier one.

use hammer::Each;

use super::record::{Load, Step};

/// The share of the requests that may come more than are done: less is lost in
/// the steps of the search, which are a twentieth apart.
const BEHIND: f64 = 0.02;
/// And chance may take so many standard deviations: of a thousand steps one
/// has more.
const DEVIATIONS: f64 = 3.0;

/// How much longer the later half of some requests took than the earlier one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rise {
    /// On average, in seconds.
    pub(super) seconds: f64,
    /// The standard error of that, in seconds.
    pub(super) error: f64,
}

impl Rise {
    /// Of requests in the order in which they were due.
    pub(super) fn of(each: &[Each]) -> Self {
        let (earlier, later) = each.split_at(each.len() / 2);
        let (earlier, later) = (Latencies::of(earlier), Latencies::of(later));
        match (earlier, later) {
            (Some(earlier), Some(later)) => Self {
                seconds: later.mean - earlier.mean,
                error: (earlier.variance + later.variance).sqrt(),
            },
            _ => Self {
                seconds: 0.0,
                error: 0.0,
            },
        }
    }
}

struct Latencies {
    mean: f64,
    /// Of the mean.
    variance: f64,
}

impl Latencies {
    /// `None` where none was answered.
    fn of(each: &[Each]) -> Option<Self> {
        let latencies = each.iter().filter_map(|each| each.latency);
        let latencies: Vec<_> =
            latencies.map(|latency| latency.as_secs_f64()).collect();
        if latencies.is_empty() {
            return None;
        }
        let count = latencies.len() as f64;
        let mean = latencies.iter().sum::<f64>() / count;
        let squares = latencies.iter().map(|latency| (latency - mean).powi(2));
        let variance = squares.sum::<f64>() / count / count;
        Some(Self { mean, variance })
    }
}

/// Whether the requests of an open loop's step waited longer and longer.
///
/// Where a share of them is too much, who comes a second later waits for that
/// share of a second longer. The queue of a model that keeps up wanders,
/// too, by the square root of the requests that come meanwhile.
pub(super) fn grew(step: &Step) -> bool {
    let (Load::Open { rate } | Load::Sized { rate, .. }) = step.load else {
        return false;
    };
    // Between the middle of the earlier half and that of the later one.
    let requests = step.requests as f64 / 2.0;
    let seconds = requests / rate;
    let wanders = requests.sqrt() / rate;
    let chance = DEVIATIONS * wanders.hypot(step.rise_error_seconds);
    step.rise_seconds > BEHIND * seconds + chance
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sweep::answer::made_up;

    /// Of a server that does so many a second, each after `alone` seconds,
    /// under a load of so many.
    fn grew_at(rate: f64, capacity: f64, alone: f64, requests: u32) -> bool {
        let each = (0..requests).map(|n| {
            let due = f64::from(n) / rate;
            let done = f64::from(n) / capacity.min(rate) + alone;
            Each {
                due: Duration::from_secs_f64(due),
                latency: Some(Duration::from_secs_f64(done - due)),
            }
        });
        let rise = Rise::of(&each.collect::<Vec<_>>());
        grew(&Step {
            requests: requests.into(),
            rise_seconds: rise.seconds,
            rise_error_seconds: rise.error,
            ..made_up::step("some", rate, 1.0)
        })
    }

    #[test]
    fn of_more_than_are_done_the_later_ones_wait_longer() {
        assert!(grew_at(6000.0, 3500.0, 0.05, 9000));
        assert!(grew_at(1100.0, 1000.0, 0.5, 33_000));
        assert!(!grew_at(1000.0, 1000.0, 0.5, 30_000));
        assert!(!grew_at(1000.0, 2000.0, 3.0, 1500));
    }

    #[test]
    fn chance_alone_makes_no_backlog() {
        // Few requests say nothing, and nor do latencies of two kinds.
        assert!(!grew_at(4.0, 3.5, 0.5, 20));
        let each = |late: bool| Each {
            due: Duration::ZERO,
            latency: Some(Duration::from_millis(if late { 2000 } else { 10 })),
        };
        let earlier = (0..5000).map(|n| each(n % 2 == 0));
        let later = (0..5000).map(|n| each(n % 25 < 13));
        let rise = Rise::of(&earlier.chain(later).collect::<Vec<_>>());
        assert!(rise.seconds > 0.03, "{rise:?}");
        assert!(!grew(&Step {
            requests: 10_000,
            rise_seconds: rise.seconds,
            rise_error_seconds: rise.error,
            ..made_up::step("some", 100_000.0, 1.0)
        }));
    }

    #[test]
    fn who_answers_nobody_has_no_latency_that_could_rise() {
        let failed = [Each {
            due: Duration::ZERO,
            latency: None,
        }; 9];
        let none = Rise {
            seconds: 0.0,
            error: 0.0,
        };
        assert_eq!(Rise::of(&failed), none);
        assert_eq!(Rise::of(&[]), none);
    }
}
