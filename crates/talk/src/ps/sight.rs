//! What two looks make up: shares of the time between them.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::look::Look;
use crate::masters::{Status, Unheard, WorkerStatus};
use crate::procfs;

/// What runs, as `--json` tells it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sight {
    /// Between the looks.
    pub(super) seconds: f64,
    pub(super) masters: Vec<Master>,
    pub(super) unheard: Vec<Unheard>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Master {
    pub(super) name: String,
    pub(super) pid: u32,
    pub(super) http: Option<SocketAddr>,
    pub(super) state: String,
    pub(super) generation: u64,
    /// Connections that no worker has taken yet.
    pub(super) waiting: u64,
    #[serde(flatten)]
    pub(super) cost: Cost,
    pub(super) workers: Vec<Worker>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Worker {
    #[serde(flatten)]
    pub(super) status: WorkerStatus,
    /// That it has taken, as the kernel counts them: not every server keeps
    /// account of them.
    pub(super) connections: usize,
    #[serde(flatten)]
    pub(super) cost: Cost,
}

/// What a process costs; `None` is what the kernel does not tell.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Cost {
    /// Of its threads together; 100 is one core.
    pub(super) cpu_percent: Option<f64>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) threads: Vec<Thread>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Thread {
    pub(super) tid: u32,
    pub(super) name: String,
    pub(super) cpu_percent: Option<f64>,
}

impl Sight {
    /// Shows what `after` has: `before` is what it is compared with.
    pub(super) fn between(before: &Look, after: &Look) -> Self {
        Self {
            seconds: after.at.duration_since(before.at).as_secs_f64(),
            masters: after
                .masters
                .iter()
                .map(|status| Master::of(status, before, after))
                .collect(),
            unheard: after.unheard.clone(),
        }
    }
}

impl Master {
    fn of(status: &Status, before: &Look, after: &Look) -> Self {
        let elapsed = after.at.duration_since(before.at);
        let cost = |pid| match after.processes.get(&pid) {
            Some(now) => Cost::of(before.processes.get(&pid), now, elapsed),
            None => Cost::default(),
        };
        let open = |pid| after.processes.get(&pid).map(|now| &now.sockets);
        let port = status.http.map(|http| http.port());
        let workers = status.workers.iter().map(|status| Worker {
            connections: match (open(status.pid), port) {
                (Some(open), Some(port)) => {
                    after.sockets.connections(open, port)
                }
                _ => 0,
            },
            status: status.clone(),
            cost: cost(status.pid),
        });
        // Some workers have listening sockets of their own.
        let workers_pids = status.workers.iter().map(|worker| worker.pid);
        let pids = workers_pids.chain([status.pid]);
        let all: HashSet<_> = pids.filter_map(open).flatten().collect();
        Self {
            name: status.name.clone(),
            pid: status.pid,
            http: status.http,
            state: status.state.clone(),
            generation: status.generation,
            waiting: after.sockets.waiting(&all),
            cost: cost(status.pid),
            workers: workers.collect(),
        }
    }

    /// Requests that its workers have in hand.
    pub(super) fn in_hand(&self) -> u64 {
        self.workers.iter().map(|w| w.status.in_hand).sum()
    }

    pub(super) fn connections(&self) -> usize {
        self.workers.iter().map(|w| w.connections).sum()
    }

    /// By the workers that it has now.
    pub(super) fn served(&self) -> u64 {
        self.workers.iter().map(|w| w.status.served).sum()
    }
}

impl Cost {
    fn of(
        before: Option<&procfs::Process>,
        now: &procfs::Process,
        elapsed: Duration,
    ) -> Self {
        let earlier: Option<HashMap<_, _>> = before.map(|before| {
            let threads = before.threads.iter();
            threads.map(|thread| (thread.tid, thread.cpu)).collect()
        });
        let share = |thread: &procfs::Thread| {
            // A process that was not seen before may have run for long, while
            // a thread that was not has begun since.
            let earlier = earlier.as_ref()?;
            let start = Some(Duration::ZERO);
            let earlier = earlier.get(&thread.tid).copied().unwrap_or(start);
            let spent = thread.cpu?.saturating_sub(earlier?);
            let share = spent.as_secs_f64() / elapsed.as_secs_f64();
            share.is_finite().then_some(share * 100.0)
        };
        let threads = now.threads.iter().map(|thread| Thread {
            tid: thread.tid,
            name: thread.name.clone(),
            cpu_percent: share(thread),
        });
        let threads: Vec<_> = threads.collect();
        let shares = threads.iter().map(|thread| thread.cpu_percent);
        Self {
            cpu_percent: shares.sum(),
            memory_bytes: now.memory,
            threads,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(threads: &[(u32, u64)]) -> procfs::Process {
        let threads = threads.iter().map(|&(tid, millis)| procfs::Thread {
            tid,
            name: format!("thread-{tid}"),
            cpu: Some(Duration::from_millis(millis)),
        });
        procfs::Process {
            memory: Some(1),
            threads: threads.collect(),
            sockets: HashSet::new(),
        }
    }

    #[test]
    fn cpu_is_a_share_of_the_time_between_the_looks() {
        let before = process(&[(1, 1000), (2, 500)]);
        let now = process(&[(1, 1050), (2, 500), (3, 20)]);
        let cost = Cost::of(Some(&before), &now, Duration::from_millis(200));
        let shares = cost.threads.iter().map(|t| t.cpu_percent.unwrap());
        let shares: Vec<_> = shares.map(|share| share.round()).collect();
        assert_eq!(shares, [25.0, 0.0, 10.0]);
        assert_eq!(cost.cpu_percent.unwrap().round(), 35.0);
    }

    #[test]
    fn what_was_not_seen_before_has_no_share_yet() {
        let now = process(&[(1, 1050)]);
        let cost = Cost::of(None, &now, Duration::from_millis(200));
        assert_eq!(cost.cpu_percent, None);
        assert_eq!(cost.threads.len(), 1);
    }
}
