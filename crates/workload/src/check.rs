//! What no workload may be, whether it comes from a file or from flags.

use std::time::Duration;

use thiserror::Error;

use crate::{Call, Delay, Workload};

/// The longest delay, and the most work: a day.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The most bytes of an answer; the apps' clients read no more than 10 MB.
pub const LARGEST: usize = 8 << 20;
/// The most calls of a request.
pub const MOST_CALLS: usize = 1000;

/// A value that no workload may have, and the key that has it.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{key}: {reason}")]
pub struct BadValue {
    /// As a file names it.
    pub key: &'static str,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl Workload {
    /// Looks for values that no workload may have.
    ///
    /// # Errors
    ///
    /// The first value that is bad. A workload that was read from a file has
    /// none.
    pub fn check(&self) -> Result<(), BadValue> {
        within_a_day("work", self.work)?;
        if self.steps.is_empty() {
            return bad("steps", "a request needs at least one call");
        }
        if self.steps.iter().any(Vec::is_empty) {
            return bad("steps", "a step needs at least one call");
        }
        let calls = self.calls().count();
        if calls > MOST_CALLS {
            let reason = format!("{calls} calls are too many; ");
            return bad(
                "count",
                reason + &format!("give {MOST_CALLS} at most"),
            );
        }
        self.calls().try_for_each(Call::check)
    }
}

impl Call {
    pub(crate) fn check(&self) -> Result<(), BadValue> {
        self.delay.check()?;
        for (key, share) in [("fails", self.fails), ("hangs", self.hangs)] {
            if !(0.0..=1.0).contains(&share) {
                return bad(key, format!("{share} is no share; give 0 to 1"));
            }
        }
        if self.fails + self.hangs > 1.0 {
            let (fails, hangs) = (self.fails, self.hangs);
            let reason = format!("{hangs} beside {fails} that fail is over 1");
            return bad("hangs", reason);
        }
        if self.size > LARGEST {
            let reason = format!("{} bytes are too many; ", self.size);
            return bad("size", reason + &format!("give {LARGEST} at most"));
        }
        Ok(())
    }
}

impl Delay {
    pub(crate) fn check(&self) -> Result<(), BadValue> {
        match self {
            Self::Fixed(delay) => within_a_day("delay", *delay),
            Self::Range { from, to } => {
                within_a_day("to", *to)?;
                in_order("from", *from, "to", *to)
            }
            Self::Lognormal { median, p99 } => {
                within_a_day("p99", *p99)?;
                in_order("median", *median, "p99", *p99)?;
                if median.is_zero() {
                    let reason = "0 has no times around it; give more than 0";
                    return bad("median", reason);
                }
                Ok(())
            }
            Self::Measured(values) if values.is_empty() => {
                bad("values", "there is none; give one or more")
            }
            Self::Measured(values) => values
                .iter()
                .try_for_each(|&value| within_a_day("values", value)),
        }
    }
}

/// Reads a number of seconds as a file or a flag gives it.
pub(crate) fn seconds(seconds: f64) -> Result<Duration, String> {
    let duration = Duration::try_from_secs_f64(seconds).ok();
    let duration = duration.filter(|&duration| duration <= LONGEST);
    duration.ok_or_else(|| no_time(seconds))
}

fn within_a_day(key: &'static str, time: Duration) -> Result<(), BadValue> {
    match time <= LONGEST {
        true => Ok(()),
        false => bad(key, no_time(time.as_secs_f64())),
    }
}

fn no_time(seconds: f64) -> String {
    let longest = LONGEST.as_secs();
    format!("{seconds} is no time in seconds; give 0 to {longest}")
}

fn in_order(
    key: &'static str,
    less: Duration,
    than: &str,
    more: Duration,
) -> Result<(), BadValue> {
    if less <= more {
        return Ok(());
    }
    let (less, more) = (less.as_secs_f64(), more.as_secs_f64());
    bad(key, format!("{less} is more than {than}, which is {more}"))
}

fn bad<T>(key: &'static str, reason: impl Into<String>) -> Result<T, BadValue> {
    let reason = reason.into();
    Err(BadValue { key, reason })
}
