//! Says when the next request starts: the one place that knows the stop and
//! the schedule. The engine's loop asks it, and knows neither.

use crate::load::{Load, Schedule, Stop};
use crate::schedule::Moments;

/// What to do about the next request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Next {
    /// Start it: it is due now, or was at that moment.
    Due { index: u64, at: u64 },
    /// Nothing before that moment.
    At(u64),
    /// Nothing before a request under way ends.
    Busy,
    /// Nothing any more.
    Done,
}

/// One thread's share of a load: every `threads`-th request.
pub(crate) struct Pacer {
    pace: Pace,
    /// The next request's number among those of all threads.
    index: u64,
    step: u64,
    /// How many measured requests are still to start.
    left: u64,
    /// No measured request is due before the one and none starts from the
    /// other on, in nanoseconds.
    warm: u64,
    end: u64,
}

enum Pace {
    Closed {
        concurrency: usize,
        /// So long until all of them have begun, in nanoseconds.
        stagger: u64,
    },
    Open {
        moments: Moments,
        next: u64,
    },
}

impl Pacer {
    pub(crate) fn new(load: &Load, thread: usize) -> Self {
        let threads = match load.schedule {
            // Of more threads than requests at once some have none.
            Schedule::Closed { concurrency } => load.threads.min(concurrency),
            Schedule::Open { .. } => load.threads,
        };
        let (thread, step) = (thread as u64, threads.max(1) as u64);
        // The first threads take what does not divide evenly.
        let share = |total: u64| match thread < step {
            true => total / step + u64::from(thread < total % step),
            false => 0,
        };
        let warm = load.warmup.as_nanos() as u64;
        let (left, end) = match load.stop {
            Stop::Requests(total) => (share(total), u64::MAX),
            Stop::After(_) if thread >= step => (0, u64::MAX),
            Stop::After(length) => {
                let length = length.as_nanos() as u64;
                (u64::MAX, warm.saturating_add(length))
            }
        };
        let pace = match &load.schedule {
            Schedule::Closed { concurrency } => Pace::Closed {
                concurrency: share(*concurrency as u64) as usize,
                stagger: load.stagger.as_nanos() as u64,
            },
            Schedule::Open { rate, arrivals, .. } => {
                let mut moments = Moments::new(rate.clone(), *arrivals);
                let next = moments.moment(thread);
                Pace::Open { moments, next }
            }
        };
        Self {
            pace,
            index: thread,
            step,
            left,
            warm,
            end,
        }
    }

    /// A request that is handed out is the caller's to start.
    pub(crate) fn next(&mut self, now: u64, in_flight: usize) -> Next {
        let at = match &mut self.pace {
            Pace::Closed { .. } if self.left == 0 || now >= self.end => {
                return Next::Done;
            }
            Pace::Closed {
                concurrency,
                stagger,
            } => {
                if in_flight >= *concurrency {
                    return Next::Busy;
                }
                // The next is one too many before its own moment.
                let share = in_flight as f64 / *concurrency as f64;
                let moment = (*stagger as f64 * share) as u64;
                if now < moment {
                    return Next::At(moment);
                }
                now
            }
            Pace::Open { next, .. } if self.left == 0 || *next >= self.end => {
                return Next::Done;
            }
            Pace::Open { next, .. } if *next > now => return Next::At(*next),
            Pace::Open { moments, next } => {
                let at = *next;
                *next = moments.moment(self.index + self.step);
                at
            }
        };
        let index = self.index;
        self.index += self.step;
        if at >= self.warm && self.left != u64::MAX {
            self.left -= 1;
        }
        Next::Due { index, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::load::{Arrivals, Rate};

    fn closed(concurrency: usize, stop: Stop, threads: usize) -> Load {
        Load {
            schedule: Schedule::Closed { concurrency },
            stop,
            threads,
            ..Load::default()
        }
    }

    fn open(stop: Stop, threads: usize) -> Load {
        Load {
            schedule: Schedule::Open {
                rate: Rate::constant(1000.0),
                arrivals: Arrivals::Constant,
                max_connections: 1,
            },
            ..closed(0, stop, threads)
        }
    }

    /// The moments of all requests, asked for far too late.
    fn drain(load: &Load) -> Vec<u64> {
        let mut due = Vec::new();
        for thread in 0..load.threads {
            let mut pacer = Pacer::new(load, thread);
            while let Next::Due { at, .. } = pacer.next(u64::MAX - 1, 0) {
                due.push(at);
            }
        }
        due.sort_unstable();
        due
    }

    #[test]
    fn a_closed_loop_waits_for_an_answer() {
        let mut pacer = Pacer::new(&closed(2, Stop::Requests(3), 1), 0);
        assert_eq!(pacer.next(5, 0), Next::Due { index: 0, at: 5 });
        assert_eq!(pacer.next(6, 1), Next::Due { index: 1, at: 6 });
        assert_eq!(pacer.next(7, 2), Next::Busy);
        assert_eq!(pacer.next(8, 1), Next::Due { index: 2, at: 8 });
        assert_eq!(pacer.next(9, 1), Next::Done);
    }

    #[test]
    fn a_staggered_loop_fills_evenly() {
        let mut load = closed(4, Stop::Requests(9), 1);
        load.stagger = Duration::from_nanos(400);
        let mut pacer = Pacer::new(&load, 0);
        assert_eq!(pacer.next(0, 0), Next::Due { index: 0, at: 0 });
        assert_eq!(pacer.next(1, 1), Next::At(100));
        assert_eq!(pacer.next(100, 1), Next::Due { index: 1, at: 100 });
        // One was answered, and the next takes its place at once.
        assert_eq!(pacer.next(150, 1), Next::Due { index: 2, at: 150 });
        assert_eq!(pacer.next(150, 2), Next::At(200));
        assert_eq!(pacer.next(400, 3), Next::Due { index: 3, at: 400 });
        assert_eq!(pacer.next(400, 4), Next::Busy);
    }

    #[test]
    fn an_open_loop_waits_for_the_moment_only() {
        let mut pacer = Pacer::new(&open(Stop::Requests(2), 1), 0);
        assert_eq!(pacer.next(0, 0), Next::Due { index: 0, at: 0 });
        assert_eq!(pacer.next(1, 99), Next::At(1_000_000));
        let due = Next::Due {
            index: 1,
            at: 1_000_000,
        };
        assert_eq!(pacer.next(3_000_000, 99), due);
        assert_eq!(pacer.next(3_000_000, 99), Next::Done);
    }

    #[test]
    fn threads_share_the_requests_exactly() {
        for threads in 1..5 {
            let due = drain(&open(Stop::Requests(10), threads));
            let even: Vec<_> = (0..10).map(|n| n * 1_000_000).collect();
            assert_eq!(due, even, "{threads} threads");
            for concurrency in [1, 2, 7] {
                let load = closed(concurrency, Stop::Requests(10), threads);
                let what = format!("{threads} threads, {concurrency} at once");
                assert_eq!(drain(&load).len(), 10, "{what}");
            }
        }
    }

    #[test]
    fn a_duration_ends_before_the_moment_it_names() {
        let length = Duration::from_millis(5);
        assert_eq!(drain(&open(Stop::After(length), 1)).len(), 5);
    }

    #[test]
    fn the_warm_up_comes_on_top() {
        let mut load = open(Stop::Requests(10), 1);
        load.warmup = Duration::from_millis(3);
        assert_eq!(drain(&load).len(), 13);
        load.stop = Stop::After(Duration::from_millis(5));
        assert_eq!(drain(&load).len(), 8);
    }
}
