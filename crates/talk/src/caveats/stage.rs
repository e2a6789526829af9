//! What a caveat is shown with: servers, programs, and load.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hammer::Outcome;
use ureq::Agent;

use crate::backend::Backend;
use crate::caveats::program::{Ended, Program};
use crate::deploy::{Log, Server};
use crate::interrupt::Interrupt;
use crate::measure;
use crate::progress::Progress;
use crate::site::Site;

/// The port of the programs that go wrong, where they serve.
pub(crate) const PORT: u16 = 5500;
/// How long one request may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What a caveat is shown with.
pub(crate) struct Stage<'a> {
    pub(crate) site: &'a Site,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) progress: &'a Progress,
    pub(crate) caveat: &'static str,
    pub(crate) expected: Duration,
    pub(crate) begun: Instant,
    /// Whether calls are to be short.
    pub(crate) quick: bool,
}

/// A server that runs.
pub(crate) struct Served {
    server: Server,
    pub(crate) port: u16,
    log: PathBuf,
}

impl Stage<'_> {
    /// Says what goes on now.
    pub(crate) fn say(&self, what: &str) {
        self.progress.say(format!("{}: {what}", self.caveat));
        self.tick();
    }

    /// Either of two durations of a call, in seconds.
    pub(crate) fn either(&self, full: f64, quick: f64) -> f64 {
        if self.quick { quick } else { full }
    }

    /// Waits so long, unless the user wants to stop.
    pub(crate) fn wait(&self, patience: Duration) -> Result<()> {
        self.tick();
        self.interrupt.wait(patience)
    }

    /// Fails where the user wants to stop.
    pub(crate) fn check(&self) -> Result<()> {
        self.wait(Duration::ZERO)
    }

    /// Waits until `done`.
    pub(crate) fn wait_until(
        &self,
        what: &str,
        mut done: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let start = Instant::now();
        while !done()? {
            if start.elapsed() > PATIENCE {
                bail!("waited {} s for {what}", PATIENCE.as_secs());
            }
            self.wait(LOOK_AGAIN)?;
        }
        Ok(())
    }

    /// Starts a backend.
    pub(crate) fn backend(&self, further: &[&str]) -> Result<Backend> {
        let log = self.site.log(&self.log_name("slow-backend"));
        let (log, interrupt) = (Log::File(log), self.interrupt);
        Backend::start_with(self.site, further, log, interrupt)
    }

    /// Starts a deployment of the catalogue.
    pub(crate) fn deploy(
        &self,
        name: &str,
        backend: &Backend,
        further: &[&str],
    ) -> Result<Served> {
        let deployment = self.site.catalogue.deployment(name)?;
        let log = self.site.log(&self.log_name(name));
        let further: Vec<_> = further.iter().map(|&f| f.to_owned()).collect();
        let server = self.site.deploy(
            deployment,
            backend,
            &further,
            Log::File(log.clone()),
            self.interrupt,
        )?;
        let port = self.site.ports.of(deployment.port)?;
        Ok(Served { server, port, log })
    }

    /// Starts one of the programs that go wrong, or its cure: `which` is
    /// `wrong` or `right`.
    pub(crate) fn serve(
        &self,
        program: &str,
        which: &str,
        backend: &Backend,
        further: &[&str],
    ) -> Result<Served> {
        let port = self.site.ports.of(PORT)?;
        let mut arguments = vec![
            self.caveat.to_owned(),
            which.to_owned(),
            format!("--http=:{port}"),
            format!("--backend={}", backend.address),
        ];
        arguments.extend(further.iter().map(|&f| f.to_owned()));
        let name = format!("{program}-{which}");
        let log = self.site.log(&self.log_name(&name));
        let file = Log::File(log.clone());
        let path = self.site.program(program);
        let server =
            Server::start(&name, &path, &arguments, file, self.interrupt)?;
        Ok(Served { server, port, log })
    }

    /// Runs a program of this workspace to its end.
    pub(crate) fn run(
        &self,
        program: &str,
        arguments: &[&str],
    ) -> Result<Ended> {
        let path = self.site.program(program);
        self.run_watched(path, arguments, LOOK_AGAIN, |_| ())
    }

    /// Runs a program to its end, and calls `observe` with its process as
    /// often as `pause` lets it.
    pub(crate) fn run_watched<S: AsRef<OsStr>>(
        &self,
        program: PathBuf,
        arguments: impl IntoIterator<Item = S>,
        pause: Duration,
        mut observe: impl FnMut(u32),
    ) -> Result<Ended> {
        let mut program = Program::start(program, arguments)?;
        loop {
            observe(program.pid());
            if let Some(ended) = program.ended()? {
                return Ok(ended);
            }
            self.wait(pause)?;
        }
    }

    /// Does so many requests.
    pub(crate) fn hammer(
        &self,
        port: u16,
        requests: u64,
        concurrency: u64,
    ) -> Result<Outcome> {
        let url = format!("http://127.0.0.1:{port}/");
        let observe = |_| self.tick();
        let at_once = concurrency as usize;
        measure::hammer(url, requests, at_once, self.interrupt, observe)
    }

    fn tick(&self) {
        self.progress.within(self.begun.elapsed(), self.expected);
    }

    fn log_name(&self, name: &str) -> String {
        format!("caveat-{}-{name}", self.caveat)
    }
}

impl Served {
    /// The master.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Stops it, and returns what it logged.
    pub(crate) fn stop(self) -> Result<String> {
        self.server.stop()?;
        let log = fs::read(&self.log);
        let log = log.with_context(|| self.log.display().to_string())?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }
}

/// One GET; the status, and how long it took in seconds.
pub(crate) fn get(port: u16, path: &str) -> Result<(u16, f64)> {
    let agent: Agent = measure::client(PATIENCE)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .build()
        .into();
    let start = Instant::now();
    let url = format!("http://127.0.0.1:{port}{path}");
    let answer = agent.get(&url).call().and_then(|answer| {
        let status = answer.status().as_u16();
        answer.into_body().read_to_vec()?;
        Ok(status)
    });
    let status = answer.with_context(|| format!("no answer of {url}"))?;
    Ok((status, start.elapsed().as_secs_f64()))
}
