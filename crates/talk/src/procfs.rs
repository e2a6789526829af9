//! What a server costs, as the kernel tells it in `/proc` (proc(5)).

use std::fs;
use std::time::Duration;

/// A master and its workers.
pub(crate) struct Family {
    master: u32,
    pub(crate) workers: Vec<u32>,
}

impl Family {
    pub(crate) fn of(master: u32) -> Self {
        Self {
            master,
            workers: children(master),
        }
    }

    /// Processor time of all its threads so far; `None` where the kernel
    /// does not tell.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let all = self.workers.iter().chain([&self.master]);
        all.map(|&process| cpu(process)).sum()
    }

    /// The most memory that one worker ever had resident, in bytes.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let all = self.workers.iter();
        all.filter_map(|&worker| peak_memory(worker)).max()
    }

    /// The most threads that a worker has.
    pub(crate) fn threads(&self) -> usize {
        let all = self.workers.iter();
        all.map(|&worker| tasks(worker).len()).max().unwrap_or(0)
    }
}

pub(crate) fn children(process: u32) -> Vec<u32> {
    let file = format!("/proc/{process}/task/{process}/children");
    let text = fs::read_to_string(file).unwrap_or_default();
    let children = text.split_ascii_whitespace();
    children.filter_map(|pid| pid.parse().ok()).collect()
}

fn tasks(process: u32) -> Vec<u32> {
    let folder = fs::read_dir(format!("/proc/{process}/task"));
    let tasks = folder.into_iter().flatten().flatten();
    tasks
        .filter_map(|task| task.file_name().to_str()?.parse().ok())
        .collect()
}

/// schedstat counts nanoseconds, where stat counts hundredths of a second.
/// It knows the threads that live only; no model here ends threads while
/// it serves.
fn cpu(process: u32) -> Option<Duration> {
    let tasks = tasks(process).into_iter();
    tasks
        .map(|task| {
            let file = format!("/proc/{process}/task/{task}/schedstat");
            let text = fs::read_to_string(file).ok()?;
            let nanos = text.split_ascii_whitespace().next()?.parse().ok()?;
            Some(Duration::from_nanos(nanos))
        })
        .sum()
}

fn peak_memory(process: u32) -> Option<u64> {
    memory(process, "VmHWM:")
}

/// A figure of `status`, in bytes.
pub(crate) fn memory(process: u32, figure: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(figure))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_told_of() {
        let here = std::process::id();
        assert!(cpu(here).is_none_or(|cpu| !cpu.is_zero()));
        assert!(peak_memory(here).unwrap() > 100_000);
        assert!(!tasks(here).is_empty());
    }

    #[test]
    fn a_process_that_is_gone_costs_nothing() {
        // No process has pid 0.
        let gone = Family::of(0);
        assert!(gone.workers.is_empty());
        assert_eq!((gone.peak_memory(), gone.threads()), (None, 0));
    }
}
