//! Requests at a constant rate, each on a connection of its own, while
//! something happens to the server.

use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hammer::{Arrivals, Load, Outcome, Rate, Schedule, Stop};
use serde::Serialize;

use crate::measure::failures;

/// More than any run takes; the load ends when what it is for does.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how long answers are waited for once it is over. A request that was
/// sent before and has none by then is lost.
const GRACE: Duration = Duration::from_secs(1);

/// Where requests go, and how many a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) port: u16,
    pub(super) rate: f64,
    /// Whether each worker has a queue of its own.
    pub(super) has_queues: bool,
}

/// What became of the requests.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Answers {
    /// Those that were not sent, and have failed, are among them.
    pub(super) requests: u64,
    pub(super) failed: u64,
    /// Why, and how many.
    pub(super) why: Vec<(String, u64)>,
    /// Of those that were answered, in seconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) longest: f64,
}

/// Does `what` while requests come in, and tells what became of them.
pub(super) fn during<T>(
    target: Target,
    what: impl FnOnce() -> Result<T>,
) -> Result<(T, Answers)> {
    let Target { port, rate, .. } = target;
    let load = Load {
        targets: vec![hammer::Target::get(format!("http://127.0.0.1:{port}/"))],
        stop: Stop::After(LONGEST),
        schedule: Schedule::Open {
            rate: Rate::constant(rate),
            arrivals: Arrivals::Poisson { seed: 1 },
            max_connections: 2000,
        },
        timeout: PATIENCE,
        ..Load::default()
    };
    let over = AtomicBool::new(false);
    let (result, outcome) = thread::scope(|scope| {
        let hammer = Builder::new().spawn_scoped(scope, || {
            hammer::run(&load, |_| match over.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        })?;
        let result = what();
        if result.is_ok() {
            thread::sleep(GRACE);
        }
        over.store(true, Ordering::Relaxed);
        io::Result::Ok((result, hammer.join()))
    })
    .context("cannot start a thread that hammers")?;
    let Ok(outcome) = outcome else {
        bail!("the hammer panicked");
    };
    let outcome = outcome.context("cannot hammer")?;
    Ok((result?, Answers::of(&outcome)))
}

impl Answers {
    fn of(outcome: &Outcome) -> Self {
        let waiting = outcome.waiting.iter();
        let hung = waiting.filter(|&&time| time > GRACE).count() as u64;
        let mut why = failures(outcome);
        why.extend((hung > 0).then(|| ("no answer".to_owned(), hung)));
        let seconds = |time: Duration| time.as_secs_f64();
        Self {
            requests: outcome.requests + outcome.shed + hung,
            failed: outcome.failed + outcome.shed + hung,
            why,
            p50: seconds(outcome.latency.median()),
            p99: seconds(outcome.latency.p99()),
            longest: seconds(outcome.latency.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_sent_is_among_the_requests() {
        let answers = Answers::of(&Outcome {
            requests: 100,
            shed: 300,
            ..Outcome::default()
        });
        assert_eq!((answers.failed, answers.requests), (300, 400));
    }
}
