//! What a step costs: processor time, memory, threads and context switches
//! of the app, and how busy the backend was, from `/proc`.

use std::time::{Duration, Instant};

use crate::procfs::{self, Family, Switches};
use crate::watch::Watch;

/// Somebody who measures what a load costs.
pub(super) struct Meter {
    master: u32,
    app: Family,
    watch: Watch,
    cpu: Option<Duration>,
    switches: Option<Switches>,
    backend: Family,
    /// When the load began and ended that was measured, and what each
    /// process of the backend had used by then.
    from: Option<Reading>,
    to: Option<Reading>,
}

/// What was seen.
pub(super) struct Cost {
    /// From the first request to the last answer, the warm-up included.
    pub(super) cpu: Duration,
    pub(super) switches: Switches,
    /// The most at one moment, of all workers.
    pub(super) memory_bytes: u64,
    pub(super) threads: u64,
    pub(super) backend_busy: f64,
    /// Whether the workers are those of the beginning.
    pub(super) same_workers: bool,
}

struct Reading {
    at: Instant,
    /// Processor time and waits for a core, of each process.
    busy: Vec<Duration>,
}

impl Meter {
    /// Begins to measure the workers of two masters, under a load that lasts
    /// about that long.
    pub(super) fn begin(app: u32, backend: u32, lasts: Duration) -> Self {
        let family = Family::of(app);
        Self {
            master: app,
            watch: Watch::begin(app, lasts),
            cpu: family.cpu(),
            switches: family.switches(),
            app: family,
            backend: Family::of(backend),
            from: None,
            to: None,
        }
    }

    /// Takes note that the load is what it is to be, unless it has.
    pub(super) fn load_begins(&mut self) {
        self.from.get_or_insert_with(|| Reading::of(&self.backend));
    }

    /// Takes note that no request comes any more, unless it has.
    pub(super) fn load_ends(&mut self) {
        self.to.get_or_insert_with(|| Reading::of(&self.backend));
    }

    pub(super) fn end(mut self) -> Cost {
        self.load_begins();
        self.load_ends();
        let cpu = self.app.cpu().zip(self.cpu);
        let switches = self.app.switches().zip(self.switches);
        let looks = self.watch.end();
        let memory = looks.iter().map(|look| look.memory).max();
        let threads = looks.iter().map(|look| look.threads as u64).max();
        Cost {
            cpu: cpu
                .map(|(after, before)| after.saturating_sub(before))
                .unwrap_or_default(),
            switches: switches
                .map(|(after, before)| after.since(before))
                .unwrap_or_default(),
            memory_bytes: memory.unwrap_or(0),
            threads: threads.unwrap_or(0),
            backend_busy: match (&self.from, &self.to) {
                (Some(from), Some(to)) => to.busy_since(from),
                _ => 0.0,
            },
            same_workers: Family::of(self.master).workers == self.app.workers,
        }
    }
}

impl Reading {
    fn of(family: &Family) -> Self {
        let workers = family.workers.iter();
        Self {
            at: Instant::now(),
            busy: workers.map(|&w| procfs::busy(w)).collect(),
        }
    }

    /// The share of the time that the busiest process ran, or waited for a
    /// core.
    fn busy_since(&self, before: &Self) -> f64 {
        let elapsed = self.at.duration_since(before.at);
        let pairs = self.busy.iter().zip(&before.busy);
        let busy = pairs.map(|(after, before)| after.saturating_sub(*before));
        match (busy.max(), elapsed.is_zero()) {
            (Some(busy), false) => busy.div_duration_f64(elapsed).min(1.0),
            _ => 0.0,
        }
    }
}
