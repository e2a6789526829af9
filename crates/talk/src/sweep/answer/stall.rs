//! How long a model takes to recover from a backend that froze.

use std::ops::Range;

use serde::Serialize;

use crate::order::median;
use crate::sweep::record::{Load, Slice, Step};

/// Slower than this many times what it was before is not recovered.
const AS_BEFORE: f64 = 1.2;
/// So many stretches in a row have to be,
const STEADY: usize = 3;
/// and this share of all that follow: chance may take the rest.
const STAYS: f64 = 0.9;
/// A stretch of fewer requests says nothing of latency.
const FEWEST: u64 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Recovery {
    /// Requests a second meanwhile.
    pub(crate) rate: f64,
    /// How long the backend was frozen.
    pub(crate) frozen_seconds: f64,
    /// From the thaw until latency was again as before, the median of the
    /// drills; `None` where it was not while it was watched.
    pub(crate) seconds: Option<f64>,
    /// From the thaw to the end.
    pub(crate) watched_seconds: f64,
    /// Of all drills.
    pub(crate) requests: u64,
    pub(crate) failed: u64,
}

impl Recovery {
    /// Of a model's drills; `None` where there is none that tells.
    pub(crate) fn of<'a>(
        steps: impl Iterator<Item = &'a Step>,
    ) -> Option<Self> {
        let drills: Vec<_> = steps.filter_map(Drill::of).collect();
        let first = drills.first()?;
        // What did not recover took longer than all that did.
        let took = drills.iter().map(Drill::recovery);
        let took = middle(took.map(|took| took.unwrap_or(f64::INFINITY)));
        Some(Self {
            rate: first.rate,
            frozen_seconds: first.frozen.end - first.frozen.start,
            seconds: took.filter(|took| took.is_finite()),
            watched_seconds: drills
                .iter()
                .map(|drill| drill.ends - drill.frozen.end)
                .fold(f64::INFINITY, f64::min),
            requests: drills.iter().map(|drill| drill.requests).sum(),
            failed: drills.iter().map(|drill| drill.failed).sum(),
        })
    }

    /// What is compared: one that has not recovered took longer than it was
    /// watched.
    pub(crate) fn at_least(&self) -> f64 {
        self.seconds.unwrap_or(self.watched_seconds)
    }
}

struct Drill {
    rate: f64,
    /// When the last request was due.
    ends: f64,
    /// Of a slice.
    width: f64,
    frozen: Range<f64>,
    requests: u64,
    failed: u64,
    /// The slowest that it may be once it has recovered.
    limit: f64,
    after: Vec<Stretch>,
}

impl Drill {
    fn of(step: &Step) -> Option<Self> {
        let Load::Stall {
            rate,
            from_seconds,
            for_seconds,
        } = step.load
        else {
            return None;
        };
        let frozen = from_seconds..from_seconds + for_seconds;
        // Slices in which nothing was due are left out.
        let pairs = step.series.windows(2);
        let apart = pairs.map(|two| two[1].from_seconds - two[0].from_seconds);
        let width = apart.reduce(f64::min)?;
        // Half a slice is nothing, and a sum of tenths is not exact.
        let near = width / 2.0;
        // What was under way as it froze is not of before.
        let before = step.series.iter().filter(|slice| {
            let answered = slice.from_seconds + width + slice.max_seconds;
            answered <= frozen.start + near
        });
        let after = step
            .series
            .iter()
            .filter(|slice| slice.from_seconds >= frozen.end - near);
        let before = stretches(before);
        // Where latencies differ anyway, they may differ as much again.
        let before = before.iter().filter_map(|stretch| stretch.latency);
        let usual = middle(before.clone())?;
        let limit = before.fold(usual * AS_BEFORE, f64::max);
        let after = stretches(after);
        (!after.is_empty()).then_some(Self {
            rate,
            ends: step.series.last()?.from_seconds + width,
            width,
            frozen,
            requests: step.series.iter().map(|slice| slice.requests).sum(),
            failed: step.series.iter().map(|slice| slice.failed).sum(),
            limit,
            after,
        })
    }

    fn recovery(&self) -> Option<f64> {
        let fine = self.after.iter().map(|stretch| {
            stretch.latency.is_some_and(|latency| latency <= self.limit)
        });
        let fine: Vec<_> = fine.collect();
        let at = (0..fine.len()).find(|&at| {
            let rest = &fine[at..];
            let good = rest.iter().filter(|fine| **fine).count();
            rest.len() >= STEADY
                && rest[..STEADY].iter().all(|fine| *fine)
                && good as f64 >= STAYS * rest.len() as f64
        })?;
        // No finer than it was looked at.
        let slices = (self.after[at].from - self.frozen.end) / self.width;
        Some(slices.round().max(0.0) * self.width)
    }
}

/// Slices that have enough requests together.
struct Stretch {
    from: f64,
    /// The mean of its slices' medians, each as often as it has answers;
    /// `None` where half of all failed.
    latency: Option<f64>,
}

fn stretches<'a>(slices: impl Iterator<Item = &'a Slice>) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut part: Vec<&Slice> = Vec::new();
    for slice in slices.filter(|slice| slice.requests > 0) {
        part.push(slice);
        let requests: u64 = part.iter().map(|slice| slice.requests).sum();
        if requests < FEWEST {
            continue;
        }
        let failed: u64 = part.iter().map(|slice| slice.failed).sum();
        let answered =
            |slice: &Slice| slice.requests.saturating_sub(slice.failed);
        let sum: f64 = part
            .iter()
            .map(|slice| slice.p50_seconds * answered(slice) as f64)
            .sum();
        stretches.push(Stretch {
            from: part[0].from_seconds,
            latency: (failed * 2 < requests)
                .then(|| sum / (requests - failed) as f64),
        });
        part.clear();
    }
    stretches
}

fn middle(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    median(&values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::answer::made_up::MadeUp;

    #[test]
    fn the_last_look_alone_says_not_that_it_stays_so() {
        let recovers = |seconds| {
            let mut made_up = MadeUp::of("", 1.0);
            made_up.stall("native", seconds, 0);
            Recovery::of(made_up.steps.iter()).unwrap().seconds
        };
        // It is watched for 3.5 s, in slices of a tenth.
        assert_eq!(recovers(3.4), None);
        assert_eq!(recovers(3.3), None);
        assert!(recovers(3.2).is_some());
    }

    #[test]
    fn an_even_number_has_its_middle_between_two() {
        assert_eq!(middle([0.5, 0.25].into_iter()), Some(0.375));
        let one_did_not = [0.25, f64::INFINITY].into_iter();
        assert_eq!(middle(one_did_not), Some(f64::INFINITY));
    }

    #[test]
    fn who_failed_made_no_answer_quicker() {
        let slice = |requests, failed, p50_seconds| Slice {
            from_seconds: 0.0,
            requests,
            failed,
            p50_seconds,
            max_seconds: p50_seconds,
        };
        let latency = |slices: [Slice; 2]| stretches(slices.iter())[0].latency;
        let one = latency([slice(6, 0, 1.0), slice(4, 4, 0.0)]);
        assert_eq!(one, Some(1.0));
        let two = latency([slice(6, 3, 1.0), slice(6, 0, 0.25)]);
        assert_eq!(two, Some(0.5));
        assert_eq!(latency([slice(5, 0, 1.0), slice(5, 5, 0.0)]), None);
    }
}
