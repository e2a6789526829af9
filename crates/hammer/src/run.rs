//! A run: threads that send, and this one, which sums up.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::collect::Collector;
use crate::engine::{Ended, Engine};
use crate::load::{Load, Schedule};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::snapshot::Snapshot;
use crate::{Error, limits};

/// Runs a load to its end.
///
/// It blocks, and calls `observe` on the calling thread four times a second
/// and once at the end. A `Break` ends the run early: requests under way are
/// given up, and the outcome tells of the rest.
pub fn run(
    load: &Load,
    mut observe: impl FnMut(&Snapshot) -> ControlFlow<()>,
) -> Result<Outcome, Error> {
    let plan = Plan::new(load)?;
    limits::allow(plan.connections, load.threads)?;
    let stop = AtomicBool::new(false);
    let (sender, batches) = mpsc::channel();
    let began = SystemTime::now();
    let epoch = Instant::now() + head_start(load);
    let engines = (0..load.threads)
        .map(|thread| Engine::new(&plan, thread, epoch))
        .collect::<Result<Vec<_>, _>>()?;
    let mut collector = Collector::new(load);

    let threads = thread::scope(|scope| {
        let mut threads = Vec::with_capacity(engines.len());
        for engine in engines {
            let (sender, stop) = (sender.clone(), &stop);
            // None goes on for the sake of a run that has come to nothing.
            let end_all = move || stop.store(true, Ordering::Relaxed);
            let thread =
                thread::Builder::new().spawn_scoped(scope, move || {
                    thread::sleep(epoch - Instant::now());
                    engine.run(stop, &sender).inspect_err(|_| end_all())
                });
            let what = "start a thread";
            threads.push(thread.map_err(|source| {
                end_all();
                Error::System { what, source }
            })?);
        }
        drop(sender);
        for batch in batches {
            if collector.absorb(&batch)
                && observe(&collector.snapshot(false)).is_break()
            {
                stop.store(true, Ordering::Relaxed);
            }
        }
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|p| resume_unwind(p)))
            .collect::<Result<Vec<Ended>, _>>()
    })?;

    let _ = observe(&collector.snapshot(true));
    let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
    let interrupted = stop.load(Ordering::Relaxed);
    Ok(collector.outcome(began, &threads, interrupted))
}

/// The first requests of a schedule would be late by as long as it takes to
/// start a thread.
fn head_start(load: &Load) -> Duration {
    match load.schedule {
        Schedule::Closed { .. } => Duration::ZERO,
        Schedule::Open { .. } => Duration::from_millis(5),
    }
}
