//! One look: what the masters and the kernel tell at one moment.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::Result;

use crate::masters::{self, Status, Unheard};
use crate::procfs::Process;
use crate::sockets::Sockets;

/// What was seen at one moment.
pub(super) struct Look {
    pub(super) at: Instant,
    pub(super) masters: Vec<Status>,
    pub(super) unheard: Vec<Unheard>,
    /// Masters and workers, by pid.
    pub(super) processes: HashMap<u32, Process>,
    pub(super) sockets: Sockets,
}

impl Look {
    pub(super) fn take() -> Result<Self> {
        let (masters, unheard) = masters::ask_all()?;
        let pids = masters.iter().flat_map(|master| {
            let workers = master.workers.iter().map(|worker| worker.pid);
            workers.chain([master.pid])
        });
        let at = Instant::now();
        let processes = pids.map(|pid| (pid, Process::of(pid))).collect();
        Ok(Self {
            at,
            masters,
            unheard,
            processes,
            sockets: Sockets::read(),
        })
    }
}
