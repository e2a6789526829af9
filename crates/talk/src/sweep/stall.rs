//! The drill: the backend freezes for a second, under half of the load that
//! the model holds, or under that which is needed. What is due then is late in
//! any model; how long the backlog takes to go is a matter of what the model
//! has in reserve.

use std::ops::ControlFlow;
use std::panic;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use hammer::{Each, Load as HammerLoad, Stop};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::pace::Outlook;
use super::record::{Load, Slice, Step};
use super::stand::Stand;
use super::step::{CONNECTIONS, Frame};
use crate::deploy::Server;
use crate::order::median;
use crate::procfs;

/// How long it freezes.
pub(super) const FREEZE: Duration = Duration::from_secs(1);
const SLICE: Duration = Duration::from_millis(100);
/// What the hammer needs until its first request is due.
const HEAD_START: Duration = Duration::from_millis(5);

/// The highest rate at which the hammer has connections for all that is due
/// while nobody is answered. What it could not send would say nothing of a
/// model.
pub(super) fn highest(outlook: &Outlook) -> f64 {
    CONNECTIONS / (FREEZE + 2 * outlook.mean).as_secs_f64()
}

/// Loads a deployment, freezes its backend, and looks on.
pub(super) fn drill(
    frame: &Frame<'_>,
    stand: &mut Stand<'_>,
    rate: f64,
) -> Result<Step> {
    let (before, after) = frame.pace.around_stall();
    let arrivals = frame.arrivals(stand, rate);
    let warm_up = arrivals.warmup;
    let length = before + FREEZE + after;
    let load = HammerLoad {
        stop: Stop::After(length),
        tell_each: true,
        ..arrivals
    };
    let master = stand.backend.server.as_ref().map_or(0, Server::pid);
    let backend = procfs::children(master);
    let begin = Instant::now() + HEAD_START + warm_up;
    let ((from, to), measured) = thread::scope(|scope| {
        let frozen = scope.spawn(|| {
            let wait = (begin + before).duration_since(Instant::now());
            thread::sleep(wait);
            let frozen = Frozen::freeze(&backend);
            let from = begin.elapsed();
            thread::sleep(FREEZE);
            drop(frozen);
            (from, begin.elapsed())
        });
        let ends = warm_up + length;
        let measured =
            stand.measure(&load, ends, |_| ControlFlow::Continue(()));
        let frozen = frozen
            .join()
            .unwrap_or_else(|panic| panic::resume_unwind(panic));
        (frozen, measured)
    });
    let (outcome, cost) = measured?;
    let load = Load::Stall {
        rate,
        from_seconds: from.as_secs_f64(),
        for_seconds: (to - from).as_secs_f64(),
    };
    let mut step = frame.open_step(load, &outcome, &cost);
    step.series = slices(&outcome.each, warm_up);
    Ok(step)
}

/// Processes that stand still until this is dropped.
struct Frozen<'a>(&'a [u32]);

impl<'a> Frozen<'a> {
    fn freeze(processes: &'a [u32]) -> Self {
        let frozen = Self(processes);
        frozen.signal(Signal::SIGSTOP);
        frozen
    }

    fn signal(&self, signal: Signal) {
        let pids = self.0.iter().filter_map(|&pid| i32::try_from(pid).ok());
        for pid in pids {
            // One that has ended stands still as well.
            kill(Pid::from_raw(pid), signal).ok();
        }
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.signal(Signal::SIGCONT);
    }
}

/// The requests by the moment at which they were due, which is counted from
/// the end of the warm-up.
fn slices(each: &[Each], warm_up: Duration) -> Vec<Slice> {
    let number = |each: &Each| {
        let due = each.due.saturating_sub(warm_up);
        (due.as_nanos() / SLICE.as_nanos()) as u32
    };
    let slices = each.chunk_by(|one, next| number(one) == number(next));
    let slice = |requests: &[Each]| {
        let from = SLICE * requests.first().map_or(0, number);
        let latencies = requests.iter().filter_map(|each| each.latency);
        let latencies = latencies.map(|latency| latency.as_secs_f64());
        let mut latencies: Vec<_> = latencies.collect();
        latencies.sort_unstable_by(f64::total_cmp);
        Slice {
            from_seconds: from.as_secs_f64(),
            requests: requests.len() as u64,
            failed: (requests.len() - latencies.len()) as u64,
            p50_seconds: median(&latencies).unwrap_or(0.0),
            max_seconds: latencies.last().copied().unwrap_or(0.0),
        }
    };
    slices.map(slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_sliced_by_when_they_were_due() {
        let each = |due, latency: Option<u64>| Each {
            due: Duration::from_millis(due),
            latency: latency.map(Duration::from_millis),
        };
        let each = [
            each(1000, Some(30)),
            each(1050, Some(10)),
            each(1099, Some(20)),
            each(1100, None),
            each(1350, Some(400)),
            each(1399, None),
            each(1400, Some(10)),
            each(1499, Some(30)),
        ];
        let slices = slices(&each, Duration::from_secs(1));
        let told = slices.iter().map(|slice| {
            let millis = |seconds: f64| (seconds * 1e3).round() as u64;
            let Slice {
                from_seconds,
                requests,
                failed,
                p50_seconds,
                max_seconds,
            } = *slice;
            let times = [from_seconds, p50_seconds, max_seconds].map(millis);
            (times, requests, failed)
        });
        let told: Vec<_> = told.collect();
        assert_eq!(
            told,
            [
                ([0, 20, 30], 3, 0),
                ([100, 0, 0], 1, 1),
                ([300, 400, 400], 2, 1),
                ([400, 20, 30], 2, 0)
            ]
        );
    }
}
