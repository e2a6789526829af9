//! Tells when a step cannot hold its target any more, whatever comes: what is
//! left of it would only fill the queues.

use hammer::Snapshot;

use super::record::Target;

/// Failures that chance allows beyond what is to be expected, in standard
/// deviations. That many more than the judgement does: who is on the edge is
/// measured to the end.
const CHANCE: f64 = 5.0;

/// A step that is under way.
pub(super) struct Hope {
    limit: u64,
    late: u64,
    may_be_late: u64,
    may_fail: u64,
}

impl Hope {
    /// Of a step of so many requests, of which this share fails by itself.
    pub(super) fn of(target: &Target, requests: u64, failing: f64) -> Self {
        let requests = requests as f64;
        let own = requests * failing;
        let deviation = (own * (1.0 - failing)).sqrt();
        let may_be_late = requests * (1.0 - target.quantile);
        Self {
            limit: (target.seconds * 1e9) as u64,
            late: 0,
            may_be_late: may_be_late as u64,
            may_fail: (own + CHANCE * deviation + may_be_late) as u64,
        }
    }

    /// Whether none is left.
    pub(super) fn is_lost(&mut self, snapshot: &Snapshot) -> bool {
        for second in &snapshot.seconds {
            let latencies = second.latency.0.iter();
            // The least of a class; all of a class that begins later are.
            let late = latencies.filter(|(nanos, _)| *nanos > self.limit);
            self.late += late.map(|&(_, count)| count).sum::<u64>();
        }
        self.late > self.may_be_late
            || snapshot.failed + snapshot.shed > self.may_fail
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hammer::{Counted, Second};

    use super::*;

    const TARGET: Target = Target {
        quantile: 0.99,
        seconds: 1.0,
    };

    fn seen(latencies: &[(u64, u64)], failed: u64) -> Snapshot {
        let millis = latencies.iter().map(|&(ms, n)| (ms * 1_000_000, n));
        Snapshot {
            elapsed: Duration::from_secs(1),
            warming: false,
            progress: 0.5,
            answered: 0,
            failed,
            shed: 0,
            in_flight: 0,
            seconds: vec![Second {
                number: 0,
                answered: 0,
                failed: 0,
                shed: 0,
                bytes_received: 0,
                latency: Counted(millis.collect()),
                p50: Duration::ZERO,
                p90: Duration::ZERO,
                p99: Duration::ZERO,
                max: Duration::ZERO,
            }],
        }
    }

    #[test]
    fn one_of_a_hundred_may_be_late_and_two_may_not() {
        let mut hope = Hope::of(&TARGET, 100, 0.0);
        assert!(!hope.is_lost(&seen(&[(999, 50), (1001, 1)], 0)));
        assert!(!hope.is_lost(&seen(&[(1000, 9)], 0)));
        assert!(hope.is_lost(&seen(&[(5000, 1)], 0)));
    }

    #[test]
    fn of_few_none_may_be_late() {
        assert!(Hope::of(&TARGET, 50, 0.0).is_lost(&seen(&[(1500, 1)], 0)));
    }

    #[test]
    fn what_fails_by_itself_is_allowed() {
        let lost = |failing, failed| {
            Hope::of(&TARGET, 1000, failing).is_lost(&seen(&[], failed))
        };
        assert!(lost(0.0, 11));
        assert!(!lost(0.1, 100));
        assert!(lost(0.1, 200));
    }
}
