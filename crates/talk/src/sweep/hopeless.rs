//! Tells when a step cannot hold its target any more, whatever comes: what is
//! left of it would only fill the queues.

use std::time::Duration;

use hammer::Snapshot;

use super::held::failures;
use super::record::Target;

/// With such a chance there are more failures than are taken for chance: many
/// more than the judgement takes, so that who is on the edge is measured to
/// the end.
const CHANCE: f64 = 1e-6;

/// A step that is under way.
pub(super) struct Hope {
    requests: u64,
    limit: Duration,
    late: u64,
    may_be_late: u64,
    may_fail: u64,
    /// When all requests were seen to be under way, or over.
    all_sent: Option<Duration>,
}

impl Hope {
    /// Of a step of so many requests, of which this share fails by itself.
    pub(super) fn of(target: &Target, requests: u64, failing: f64) -> Self {
        let own = failures(requests, failing, CHANCE);
        // As a histogram ranks them; a product may be a bit too high.
        let in_time = requests as f64 * target.quantile * (1.0 - 1e-12);
        let may_be_late = requests - in_time.ceil() as u64;
        Self {
            requests,
            limit: Duration::from_secs_f64(target.seconds),
            late: 0,
            may_be_late,
            may_fail: own + may_be_late,
            all_sent: None,
        }
    }

    /// Whether none is left.
    pub(super) fn is_lost(&mut self, snapshot: &Snapshot) -> bool {
        let limit = self.limit.as_nanos();
        for second in &snapshot.seconds {
            let latencies = second.latency.0.iter();
            // The least of a class; all of a class that begins later are.
            let late = latencies.filter(|(ns, _)| u128::from(*ns) > limit);
            self.late += late.map(|&(_, count)| count).sum::<u64>();
        }
        self.late > self.may_be_late
            || self.late + self.overdue(snapshot) > self.may_fail
            || snapshot.failed + snapshot.shed > self.may_fail
    }

    /// Those that wait, once the last one has waited for too long.
    fn overdue(&mut self, snapshot: &Snapshot) -> u64 {
        let waiting = snapshot.in_flight as u64;
        let now = snapshot.elapsed;
        if snapshot.answered + waiting + snapshot.shed >= self.requests {
            self.all_sent.get_or_insert(now);
        }
        match self.all_sent {
            Some(sent) if now > sent + self.limit => waiting,
            _ => 0,
        }
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

    fn waits(elapsed: f64, answered: u64, in_flight: usize) -> Snapshot {
        Snapshot {
            elapsed: Duration::from_secs_f64(elapsed),
            answered,
            in_flight,
            ..seen(&[], 0)
        }
    }

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
    fn as_many_may_be_late_as_the_judgement_leaves_out() {
        for (quantile, requests, late) in [
            (0.9, 100, 10),
            (0.8, 10, 2),
            (0.9999, 10_000, 1),
            (0.5, 3, 1),
        ] {
            let target = Target {
                quantile,
                seconds: 1.0,
            };
            let hope = Hope::of(&target, requests, 0.0);
            assert_eq!(hope.may_be_late, late, "of {requests} at {quantile}");
        }
    }

    #[test]
    fn of_few_none_may_be_late() {
        assert!(Hope::of(&TARGET, 50, 0.0).is_lost(&seen(&[(1500, 1)], 0)));
    }

    #[test]
    fn who_waits_is_late_once_the_last_one_is() {
        let mut hope = Hope::of(&TARGET, 10, 0.0);
        // Some are still to come.
        assert!(!hope.is_lost(&waits(9.0, 5, 4)));
        assert!(!hope.is_lost(&waits(9.5, 5, 5)));
        assert!(!hope.is_lost(&waits(10.5, 9, 1)));
        assert!(hope.is_lost(&waits(10.6, 9, 1)));
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
