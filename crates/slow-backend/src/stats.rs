//! What the backend knows of its callers, over all its processes.

use std::num::NonZeroUsize;
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
    /// be forgotten if it dies, and its pid; zero where a slot is free.
    slots: &'static [[AtomicU64; 2]],
    /// This worker's; `None` where all were taken, and what waits in it when
    /// it dies is not forgotten.
    own: Option<&'static AtomicU64>,
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
        // Beside those that leave, and some that are added.
        let slots = 2 * processes + 16;
        let count = NonZeroUsize::MIN.saturating_add(2 + 2 * slots);
        let counters = Counters::new(count).context("cannot share counters")?;
        // They count as long as the process lives.
        match &**Box::leak(Box::new(counters)) {
            [calls, waiting, peak, slots @ ..] => Ok(Self {
                calls,
                waiting,
                peak,
                slots: slots.as_chunks().0,
                own: None,
            }),
            _ => anyhow::bail!("too few counters"),
        }
    }

    /// The same for the process with this pid, a worker that begins. The
    /// waits of those that have died are forgotten.
    pub(crate) fn of_worker(mut self, pid: u32) -> Self {
        for [own, owner] in self.slots {
            let before = owner.load(Ordering::SeqCst);
            let is_of_use = match before {
                0 => self.own.is_none(),
                pid => !is_alive(pid),
            };
            // It is taken before it is emptied: another worker may begin.
            let (then, now) = (Ordering::SeqCst, Ordering::SeqCst);
            let mine = u64::from(pid);
            let take = || owner.compare_exchange(before, mine, then, now);
            if !is_of_use || take().is_err() {
                continue;
            }
            let stale = own.swap(0, Ordering::SeqCst);
            self.waiting.fetch_sub(stale, Ordering::SeqCst);
            match self.own {
                Some(_) => owner.store(0, Ordering::SeqCst),
                None => self.own = Some(own),
            }
        }
        self
    }

    /// Counts a call as waiting until the result is dropped.
    pub(crate) fn wait(self) -> Waiting {
        // In this order: a worker that is killed in between may leave one
        // too many, which is better than one too few where there is none.
        let waiting = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(own) = self.own {
            own.fetch_add(1, Ordering::SeqCst);
        }
        self.peak.fetch_max(waiting, Ordering::SeqCst);
        Waiting { stats: self }
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
}

impl Waiting {
    /// Counts the call as served.
    pub(crate) fn serve(self) {
        self.stats.calls.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(own) = self.stats.own {
            own.fetch_sub(1, Ordering::SeqCst);
        }
        self.stats.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{self, Command};

    use super::*;

    fn shown(stats: &Stats) -> [u64; 3] {
        let Snapshot {
            calls,
            waiting,
            peak,
        } = stats.snapshot();
        [calls, waiting, peak]
    }

    /// The pid of a process that has ended.
    fn dead() -> u32 {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    }

    #[test]
    fn calls_and_the_peak_are_counted_over_the_workers() {
        let stats = Stats::new(2).unwrap();
        let here = process::id();
        let (one, two) = (stats.of_worker(here), stats.of_worker(here));
        let (one, two) = (one.wait(), two.wait());
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
        let died = stats.of_worker(dead());
        std::mem::forget((died.wait(), died.wait()));
        let _lives = stats.of_worker(process::id()).wait();
        assert_eq!(shown(&stats), [0, 1, 2]);
    }

    #[test]
    fn a_worker_that_leaves_beside_its_successors_counts_for_itself() {
        let stats = Stats::new(1).unwrap();
        let leaving = stats.of_worker(process::id()).wait();
        let died = stats.of_worker(dead());
        std::mem::forget(died.wait());
        let third = stats.of_worker(process::id()).wait();
        assert_eq!(shown(&stats), [0, 2, 2]);
        drop((leaving, third));
        assert_eq!(shown(&stats), [0, 0, 2]);
    }

    #[test]
    fn who_comes_when_all_places_are_taken_counts_all_the_same() {
        let stats = Stats::new(1).unwrap();
        let workers = [(); 30].map(|()| stats.of_worker(process::id()).wait());
        assert_eq!(shown(&stats)[1], 30);
        drop(workers);
        assert_eq!(shown(&stats)[1], 0);
    }
}
