//! The master is killed: no worker may outlive it, and the port is free.

use std::net::TcpListener;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use nix::sys::signal::Signal;
use serde::Serialize;

use super::load::{self, Target};
use super::victim::{is_dead, send};
use crate::deploy::Server;
use crate::procfs;

const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// How long requests come in before the kill.
const BEFORE: Duration = Duration::from_millis(200);

/// What came of killing the master.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Orphans {
    pub(super) workers: usize,
    /// Until the last worker was gone and the port was free, in seconds.
    pub(super) gone: f64,
}

pub(super) fn kill_master(server: Server, target: Target) -> Result<Orphans> {
    let master = server.pid();
    let workers = procfs::children(master);
    let count = workers.len();
    let (gone, _) = load::during(target, || {
        sleep(BEFORE);
        send(master, Signal::SIGKILL)?;
        let killed = Instant::now();
        // Nobody reaps orphans at once everywhere, and a zombie has nothing.
        while !(workers.iter().copied().all(is_dead) && is_free(target.port)) {
            if killed.elapsed() > PATIENCE {
                bail!("the master was killed, and its workers live on");
            }
            sleep(LOOK_AGAIN);
        }
        Ok(killed.elapsed())
    })?;
    server.forget();
    Ok(Orphans {
        workers: count,
        gone: gone.as_secs_f64(),
    })
}

/// std binds with SO_REUSEADDR: connections that have ended do not count,
/// but somebody who listens does.
fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
