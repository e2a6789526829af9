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

/// Whether nobody starts or leaves.
pub(super) fn is_settled(status: &Status) -> bool {
    let all = status.workers.len();
    status.state == "serving" && serving(status).len() == all
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

/// Whether a process is there; a zombie is.
pub(super) fn is_there(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap_or(false)
}

/// How many of the process's children are dead and not reaped.
pub(super) fn zombies(children: &[u32]) -> usize {
    let is_zombie = |pid: &&u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.is_ok_and(|stat| {
            // The name before the state is in parentheses.
            stat.rsplit(')').next().is_some_and(|s| s.starts_with(" Z"))
        })
    };
    children.iter().filter(is_zombie).count()
}

/// How many files a process has open.
pub(super) fn files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}
