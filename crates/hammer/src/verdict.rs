//! The load generator's verdict on itself.
//!
//! A generator that was short of CPU reports its own queue as the server's.
//! The figures look no different, so it has to say so itself.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::outcome::{Cpu, Open};

/// A send this long after its moment is late.
pub(crate) const LATE: Duration = Duration::from_millis(1);

const BUSY_LIMIT: f64 = 0.9;
const LATE_LIMIT: f64 = 0.01;
const RATE_LIMIT: f64 = 0.01;
/// A burst of a few requests is all work and no wait, and no less true.
pub(crate) const SHORTEST: Duration = Duration::from_millis(250);

/// Why a measurement is not to be trusted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// The core of a sending thread was saturated.
    Saturated {
        /// The share of its time that the thread ran or waited for a core.
        busy: f64,
    },
    /// Requests were sent late.
    Late {
        /// The share that was late.
        share: f64,
    },
    /// The rate was not kept.
    RateMissed {
        /// Requests a second that were wanted.
        wanted: f64,
        /// Requests a second that were sent.
        sent: f64,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saturated { busy } => write!(
                f,
                "a thread of the load generator was busy for {:.0}% of the \
                 run, so the latencies may be its own; give it a core, more \
                 --threads or less load",
                busy * 100.0
            ),
            Self::Late { share } => write!(
                f,
                "{:.1}% of the requests were sent over {} ms late",
                share * 100.0,
                LATE.as_millis()
            ),
            Self::RateMissed { wanted, sent } => write!(
                f,
                "{sent:.1} requests/s were sent where {wanted:.1} were wanted"
            ),
        }
    }
}

pub(crate) fn flaws(
    elapsed: Duration,
    answered: u64,
    cpu: &Cpu,
    open: Option<&Open>,
) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    // Where nobody answers there is no latency to doubt.
    if elapsed >= SHORTEST && answered > 0 && cpu.busy > BUSY_LIMIT {
        flaws.push(Flaw::Saturated { busy: cpu.busy });
    }
    if let Some(open) = open {
        let share = open.late as f64 / open.sent.max(1) as f64;
        if share > LATE_LIMIT {
            flaws.push(Flaw::Late { share });
        }
        let (wanted, sent) = (open.wanted_rate, open.sent_rate);
        if (sent - wanted).abs() > wanted * RATE_LIMIT {
            flaws.push(Flaw::RateMissed { wanted, sent });
        }
    }
    flaws
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latency;

    fn open(late: u64, sent_rate: f64) -> Open {
        Open {
            due: 1000,
            sent: 1000,
            late,
            wanted_rate: 100.0,
            sent_rate,
            lag: Latency::default(),
            service: Latency::default(),
        }
    }

    #[track_caller]
    fn judged(seconds: u64, busy: f64, open: &Open) -> Vec<Flaw> {
        let cpu = Cpu {
            busy,
            ..Cpu::default()
        };
        flaws(Duration::from_secs(seconds), 1, &cpu, Some(open))
    }

    #[test]
    fn a_run_that_kept_its_schedule_is_valid() {
        assert_eq!(judged(10, 0.9, &open(10, 99.0)), []);
    }

    #[test]
    fn a_busy_core_spoils_a_run_but_not_a_burst() {
        let flaw = Flaw::Saturated { busy: 0.91 };
        assert_eq!(judged(1, 0.91, &open(0, 100.0)), [flaw]);
        assert_eq!(judged(0, 0.91, &open(0, 100.0)), []);
        let cpu = Cpu {
            busy: 1.0,
            ..Cpu::default()
        };
        assert_eq!(flaws(Duration::from_secs(9), 0, &cpu, None), []);
    }

    #[test]
    fn late_sends_and_a_missed_rate_spoil_a_run() {
        let late = Flaw::Late { share: 0.011 };
        assert_eq!(judged(1, 0.1, &open(11, 100.0)), [late]);
        let missed = Flaw::RateMissed {
            wanted: 100.0,
            sent: 98.9,
        };
        assert_eq!(judged(1, 0.1, &open(0, 98.9)), [missed]);
    }
}
