//! Whether the servers stay as they are: minutes of load at half of what a
//! deployment can do, after which nothing has grown.

use std::io;
use std::panic::resume_unwind;
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hammer::{Arrivals, Load, Outcome, Rate, Schedule, Stop, Target};

use crate::backend::Backend;
use crate::catalogue::Deployment;
use crate::deploy::{Log, Server};
use crate::interrupt::Interrupt;
use crate::options::Soak;
use crate::print::{note, say};
use crate::procfs::{self, Family};
use crate::progress::Progress;
use crate::site::Site;
use crate::table;

/// How long to find out what a deployment can do.
const TRIAL: Duration = Duration::from_secs(3);
/// By then memory has settled.
const SETTLED: Duration = Duration::from_secs(60);
/// Memory is looked at so often.
const LOOK: Duration = Duration::from_secs(1);
/// Memory may be so much more at the end.
const GROWTH: f64 = 1.05;
/// How long connections that are not needed any more may take to close.
const QUIET: Duration = Duration::from_secs(1);

/// What became of a deployment.
struct Soaked {
    name: String,
    rate: f64,
    outcome: Outcome,
    /// Resident in all workers after the first minute, and at the end.
    memory: (u64, u64),
    /// When idle, before and after.
    files: (usize, usize),
    threads: (usize, usize),
    /// Whether the workers are those of the start.
    same_workers: bool,
}

/// Whether all stayed as they were.
pub(crate) fn soak(site: &Site, options: &Soak) -> Result<bool> {
    let names = match (&options.names[..], options.long) {
        ([], false) => vec!["native".to_owned(), "thread".to_owned()],
        (names, _) => names.to_vec(),
    };
    let deployments = site.catalogue.select(&names)?;
    site.build_apps()?;

    let interrupt = Interrupt::block()?;
    let length = Duration::from_secs(options.seconds);
    let pairs = deployments.len().div_ceil(2) as u32;
    let mut progress = Progress::new((length + TRIAL * 2) * pairs);
    let log = Log::File(site.log("slow-backend"));
    let backend = Backend::start(site, log, &interrupt)?;
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    // What the latencies may owe to the hammer is no fault of the server's.
    let mut notes = Vec::new();
    for pair in deployments.chunks(2) {
        for soaked in
            together(site, pair, &backend, length, &interrupt, &mut progress)?
        {
            for flaw in &soaked.outcome.flaws {
                notes.push(format!("{}: {flaw}", soaked.name));
            }
            faults.extend(soaked.faults());
            rows.push(soaked.cells());
        }
    }
    drop(progress);
    if let Some(server) = backend.server {
        server.stop()?;
    }
    let head = [
        "deployment",
        "req/s",
        "requests",
        "failed",
        "p99 ms",
        "MB",
        "files",
        "threads",
    ];
    say!("{}", table::plain(&head, rows));
    for note in &notes {
        say!("{note}");
    }
    for fault in &faults {
        note!("talk: {fault}");
    }
    Ok(faults.is_empty())
}

/// Loads some deployments at the same time, each from a thread of its own.
fn together(
    site: &Site,
    deployments: &[&Deployment],
    backend: &Backend,
    length: Duration,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<Vec<Soaked>> {
    let mut servers = Vec::new();
    for deployment in deployments {
        let name = &deployment.name;
        progress.say(format!("{name}: what can it do?"));
        let mut options = vec!["--quiet".to_owned()];
        let call = if deployment.at_once { "0.02" } else { "0.005" };
        options.push(format!("--calls={}", [call; 4].join(",")));
        if deployment.heavy {
            options.push("--heavy=0.02".to_owned());
        }
        if keeps_alive(deployment) {
            options.push("--keep-alive".to_owned());
        }
        let log = Log::File(site.log(name));
        let server =
            site.deploy(deployment, backend, &options, log, interrupt)?;
        let port = site.ports.of(deployment.port)?;
        let rate = capacity(deployment, port, interrupt)? / 2.0;
        interrupt.wait(QUIET)?;
        let idle = (files(&server), threads(&server));
        servers.push((*deployment, server, port, rate, idle));
    }
    let names = deployments.iter().map(|d| &*d.name);
    progress.say(names.collect::<Vec<_>>().join(" and "));
    let start = Instant::now();
    let soaked = thread::scope(|scope| {
        let begun: Vec<_> = servers
            .into_iter()
            .map(|(deployment, server, port, rate, idle)| {
                Builder::new().spawn_scoped(scope, move || {
                    let soaked = one(
                        deployment, server, port, rate, idle, length, interrupt,
                    );
                    soaked.with_context(|| deployment.name.clone())
                })
            })
            .collect::<io::Result<_>>()
            .context("cannot start a thread for each")?;
        while begun.iter().any(|thread| !thread.is_finished()) {
            progress.within(start.elapsed(), length);
            thread::sleep(Duration::from_millis(200));
        }
        let ended = begun.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        });
        ended.collect::<Result<Vec<_>>>()
    })?;
    progress.over(length + TRIAL * 2);
    Ok(soaked)
}

