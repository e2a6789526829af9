//! What a step costs: processor time, memory, threads and context switches
//! of the app, and who was short of a core, from `/proc`.

use std::time::{Duration, Instant};

use crate::catalogue::cores;
use crate::procfs::{self, Family, Switches};
use crate::size_watch::Watch;

/// Somebody who measures what a load costs.
pub(super) struct Meter {
    app: Family,
    backend: Family,
    watch: Watch,
    cpu: Option<Duration>,
    switches: Option<Switches>,
    /// When the load began and ended that was measured.
    from: Option<Reading>,
    to: Option<Reading>,
}

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// From the first request to the last answer, the warm-up included.
    pub(super) cpu: Duration,
    pub(super) switches: Switches,
    /// The most at one moment, of all workers.
    pub(super) memory_bytes: u64,
    pub(super) threads: u64,
    /// The shares of the time that the busiest process ran, or waited for a
    /// core.
    pub(super) app_busy: f64,
    pub(super) backend_busy: f64,
    /// The share of all cores that others had: neither the app nor its
    /// backend nor this process.
    pub(super) others: f64,
    /// Whether the workers are those of the beginning.
    pub(super) same_workers: bool,
}

impl Meter {
    /// Begins to measure the workers of two masters, under a load that lasts
    /// about that long.
    pub(super) fn begin(app: u32, backend: u32, lasts: Duration) -> Self {
        let family = Family::of(app);
        Self {
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
        self.from
            .get_or_insert_with(|| Reading::of(&self.app, &self.backend));
    }

    /// Takes note that no request comes any more, unless it has.
    pub(super) fn load_ends(&mut self) {
        self.to
            .get_or_insert_with(|| Reading::of(&self.app, &self.backend));
    }

    pub(super) fn end(mut self) -> Cost {
        self.load_begins();
        self.load_ends();
        let cpu = self.app.cpu().zip(self.cpu);
        let switches = self.app.switches().zip(self.switches);
        let looks = self.watch.end();
        let memory = looks.iter().map(|look| look.memory).max();
        let threads = looks.iter().map(|look| look.threads as u64).max();
        let shares = self.to.zip(self.from);
        let shares = shares.map(|(to, from)| to.since(&from));
        let [app_busy, backend_busy, others] = shares.unwrap_or_default();
        Cost {
            cpu: cpu
                .map(|(after, before)| after.saturating_sub(before))
                .unwrap_or_default(),
            switches: switches
                .map(|(after, before)| after.since(before))
                .unwrap_or_default(),
            memory_bytes: memory.unwrap_or(0),
            threads: threads.unwrap_or(0),
            app_busy,
            backend_busy,
            others,
            same_workers: self.app.is_whole(),
        }
    }
}

/// What everybody had used by a moment.
struct Reading {
    at: Instant,
    app: Vec<Duration>,
    backend: Vec<Duration>,
    ours: Duration,
    machine: Option<Duration>,
}

impl Reading {
    fn of(app: &Family, backend: &Family) -> Self {
        let busy = |family: &Family| {
            family.workers.iter().map(|&w| procfs::busy(w)).collect()
        };
        let ours = [app.cpu(), backend.cpu(), procfs::own_cpu()];
        Self {
            at: Instant::now(),
            app: busy(app),
            backend: busy(backend),
            ours: ours.into_iter().flatten().sum(),
            machine: procfs::machine(cores()),
        }
    }

    /// How busy app and backend were, and which share others had.
    fn since(&self, before: &Self) -> [f64; 3] {
        let elapsed = self.at.duration_since(before.at);
        if elapsed.is_zero() {
            return [0.0; 3];
        }
        let busiest = |after: &[Duration], before: &[Duration]| {
            let pairs = after.iter().zip(before);
            let busy = pairs.map(|(after, b)| after.saturating_sub(*b)).max();
            busy.unwrap_or_default().div_duration_f64(elapsed).min(1.0)
        };
        let ours = self.ours.saturating_sub(before.ours);
        let others = self.machine.zip(before.machine).map(|(after, before)| {
            let all = after.saturating_sub(before);
            let others = all.saturating_sub(ours);
            others.div_duration_f64(elapsed) / cores() as f64
        });
        [
            busiest(&self.app, &before.app),
            busiest(&self.backend, &before.backend),
            others.unwrap_or(0.0),
        ]
    }
}
