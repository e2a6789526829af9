//! A master whose workers are tortured, as the kernel and itself see it.

use std::fs;
use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

/// What a master tells of itself, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) state: String,
    pub(super) generation: u64,
    pub(super) workers: Vec<Worker>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Worker {
    pub(super) pid: u32,
    pub(super) state: String,
}

impl Status {
    /// Asks the master of this pid.
    pub(super) fn of(master: u32) -> Result<Self> {
        let ask = || -> Result<String> {
            let name = format!("harness-{master}");
            let address = SocketAddr::from_abstract_name(name)?;
            let mut stream = UnixStream::connect_addr(&address)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        let text = ask().context("the master does not tell its status")?;
        serde_json::from_str(&text).context("a status that is not understood")
    }

    /// The pids of the workers that take requests.
    pub(super) fn serving(&self) -> Vec<u32> {
        let workers = self.workers.iter();
        let serving = workers.filter(|worker| worker.state == "serving");
        serving.map(|worker| worker.pid).collect()
    }

    /// Whether nobody starts or leaves.
    pub(super) fn is_settled(&self) -> bool {
        self.state == "serving" && self.serving().len() == self.workers.len()
    }
}

/// Sends a signal to a worker or master that this program started.
pub(super) fn send(pid: u32, signal: Signal) -> Result<()> {
    let process = Pid::from_raw(i32::try_from(pid)?);
    kill(process, signal)
        .with_context(|| format!("cannot send {signal} to process {pid}"))
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
