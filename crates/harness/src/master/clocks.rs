//! When a worker is stuck.
//!
//! There are two clocks, since each is blind where the other sees: an event
//! loop may come round for ever while one of its requests does not, and a
//! worker that is stopped may have no request in hand.

use std::fmt;
use std::time::{Duration, Instant};

use super::Limits;
use super::child::Child;
use crate::board::Moment;

/// How often the clocks are looked at, at the most and at the least: each
/// look wakes a master that may have nothing else to do.
const PAUSES: (Duration, Duration) =
    (Duration::from_millis(10), Duration::from_secs(5));
/// A look that is later than this, and than a pause, tells that the master
/// itself was stopped. (A worker's last beat is then no older than a sixth
/// of its limit and two pauses, or a pause and this: less than its limit,
/// which is three seconds or more.)
const LATE: Duration = Duration::from_secs(1);

/// The clocks of a master's workers.
#[derive(Debug)]
pub(super) struct Clocks {
    limits: Limits,
    looked: Instant,
    /// Nothing counts that was before: the master was stopped then, and
    /// perhaps its workers with it.
    since: Moment,
}

/// A worker that is stuck, and why it is taken to be.
#[derive(Debug)]
pub(super) struct Stuck {
    number: usize,
    pid: i32,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Request { line: String, age: Duration },
    Silent { age: Duration },
}

impl Clocks {
    pub(super) fn start(limits: Limits) -> Self {
        Self {
            limits,
            looked: Instant::now(),
            since: Moment::now(),
        }
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// When to look at them next.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.pause().map(|pause| self.looked + pause)
    }

    /// A quarter of a limit is how much later it may be kept.
    fn pause(&self) -> Option<Duration> {
        let Limits {
            harakiri,
            heartbeat,
            ..
        } = self.limits;
        let limit = harakiri.into_iter().chain(heartbeat).min()?;
        Some((limit / 4).clamp(PAUSES.0, PAUSES.1))
    }

    /// Notes that the clocks are looked at; where that should have been long
    /// ago, they start afresh.
    pub(super) fn look(&mut self, now: Instant) {
        if let Some(pause) = self.pause() {
            let next = self.looked + pause;
            if now.saturating_duration_since(next) > LATE.max(pause) {
                self.since = Moment::now();
            }
        }
        self.looked = now;
    }

    /// Whether a worker is stuck.
    pub(super) fn is_stuck(&self, child: &Child) -> Option<Stuck> {
        self.has_stuck_request(child)
            .or_else(|| Stuck::new(child, self.silent(child)?))
    }

    /// Whether a worker has had a request for too long, which it may not
    /// have either once it was told to stop.
    pub(super) fn has_stuck_request(&self, child: &Child) -> Option<Stuck> {
        Stuck::new(child, self.request(child)?)
    }

    fn request(&self, child: &Child) -> Option<Why> {
        let limit = self.limits.harakiri?;
        let request = child.board().oldest()?;
        let age = self.age(request.began);
        let line = request.line;
        (age > limit).then_some(Why::Request { line, age })
    }

    fn silent(&self, child: &Child) -> Option<Why> {
        let limit = child.heartbeat()?;
        let age = if child.is_ready() {
            self.age(child.board().oldest_beat()?)
        } else {
            // It should take requests by now.
            child.age().min(self.age(self.since))
        };
        (age > limit).then_some(Why::Silent { age })
    }

    fn age(&self, moment: Moment) -> Duration {
        Moment::now().since(moment.max(self.since))
    }
}

impl Stuck {
    /// `None` where it was killed for it already.
    fn new(child: &Child, why: Why) -> Option<Self> {
        let stuck = || Self {
            number: child.number(),
            pid: child.pid().as_raw(),
            why,
        };
        (!child.was_killed()).then(stuck)
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, pid, why } = self;
        write!(f, "worker {number} (pid {pid}) ")?;
        match why {
            Why::Request { line, age } => {
                let age = age.as_secs_f64();
                write!(f, "has had a request in hand for {age:.1} s: {line}")
            }
            Why::Silent { age } => {
                let age = age.as_secs_f64();
                write!(f, "has not been heard of for {age:.1} s")
            }
        }
    }
}
