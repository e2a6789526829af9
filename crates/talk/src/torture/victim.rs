//! A master whose workers are tortured, as the kernel and itself see it.

use std::fs;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::masters::Status;
use crate::procfs::Process;
use crate::sockets::Sockets;

/// The pids of the workers that take requests.
pub(super) fn serving(status: &Status) -> Vec<u32> {
    let workers = status.workers.iter();
    let serving = workers.filter(|worker| worker.state == "serving");
    serving.map(|worker| worker.pid).collect()
}

/// Whether all workers were exchanged since `before`, and nobody starts or
/// leaves any more.
pub(super) fn is_exchanged(status: &Status, before: &Status) -> bool {
    let mut workers = status.workers.iter();
    let is_new = |pid| before.workers.iter().all(|old| old.pid != pid);
    status.state == "serving"
        && status.generation > before.generation
        && workers.all(|worker| {
            worker.state == "serving"
                && worker.generation == status.generation
                && is_new(worker.pid)
        })
}

/// Stops a worker, and waits until it has stopped.
pub(super) fn freeze(worker: u32) -> Result<()> {
    send(worker, Signal::SIGSTOP)?;
    while !matches!(state(worker), Some('T' | 'Z') | None) {
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
    Ok(())
}

/// The state of a process, a letter (proc(5)); `None` where it is gone.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the state is in parentheses and may hold anything.
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// Sends a signal to a worker or master that this program started.
pub(super) fn send(pid: u32, signal: Signal) -> Result<()> {
    let process = Pid::from_raw(i32::try_from(pid)?);
    kill(process, signal)
        .with_context(|| format!("cannot send {signal} to process {pid}"))
}

/// How many connections from clients of `port` a worker has, by the kernel's
/// word: what it has in its hands when it is killed is lost, and nothing
/// else may be.
pub(super) fn in_hands(worker: u32, port: u16) -> u64 {
    let open = Process::of(worker).sockets;
    Sockets::read().connections(&open, port) as u64
}

/// How many of the process's children are dead and not reaped.
pub(super) fn zombies(children: &[u32]) -> usize {
    children
        .iter()
        .filter(|&&pid| state(pid) == Some('Z'))
        .count()
}

/// Whether a process has ended, reaped or not.
pub(super) fn is_dead(pid: u32) -> bool {
    matches!(state(pid), Some('Z') | None)
}
