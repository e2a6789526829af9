//! One deployment with so many requests in flight.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hammer::{Load, Outcome, Schedule, Snapshot, Stop, Target};

use crate::backend::{Backend, Stats};
use crate::bound::Shape;
use crate::catalogue::Deployment;
use crate::deploy::{Log, Server};
use crate::interrupt::Interrupt;
use crate::measure::failures;
use crate::procfs::{self, Family};
use crate::site::Site;

use super::limits::Fit;
use super::report::Row;

/// The starts are spread over the first half of it, and it is in no figure:
/// connections are opened, and pools find their size.
pub(super) const SETTLE: Duration = Duration::from_secs(6);
/// Connections that wait for a worker, at the most.
const BACKLOG: u32 = 16_384;

/// What is to be measured.
pub(super) struct Trial<'a> {
    pub(super) site: &'a Site,
    pub(super) deployment: &'a Deployment,
    pub(super) in_flight: usize,
    pub(super) fit: Fit,
    /// How long, once settled.
    pub(super) length: Duration,
    pub(super) interrupt: &'a Interrupt,
}

/// What was seen while it was measured.
#[derive(Default)]
struct Seen {
    /// Requests under way, each time that somebody looked.
    in_flight: Vec<usize>,
    /// The most that all workers had resident.
    memory: u64,
    began: Option<(Instant, Spent)>,
    ended: Option<(Instant, Spent)>,
}

/// Processor time.
#[derive(Clone, Copy, Default)]
struct Spent {
    app: Duration,
    backend: Duration,
    hammer: Duration,
}

impl Trial<'_> {
    /// `observe` is told how long it has been going on.
    pub(super) fn run(&self, observe: impl Fn(Duration)) -> Result<Row> {
        let servers = self.backends()?;
        let mut app = self.app()?;
        let idle = Family::of(app.pid()).memory();
        let mut seen = Seen::default();
        let load = self.load()?;
        let outcome = hammer::run(&load, |snapshot| {
            observe(snapshot.elapsed);
            seen.look(snapshot, &load, &app, &servers);
            self.interrupt.flow()
        })?;
        self.interrupt.check()?;
        if let Some(status) = app.ended()? {
            bail!(app.obituary(status));
        }
        let stats = stats(&self.fit)?;
        let workers = Family::of(app.pid()).workers.len();
        let row = self.row(&outcome, seen, idle, workers, stats);
        app.stop()?;
        for server in servers {
            server.stop()?;
        }
        row
    }

    fn backends(&self) -> Result<Vec<Server>> {
        let processes = self.site.catalogue.backend.processes;
        let servers = self.fit.backends.iter().map(|address| {
            let name = format!("slow-backend-{}", address.ip());
            let arguments = [
                format!("--http={address}"),
                format!("--processes={processes}"),
                format!("--listen={BACKLOG}"),
            ];
            let program = self.site.program("slow-backend");
            let log = Log::File(self.site.log(&name));
            Server::start(&name, &program, &arguments, log, self.interrupt)
        });
        servers.collect()
    }

    fn app(&self) -> Result<Server> {
        let Self {
            deployment, fit, ..
        } = self;
        let addresses = fit.backends.iter().map(ToString::to_string);
        let addresses: Vec<_> = addresses.collect();
        let mut options = vec![
            "--quiet".to_owned(),
            "--keep-alive".to_owned(),
            format!("--listen={BACKLOG}"),
            format!("--processes={}", fit.processes),
        ];
        if fit.http2 {
            options.push("--http2".to_owned());
        }
        if deployment.coroutines > 0 {
            // As many as there are requests: no limit is ever reached.
            options.push(format!("--coroutines={}", self.in_flight));
        }
        let log = Log::File(self.site.log(&deployment.name));
        self.site.deploy_to(
            deployment,
            &addresses.join(","),
            &options,
            log,
            self.interrupt,
        )
    }

    fn load(&self) -> Result<Load> {
        let port = self.site.ports.of(self.deployment.port)?;
        Ok(Load {
            targets: vec![Target::get(format!("http://127.0.0.1:{port}/"))],
            stop: Stop::After(self.length),
            schedule: Schedule::Closed {
                concurrency: self.in_flight,
            },
            keep_alive: true,
            stagger: SETTLE / 2,
            warmup: SETTLE,
            ..Load::default()
        })
    }

    fn row(
        &self,
        outcome: &Outcome,
        seen: Seen,
        idle: u64,
        workers: usize,
        stats: Stats,
    ) -> Result<Row> {
        let shape = Shape::of(&self.site.catalogue, self.deployment);
        let (Some(began), Some(ended)) = (seen.began, seen.ended) else {
            bail!("it was over before anybody looked; give it more --seconds");
        };
        if began.0 == ended.0 {
            bail!("only one look was in time; give it more --seconds");
        }
        let looks = seen.in_flight.len() as f64;
        let sum: usize = seen.in_flight.iter().sum();
        let elapsed = ended.0.duration_since(began.0).as_secs_f64();
        let cores = |from: Duration, to: Duration| {
            to.saturating_sub(from).as_secs_f64() / elapsed
        };
        Ok(Row {
            deployment: self.deployment.name.clone(),
            wanted: self.in_flight,
            in_flight: sum as f64 / looks,
            fit: self.fit.clone(),
            workers,
            bound_seconds: shape.request.as_secs_f64(),
            p50_seconds: outcome.latency.median().as_secs_f64(),
            p99_seconds: outcome.latency.p99().as_secs_f64(),
            max_seconds: outcome.latency.max().as_secs_f64(),
            requests: outcome.requests,
            per_second: outcome.rate,
            failures: failures(outcome),
            calls_at_once: stats.peak,
            idle_bytes: idle,
            loaded_bytes: seen.memory,
            app_cores: cores(began.1.app, ended.1.app),
            backend_cores: cores(began.1.backend, ended.1.backend),
            hammer_cores: cores(began.1.hammer, ended.1.hammer),
            flaws: outcome.flaws.iter().map(ToString::to_string).collect(),
        })
    }
}

impl Seen {
    fn look(
        &mut self,
        snapshot: &Snapshot,
        load: &Load,
        app: &Server,
        backends: &[Server],
    ) {
        let over = match load.stop {
            Stop::After(length) => snapshot.elapsed >= load.warmup + length,
            Stop::Requests(_) => false,
        };
        if snapshot.warming || over {
            return;
        }
        let backends = backends.iter().filter_map(cpu);
        let spent = Spent {
            app: cpu(app).unwrap_or_default(),
            backend: backends.sum(),
            // It runs in this process, which does little else meanwhile.
            hammer: procfs::own_cpu().unwrap_or_default(),
        };
        let now = (Instant::now(), spent);
        self.began.get_or_insert(now);
        self.ended = Some(now);
        self.in_flight.push(snapshot.in_flight);
        self.memory = self.memory.max(Family::of(app.pid()).memory());
    }
}

fn cpu(server: &Server) -> Option<Duration> {
    Family::of(server.pid()).cpu()
}

/// Of all backends together. That their peaks were at the same time is to be
/// expected, since each call of a request has the backend of its place.
fn stats(fit: &Fit) -> Result<Stats> {
    let mut all = Stats { calls: 0, peak: 0 };
    for address in &fit.backends {
        let stats = Backend::that_runs(&address.to_string())?.stats()?;
        all.calls += stats.calls;
        all.peak += stats.peak;
    }
    Ok(all)
}
