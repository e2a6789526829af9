//! What came of it: rows first, and the table and the file are made of them.

use std::io;

use anyhow::Result;
use serde::Serialize;

use crate::made::Made;
use crate::print::{self, note, say};
use crate::results::Machine;
use crate::site::Site;
use crate::table;

use super::limits::{Fit, Limits};

/// Raised when a field changes its meaning, comes or goes.
const VERSION: u32 = 1;

#[derive(Serialize)]
pub(super) struct Report {
    version: u32,
    machine: Machine,
    limits: Limits,
    made: Made,
    rows: Vec<Row>,
}

/// One deployment with so many requests in flight.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) deployment: String,
    /// Requests that were to be under way.
    pub(super) wanted: usize,
    /// Those that were, on average.
    pub(super) in_flight: f64,
    pub(super) fit: Fit,
    /// That lived at the end.
    pub(super) workers: usize,
    pub(super) bound_seconds: f64,
    pub(super) p50_seconds: f64,
    pub(super) p99_seconds: f64,
    pub(super) max_seconds: f64,
    pub(super) requests: u64,
    /// That began in a second, and so in the long run that were answered.
    pub(super) per_second: f64,
    /// Why requests failed, and how many did.
    pub(super) failures: Vec<(String, u64)>,
    /// The most that the backend had waiting.
    pub(super) calls_at_once: u64,
    /// Resident in all workers before the first request.
    pub(super) idle_bytes: u64,
    /// The most that was resident while it was measured.
    pub(super) loaded_bytes: u64,
    /// Processor time for each second.
    pub(super) app_cores: f64,
    pub(super) backend_cores: f64,
    pub(super) hammer_cores: f64,
    /// Why the hammer does not trust itself.
    pub(super) flaws: Vec<String>,
}

impl Row {
    /// What a request in flight takes of the app's memory, beyond what it
    /// has when idle.
    fn bytes_each(&self) -> f64 {
        let more = self.loaded_bytes.saturating_sub(self.idle_bytes);
        more as f64 / self.in_flight
    }

    fn failed(&self) -> u64 {
        self.failures.iter().map(|(_, count)| count).sum()
    }

    pub(super) fn line(&self) -> String {
        format!(
            "{}, {} in flight: {:.0}/s, p99 {:.3} s (× {:.2}), {} failed, \
             {:.0} KB each",
            self.deployment,
            self.wanted,
            self.per_second,
            self.p99_seconds,
            self.p99_seconds / self.bound_seconds,
            self.failed(),
            self.bytes_each() / 1e3,
        )
    }

    fn cells(&self) -> Vec<String> {
        let times = |seconds: f64| {
            let bound = self.bound_seconds;
            format!("{seconds:.3} × {:.2}", seconds / bound)
        };
        vec![
            self.deployment.clone(),
            self.wanted.to_string(),
            format!("{:.0}", self.in_flight),
            format!("{:.0}", self.per_second),
            times(self.p50_seconds),
            times(self.p99_seconds),
            self.failed().to_string(),
            self.calls_at_once.to_string(),
            format!("{:.1}", self.bytes_each() / 1e3),
            format!("{:.1}", self.idle_bytes as f64 / 1e6),
            format!("{:.2}", self.app_cores),
            format!("{:.2}", self.backend_cores),
            format!("{:.2}", self.hammer_cores),
            format!("{} + {}", self.workers, self.fit.backends.len()),
        ]
    }

    /// What is not as it should be.
    fn faults(&self) -> impl Iterator<Item = String> {
        let Self {
            deployment, wanted, ..
        } = self;
        let failed = self.failures.iter().map(move |(why, count)| {
            format!("{deployment}, {wanted} in flight: {count} failed: {why}")
        });
        let flaws = self.flaws.iter().map(move |flaw| {
            format!("{deployment}, {wanted} in flight: {flaw}")
        });
        failed.chain(flaws)
    }
}

impl Report {
    pub(super) fn new(site: &Site, limits: &Limits) -> Result<Self> {
        Ok(Self {
            version: VERSION,
            machine: Machine::this(),
            limits: limits.clone(),
            made: Made::here(site)?,
            rows: Vec::new(),
        })
    }

    pub(super) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(super) fn all_answered(&self) -> bool {
        self.rows.iter().all(|row| row.failed() == 0)
    }

    pub(super) fn show(&self) {
        let head = [
            "deployment",
            "wanted",
            "in flight",
            "req/s",
            "p50 s × bound",
            "p99 s × bound",
            "failed",
            "calls at once",
            "KB each",
            "idle MB",
            "cores: app",
            "backend",
            "hammer",
            "workers + backends",
        ];
        const SPARED: [&str; 9] = [
            "workers + backends",
            "hammer",
            "backend",
            "cores: app",
            "idle MB",
            "calls at once",
            "p50 s × bound",
            "KB each",
            "in flight",
        ];
        let rows = self.rows.iter().map(Row::cells);
        say!(
            "{}",
            table::fitted(&head, rows, &SPARED, print::room(&io::stdout()))
        );
        let Limits {
            cores,
            memory_bytes,
            files,
            ports,
        } = self.limits;
        let memory = memory_bytes.map_or_else(String::new, |bytes| {
            format!(", {:.1} GB of memory", bytes as f64 / 1e9)
        });
        say!(
            "\nThe machine: {cores} cores{memory}, {files} files a process, \
             {ports} ports an address."
        );
        for fault in self.rows.iter().flat_map(Row::faults) {
            note!("talk: {fault}");
        }
    }
}
