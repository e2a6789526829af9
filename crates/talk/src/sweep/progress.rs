//! How far a sweep is, and how long it still takes: a bar on a terminal, and
//! a line for each model and round elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::print::note;
use crate::progress::bar;

/// How far a sweep is. Many may tell of it at the same time.
pub(super) struct Progress {
    bar: ProgressBar,
    clock: Mutex<Clock>,
    begun: Instant,
}

impl Progress {
    /// Of pieces that take so long, about, one after the other.
    pub(super) fn new(pieces: Vec<Duration>) -> Self {
        Self {
            bar: bar(1000),
            clock: Mutex::new(Clock::new(pieces)),
            begun: Instant::now(),
        }
    }

    /// A piece is over.
    pub(super) fn over(&self) {
        self.clock().over(self.begun.elapsed());
        self.tick();
    }

    /// Nothing was left to do of a piece.
    pub(super) fn skip(&self) {
        self.clock().skip(self.begun.elapsed());
        self.tick();
    }

    /// What is going on now.
    pub(super) fn say(&self, what: &str) {
        let left = self.tick();
        self.bar
            .set_message(format!("{} left · {what}", told(left)));
    }

    /// Shows that time passes.
    pub(super) fn tick(&self) -> Duration {
        let now = self.begun.elapsed();
        let left = self.clock().left(now);
        let whole = (now + left).as_secs_f64().max(1e-3);
        let share = now.as_secs_f64() / whole;
        self.bar.set_position((share * 1000.0) as u64);
        left
    }

    /// Tells of something that is over.
    pub(super) fn tell(&self, line: &str) {
        if self.bar.is_hidden() {
            let left = self.clock().left(self.begun.elapsed());
            note!("{line} ({} left)", told(left));
        } else {
            self.bar.println(line);
        }
    }

    /// Tells of something that was over before this began.
    pub(super) fn recall(&self, line: &str) {
        if self.bar.is_hidden() {
            note!("{line} (kept)");
        } else {
            self.bar.println(format!("{line} (kept)"));
        }
    }

    fn clock(&self) -> impl std::ops::DerefMut<Target = Clock> {
        // A clock is whole whoever panicked.
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Tells the time that is left of pieces by what they were expected to take,
/// and how wrong that was so far.
#[derive(Debug)]
struct Clock {
    expected: Vec<Duration>,
    /// How many are over, and when the last of them was.
    over: usize,
    at: Duration,
}

impl Clock {
    fn new(expected: Vec<Duration>) -> Self {
        Self {
            expected,
            over: 0,
            at: Duration::ZERO,
        }
    }

    fn over(&mut self, now: Duration) {
        self.over = (self.over + 1).min(self.expected.len());
        self.at = now;
    }

    /// It took no time, and says nothing of the others.
    fn skip(&mut self, now: Duration) {
        if self.over < self.expected.len() {
            self.expected.remove(self.over);
        }
        self.at = now;
    }

    fn left(&self, now: Duration) -> Duration {
        let (past, coming) = self.expected.split_at(self.over);
        let past: Duration = past.iter().sum();
        // Before a good part is over, the expectation is all there is.
        let factor = match past > Duration::from_secs(5) {
            true => self.at.div_duration_f64(past).clamp(0.2, 5.0),
            false => 1.0,
        };
        let coming = coming.iter().map(|piece| piece.mul_f64(factor));
        let mut coming = coming.collect::<Vec<_>>().into_iter();
        let current = coming.next().unwrap_or_default();
        let current = current.saturating_sub(now.saturating_sub(self.at));
        current + coming.sum::<Duration>()
    }
}

/// `about 3 min`, `about 40 s`.
fn told(left: Duration) -> String {
    let seconds = left.as_secs_f64();
    match seconds < 90.0 {
        true => format!("about {:.0} s", (seconds / 5.0).ceil() * 5.0),
        false => format!("about {:.0} min", seconds / 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_left_follows_from_what_was_wrong() {
        let mut clock = Clock::new(vec![seconds(10), seconds(20), seconds(30)]);
        assert_eq!(clock.left(seconds(0)), seconds(60));
        assert_eq!(clock.left(seconds(4)), seconds(56));
        // Late, but the others may not be.
        assert_eq!(clock.left(seconds(14)), seconds(50));
        clock.over(seconds(20));
        assert_eq!(clock.left(seconds(20)), seconds(100));
        assert_eq!(clock.left(seconds(25)), seconds(95));
        clock.over(seconds(60));
        clock.over(seconds(120));
        assert_eq!(clock.left(seconds(121)), Duration::ZERO);
        clock.over(seconds(122));
    }

    #[test]
    fn what_was_kept_makes_nothing_look_quick() {
        let mut clock = Clock::new(vec![seconds(30), seconds(20), seconds(40)]);
        clock.skip(Duration::from_millis(100));
        clock.skip(Duration::from_millis(200));
        assert_eq!(clock.left(seconds(1)).as_secs(), 39);
    }

    #[test]
    fn time_is_told_no_more_exactly_than_it_is_known() {
        assert_eq!(told(seconds(0)), "about 0 s");
        assert_eq!(told(seconds(41)), "about 45 s");
        assert_eq!(told(seconds(100)), "about 2 min");
    }
}
