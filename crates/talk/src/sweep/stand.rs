//! A deployment that is up with a backend of its own, to be measured.

use std::net::TcpListener;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hammer::{Load, Outcome, Schedule, Snapshot, Stop, Target};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::held::TIMEOUT;
use super::meter::{Cost, Meter};
use crate::backend::Backend;
use crate::catalogue::Deployment;
use crate::deploy::{Log, Server};
use crate::interrupt::Interrupt;
use crate::site::Site;

/// How long the port of a server that was killed may be taken.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long one of the first requests may take.
const FIRST_LIMIT: Duration = Duration::from_secs(60);

/// What it takes to put a deployment up.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) site: &'a Site,
    pub(super) interrupt: &'a Interrupt,
    /// The file of the workload.
    pub(super) workload: &'a Path,
    /// Whether somebody else gave up already.
    pub(super) is_over: &'a AtomicBool,
}

/// There is no need to go on.
#[derive(Debug, thiserror::Error)]
#[error("another model could not be measured")]
pub(super) struct Over;

/// Options of the app, which make its file's deployment one to be measured.
fn options(workload: &Path, size: &[String]) -> Vec<String> {
    let mut options = vec![
        format!("--workload={}", workload.display()),
        // Arithmetic is of calls that are given up then, whatever a file says.
        format!("--timeout={}", TIMEOUT.as_secs_f64()),
        "--keep-alive".to_owned(),
        "--quiet".to_owned(),
    ];
    options.extend_from_slice(size);
    options
}

/// A deployment that is up.
pub(super) struct Stand<'a> {
    ground: Ground<'a>,
    deployment: &'a Deployment,
    size: &'a [String],
    port: u16,
    pub(super) backend: Backend,
    /// `None` only while one follows the other.
    app: Option<Server>,
    /// How many requests go before all others.
    first: u64,
}

impl<'a> Stand<'a> {
    /// Puts up a deployment; `size` are options that make it another one.
    pub(super) fn up(
        ground: Ground<'a>,
        deployment: &'a Deployment,
        size: &'a [String],
        first: u64,
    ) -> Result<Self> {
        let Ground {
            site, interrupt, ..
        } = ground;
        let log = site.log(&format!("{}.backend", deployment.name));
        let workload = format!("--workload={}", ground.workload.display());
        let log = Log::File(log);
        let backend =
            Backend::start_beside(site, &[&workload], log, interrupt)?;
        let mut stand = Self {
            ground,
            deployment,
            size,
            port: site.ports.of(deployment.port)?,
            backend,
            app: None,
            first,
        };
        stand.start()?;
        Ok(stand)
    }

    fn start(&mut self) -> Result<()> {
        let Ground {
            site,
            interrupt,
            workload,
            ..
        } = self.ground;
        let options = options(workload, self.size);
        let log = Log::File(site.log(&self.deployment.name));
        let app = site.deploy(
            self.deployment,
            &self.backend,
            &options,
            log,
            interrupt,
        )?;
        self.app = Some(app);
        // What happens once is to be in no figure; that some of these fail
        // may be the workload's wish.
        let load = Load {
            stop: Stop::Requests(self.first),
            schedule: Schedule::Closed {
                concurrency: self.first as usize,
            },
            timeout: FIRST_LIMIT,
            ..self.load()
        };
        self.hammer(&load, |_| ControlFlow::Continue(()))?;
        Ok(())
    }

    /// Exchanges the app for a fresh one. What it has in its queues, of
    /// requests that nobody waits for any more, is lost with it.
    pub(super) fn renew(&mut self) -> Result<()> {
        if let Some(app) = self.app.take() {
            // Its workers die with it.
            if let Ok(pid) = i32::try_from(app.pid()) {
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
            app.forget();
        }
        let killed = Instant::now();
        while TcpListener::bind(("127.0.0.1", self.port)).is_err() {
            if killed.elapsed() > PATIENCE {
                bail!("port {} stays taken by its workers", self.port);
            }
            self.ground.interrupt.wait(LOOK_AGAIN)?;
        }
        self.start()
    }

    /// A load for it, all but its schedule and its stop.
    pub(super) fn load(&self) -> Load {
        Load {
            targets: vec![Target::get(format!(
                "http://127.0.0.1:{}/",
                self.port
            ))],
            // Where a connection holds a thread, one that is kept while it
            // rests would keep others out.
            keep_alive: self.deployment.unlimited,
            ..Load::default()
        }
    }

    /// Loads it, and measures what that costs. `observe` ends it early with
    /// a break; the load lasts about as long as told, and what follows is the
    /// wait for the last answers.
    pub(super) fn measure(
        &mut self,
        load: &Load,
        lasts: Duration,
        mut observe: impl FnMut(&Snapshot) -> ControlFlow<()>,
    ) -> Result<(Outcome, Cost)> {
        // So that two measurements draw the same delays.
        self.backend.reset()?;
        let backend = self.backend.server.as_ref().map_or(0, Server::pid);
        let mut meter = Meter::begin(self.app()?.pid(), backend, lasts);
        let outcome = self.hammer(load, |snapshot| {
            if !snapshot.warming {
                meter.load_begins();
            }
            if snapshot.elapsed >= lasts {
                meter.load_ends();
            }
            observe(snapshot)
        })?;
        let cost = meter.end();
        let app = self.app()?;
        if let Some(status) = app.ended()? {
            bail!(app.obituary(status));
        }
        Ok((outcome, cost))
    }

    fn hammer(
        &self,
        load: &Load,
        mut observe: impl FnMut(&Snapshot) -> ControlFlow<()>,
    ) -> Result<Outcome> {
        let Ground {
            interrupt, is_over, ..
        } = self.ground;
        let is_over = || is_over.load(Ordering::Relaxed);
        let outcome = hammer::run(load, |snapshot| {
            match interrupt.check().is_err() || is_over() {
                true => ControlFlow::Break(()),
                false => observe(snapshot),
            }
        })
        .context("cannot hammer")?;
        interrupt.check()?;
        if is_over() {
            bail!(Over);
        }
        Ok(outcome)
    }

    fn app(&mut self) -> Result<&mut Server> {
        self.app.as_mut().context("the app is not up")
    }

    /// Takes it down.
    pub(super) fn down(mut self) -> Result<()> {
        let stop = |server: Option<Server>| server.map_or(Ok(()), Server::stop);
        stop(self.app.take())?;
        stop(self.backend.server.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_given_up_when_arithmetic_says_so() {
        let size = ["--processes=3".to_owned()];
        let options = options(Path::new("shop.toml"), &size);
        for option in ["--workload=shop.toml", "--timeout=5", &size[0]] {
            assert!(options.iter().any(|o| o == option), "{options:?}");
        }
    }
}