fn one(
    deployment: &Deployment,
    server: Server,
    port: u16,
    rate: f64,
    idle: (usize, usize),
    length: Duration,
    interrupt: &Interrupt,
) -> Result<Soaked> {
    let schedule = Schedule::Open {
        rate: Rate::constant(rate),
        arrivals: Arrivals::Poisson { seed: 1 },
        max_connections: 2000,
    };
    let load = load(deployment, port, Stop::After(length), schedule);
    let family = Family::of(server.pid());
    let mut looked = Duration::ZERO;
    let mut settled = 0;
    let mut last = 0;
    let outcome = hammer::run(&load, |snapshot| {
        if snapshot.elapsed >= looked + LOOK && snapshot.elapsed < length {
            looked = snapshot.elapsed;
            last = memory(&server);
            if looked < SETTLED.min(length / 2) + LOOK {
                settled = last;
            }
        }
        interrupt.flow()
    })?;
    interrupt.check()?;
    interrupt.wait(QUIET)?;
    let soaked = Soaked {
        name: deployment.name.clone(),
        rate,
        outcome,
        memory: (settled, last),
        files: (idle.0, files(&server)),
        threads: (idle.1, threads(&server)),
        same_workers: family.is_whole(),
    };
    server.stop()?;
    Ok(soaked)
}

/// Whether its clients keep their connections: where a connection holds a
/// thread, they must not.
fn keeps_alive(deployment: &Deployment) -> bool {
    deployment.unlimited
}

fn load(
    deployment: &Deployment,
    port: u16,
    stop: Stop,
    schedule: Schedule,
) -> Load {
    Load {
        targets: vec![Target::get(format!("http://127.0.0.1:{port}/"))],
        stop,
        schedule,
        keep_alive: keeps_alive(deployment),
        ..Load::default()
    }
}

/// The requests a second that a closed loop gets.
fn capacity(
    deployment: &Deployment,
    port: u16,
    interrupt: &Interrupt,
) -> Result<f64> {
    let schedule = Schedule::Closed { concurrency: 100 };
    let load = load(deployment, port, Stop::After(TRIAL), schedule);
    let outcome = hammer::run(&load, |_| interrupt.flow())?;
    interrupt.check()?;
    Ok(outcome.rate)
}

fn memory(server: &Server) -> u64 {
    Family::of(server.pid()).memory()
}

fn files(server: &Server) -> usize {
    let workers = Family::of(server.pid()).workers.into_iter();
    workers.map(procfs::files).sum()
}

fn threads(server: &Server) -> usize {
    Family::of(server.pid()).threads()
}

impl Soaked {
    fn cells(&self) -> Vec<String> {
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let (before, after) = self.memory;
        vec![
            self.name.clone(),
            format!("{:.0}", self.rate),
            self.requests().to_string(),
            self.failed().to_string(),
            format!("{:.1}", self.outcome.latency.p99().as_secs_f64() * 1e3),
            format!("{:.2} → {:.2}", mb(before), mb(after)),
            format!("{} → {}", self.files.0, self.files.1),
            format!("{} → {}", self.threads.0, self.threads.1),
        ]
    }

    /// Those that were not sent are among them, and have failed.
    fn requests(&self) -> u64 {
        self.outcome.requests + self.outcome.shed
    }

    fn failed(&self) -> u64 {
        self.outcome.failed + self.outcome.shed
    }

    fn faults(&self) -> Vec<String> {
        let Self { name, outcome, .. } = self;
        let mut faults = Vec::new();
        let (failed, requests) = (self.failed(), self.requests());
        if failed > 0 {
            let errors = &outcome.errors;
            faults.push(format!(
                "{name}: {failed} of {requests} requests failed: {errors:?}"
            ));
        }
        if !self.same_workers {
            faults.push(format!("{name}: a worker was replaced"));
        }
        let (before, after) = self.memory;
        if after as f64 > before as f64 * GROWTH {
            faults.push(format!(
                "{name}: memory grew from {before} to {after} bytes"
            ));
        }
        for (what, (before, after)) in
            [("files", self.files), ("threads", self.threads)]
        {
            if after > before {
                faults.push(format!("{name}: {before} {what} became {after}"));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_sent_is_among_the_requests() {
        let soaked = Soaked {
            name: "thread".to_owned(),
            rate: 100.0,
            outcome: Outcome {
                requests: 100,
                shed: 300,
                ..Outcome::default()
            },
            memory: (1, 1),
            files: (1, 1),
            threads: (1, 1),
            same_workers: true,
        };
        let told = soaked.faults().concat();
        assert!(told.contains("300 of 400 requests failed"), "{told}");
        assert_eq!(soaked.cells()[2..4], ["400", "300"]);
    }
}
