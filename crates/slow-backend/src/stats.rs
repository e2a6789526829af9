//! What the backend knows of its callers, over all its processes.

use std::num::NonZeroUsize;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use harness::shared::Counters;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::Serialize;

/// Counters in memory that the workers share.
#[derive(Clone, Copy)]
pub(crate) struct Stats {
    calls: &'static AtomicU64,
    waiting: &'static AtomicU64,
    peak: &'static AtomicU64,
    /// Of each worker: how many of those that wait do so in it, which is to
    /// be forgotten if it dies, and its pid.
    by_worker: &'static [[AtomicU64; 2]],
}

/// The counters at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    /// Calls served since the reset.
    calls: u64,
    /// Calls that wait now.
    waiting: u64,
    /// The most calls that waited at once since the reset.
    peak: u64,
}

impl Stats {
    pub(crate) fn new(processes: usize) -> Result<Self> {
        let count = NonZeroUsize::MIN.saturating_add(2 + 2 * processes);
        let counters = Counters::new(count).context("cannot share counters")?;
        // They count as long as the process lives.
        match &**Box::leak(Box::new(counters)) {
            [calls, waiting, peak, by_worker @ ..] => Ok(Self {
                calls,
                waiting,
                peak,
                by_worker: by_worker.as_chunks().0,
            }),
            _ => anyhow::bail!("too few counters"),
        }
    }

    /// Forgets the waits of the worker that had this number before, unless
    /// it still finishes them.
    pub(crate) fn forget_predecessor(&self, worker: usize) {
        let Some([own, pid]) = self.by_worker.get(worker - 1) else {
            return;
        };
        let before = pid.swap(process::id().into(), Ordering::SeqCst);
        if !is_alive(before) {
            let stale = own.swap(0, Ordering::SeqCst);
            self.waiting.fetch_sub(stale, Ordering::SeqCst);
        }
    }

    /// None for a worker that was added to those at the start: what waits in
    /// it when it dies is not forgotten.
    fn own(&self, worker: usize) -> Option<&AtomicU64> {
        self.by_worker.get(worker - 1).map(|[own, _]| own)
    }

    /// Counts a call as waiting until the result is dropped.
    pub(crate) fn wait(self, worker: usize) -> Waiting {
        // In this order: a worker that is killed in between may leave one
        // too many, which is better than one too few where there is none.
        let waiting = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(own) = self.own(worker) {
            own.fetch_add(1, Ordering::SeqCst);
        }
        self.peak.fetch_max(waiting, Ordering::SeqCst);
        Waiting {
            stats: self,
            worker,
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            calls: self.calls.load(Ordering::SeqCst),
            waiting: self.waiting.load(Ordering::SeqCst),
            peak: self.peak.load(Ordering::SeqCst),
        }
    }

    /// Starts afresh: those that wait now are the first of the new peak.
    pub(crate) fn reset(&self) {
        self.calls.store(0, Ordering::SeqCst);
        let waiting = self.waiting.load(Ordering::SeqCst);
        self.peak.store(waiting, Ordering::SeqCst);
    }
}

fn is_alive(pid: u64) -> bool {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0);
    pid.is_some_and(|pid| kill(Pid::from_raw(pid), None).is_ok())
}

/// A call that waits; one whose caller goes away waits no longer.
pub(crate) struct Waiting {
    stats: Stats,
    worker: usize,
}

impl Waiting {
    /// Counts the call as served.
    pub(crate) fn serve(self) {
        self.stats.calls.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(own) = self.stats.own(self.worker) {
            own.fetch_sub(1, Ordering::SeqCst);
        }
        self.stats.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(stats: &Stats) -> [u64; 3] {
        let Snapshot {
            calls,
            waiting,
            peak,
        } = stats.snapshot();
        [calls, waiting, peak]
    }

    #[test]
    fn calls_and_the_peak_are_counted_over_the_workers() {
        let stats = Stats::new(2).unwrap();
        let (one, two) = (stats.wait(1), stats.wait(2));
        assert_eq!(shown(&stats), [0, 2, 2]);
        one.serve();
        assert_eq!(shown(&stats), [1, 1, 2]);
        stats.reset();
        assert_eq!(shown(&stats), [0, 1, 1]);
        drop(two);
        assert_eq!(shown(&stats), [0, 0, 1]);
    }

    #[test]
    fn a_worker_that_died_waits_no_longer() {
        let stats = Stats::new(2).unwrap();
        std::mem::forget((stats.wait(1), stats.wait(1)));
        let _two = stats.wait(2);
        stats.forget_predecessor(1);
        assert_eq!(shown(&stats), [0, 1, 3]);
    }

    #[test]
    fn a_worker_that_finishes_beside_its_successor_counts_for_itself() {
        let stats = Stats::new(1).unwrap();
        stats.forget_predecessor(1);
        let waits = stats.wait(1);
        // The one before is this process, which lives.
        stats.forget_predecessor(1);
        assert_eq!(shown(&stats), [0, 1, 1]);
        drop(waits);
        assert_eq!(shown(&stats), [0, 0, 1]);
    }
}
