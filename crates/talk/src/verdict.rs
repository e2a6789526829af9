//! Whether a run is what it claims to be.
//!
//! A run that is not whole is refused with the reasons, and none of its
//! figures is reported: a figure that is printed is a figure that holds.

use std::time::Duration;

use thiserror::Error;

use crate::bound::Shape;
use crate::catalogue::Run;
use crate::measure::Evidence;

/// The apps round what they tell to the millisecond.
const ROUNDING: Duration = Duration::from_micros(500);

/// Why a run is refused.
#[derive(Clone, Debug, Error, PartialEq)]
pub(crate) enum Fault {
    #[error("{count} of {requests} requests failed: {why}")]
    Failed {
        count: u64,
        requests: u64,
        why: String,
    },
    #[error(
        "it took {:.4} s, where {:.4} s are the least that it can",
        measured.as_secs_f64(), bound.as_secs_f64()
    )]
    BeatsBound { measured: Duration, bound: Duration },
    #[error(
        "the app says that it took {:.3} s of the {:.4} s that were measured",
        told.as_secs_f64(), measured.as_secs_f64()
    )]
    Told { told: Duration, measured: Duration },
    #[error("the backend served {served} calls, and {expected} were to be")]
    Calls { served: u64, expected: u64 },
    #[error(
        "the backend had {peak} calls waiting at once, and the model has \
         {expected}"
    )]
    Peak { peak: u64, expected: u64 },
    #[error("there are {workers} workers, and {expected} were to be")]
    Workers { workers: usize, expected: usize },
    #[error("the measurement does not hold: {0}")]
    Flaw(String),
}

/// All that is wrong with a run.
pub(crate) fn faults(
    shape: &Shape,
    processes: usize,
    run: Run,
    evidence: &Evidence,
) -> Vec<Fault> {
    let requests = run.count();
    let concurrency = run.at_once() as u64;
    let measured = evidence.elapsed;
    let mut faults = Vec::new();
    for (why, count) in &evidence.failures {
        faults.push(Fault::Failed {
            count: *count,
            requests,
            why: why.clone(),
        });
    }
    if evidence.workers != processes {
        faults.push(Fault::Workers {
            workers: evidence.workers,
            expected: processes,
        });
    }
    if !faults.is_empty() {
        // The rest would only follow from it.
        return faults;
    }
    let bound = shape.bound(requests, concurrency);
    if measured < bound {
        faults.push(Fault::BeatsBound { measured, bound });
    }
    if let Some(told) = evidence.told
        && (told + ROUNDING < bound || told > measured + ROUNDING)
    {
        faults.push(Fault::Told { told, measured });
    }
    let served = evidence.stats.calls;
    let expected = requests * shape.calls;
    if served != expected {
        faults.push(Fault::Calls { served, expected });
    }
    let peak = evidence.stats.peak;
    let expected = shape.peak(requests, concurrency);
    if peak != expected {
        faults.push(Fault::Peak { peak, expected });
    }
    let flaws = evidence.flaws.iter().cloned();
    faults.extend(flaws.map(Fault::Flaw));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Stats;
    use crate::trace::timeline::Timeline;

    const SHAPE: Shape = Shape {
        slots: Some(2),
        request: Duration::from_millis(500),
        open_calls: 4,
        calls: 4,
    };
    const RUN: Run = Run {
        requests: Some(20),
        concurrency: 50,
        talk: None,
        uwsgi: None,
    };

    fn whole() -> Evidence {
        Evidence {
            requests: 20,
            elapsed: Duration::from_millis(5010),
            failures: Vec::new(),
            flaws: Vec::new(),
            told: None,
            stats: Stats { calls: 80, peak: 8 },
            cpu_per_request: None,
            peak_memory: None,
            workers: 2,
            threads: 1,
            latency: hammer::Latency::default(),
            timeline: Timeline::default(),
            looks: Vec::new(),
        }
    }

    #[track_caller]
    fn refused(evidence: Evidence, why: &str) {
        let faults = faults(&SHAPE, 2, RUN, &evidence);
        let [fault] = &faults[..] else {
            panic!("not one fault: {faults:?}");
        };
        assert!(fault.to_string().contains(why), "{fault}");
    }

    #[test]
    fn a_whole_run_holds() {
        assert_eq!(faults(&SHAPE, 2, RUN, &whole()), []);
    }

    #[test]
    fn one_failed_request_spoils_a_run() {
        let failures = vec![("status 502".to_owned(), 1)];
        let evidence = Evidence {
            failures,
            ..whole()
        };
        refused(evidence, "1 of 20 requests failed: status 502");
    }

    #[test]
    fn nothing_is_faster_than_its_bound() {
        let elapsed = Duration::from_millis(4999);
        let evidence = Evidence { elapsed, ..whole() };
        refused(evidence, "it took 4.9990 s, where 5.0000 s");
    }

    #[test]
    fn every_call_is_to_be_made_and_as_many_at_once_as_claimed() {
        let with = |calls, peak| Evidence {
            stats: Stats { calls, peak },
            ..whole()
        };
        refused(with(79, 8), "served 79 calls, and 80 were");
        refused(
            with(80, 2),
            "had 2 calls waiting at once, and the model has 8",
        );
        refused(with(80, 9), "had 9 calls");
    }

    #[test]
    fn workers_are_counted() {
        let evidence = Evidence {
            workers: 1,
            ..whole()
        };
        refused(evidence, "1 workers, and 2");
    }

    #[test]
    fn the_hammers_doubt_is_ours() {
        let flaws = vec!["busy".to_owned()];
        refused(Evidence { flaws, ..whole() }, "does not hold: busy");
    }

    #[test]
    fn the_app_may_not_tell_less_than_it_takes() {
        let run = Run {
            requests: None,
            ..RUN
        };
        let told = |told, elapsed| {
            let evidence = Evidence {
                requests: 1,
                told: Some(Duration::from_millis(told)),
                elapsed: Duration::from_millis(elapsed),
                stats: Stats { calls: 4, peak: 4 },
                ..whole()
            };
            faults(&SHAPE, 2, run, &evidence).len()
        };
        assert_eq!(told(501, 502), 0);
        assert_eq!(told(499, 502), 1);
        assert_eq!(told(504, 502), 1);
    }
}
