//! One run: what the hammer, the backend and the kernel say of it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hammer::{Latency, Load, Outcome, Schedule, Stop, Target};
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use crate::backend::{Backend, Stats};
use crate::bound::Shape;
use crate::catalogue::Run;
use crate::deploy::Server;
use crate::interrupt::Interrupt;
use crate::procfs::{Family, REPLACED};
use crate::size_watch::{Look, Watch};
use crate::trace::file;
use crate::trace::timeline::Timeline;

/// How long one request may take: with basic, fifty queue for a minute.
const PATIENCE: Duration = Duration::from_secs(120);
const UNRECORDED: &str = "the app recorded none of its requests";

/// All that was seen of one run.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
    /// Why requests failed, and how many did.
    pub(crate) failures: Vec<(String, u64)>,
    /// Why the hammer does not trust itself.
    pub(crate) flaws: Vec<String>,
    /// How long the app says that its request took (curl only).
    pub(crate) told: Option<Duration>,
    pub(crate) stats: Stats,
    /// Of the app's processes, for a request.
    pub(crate) cpu_per_request: Option<Duration>,
    pub(crate) peak_memory: Option<u64>,
    pub(crate) workers: usize,
    pub(crate) threads: usize,
    pub(crate) latency: Latency,
    /// What the app recorded of its requests.
    pub(crate) timeline: Timeline,
    /// Its size over time.
    pub(crate) looks: Vec<Look>,
}

/// A deployment that is up, and what it takes to measure it.
pub(crate) struct Subject<'a> {
    pub(crate) server: &'a mut Server,
    pub(crate) port: u16,
    pub(crate) shape: Shape,
    pub(crate) backend: &'a Backend,
    pub(crate) interrupt: &'a Interrupt,
    /// Where the deployment records its requests.
    pub(crate) traces: &'a Path,
}

impl Subject<'_> {
    /// One request for each slot, so that what happens once (pages touched,
    /// connections opened) is in no figure.
    pub(crate) fn warm_up(&mut self, concurrency: u64) -> Result<()> {
        let slots = self.shape.slots.unwrap_or(concurrency);
        let requests = slots.min(concurrency);
        let outcome = self.hammer(requests, requests as usize, |_| ())?;
        if let Some((why, count)) = failures(&outcome).first() {
            bail!("{count} of its first {requests} requests failed: {why}");
        }
        Ok(())
    }

    /// Does a run; `observe` is told of the time that has passed.
    pub(crate) fn measure(
        &mut self,
        run: Run,
        observe: impl FnMut(Duration),
    ) -> Result<Evidence> {
        let family = Family::of(self.server.pid());
        self.backend.reset()?;
        let before = family.cpu();
        let expected = self.shape.bound(run.count(), run.at_once() as u64);
        let watch = Watch::begin(self.server.pid(), expected);
        let began = file::now();
        let mut evidence = match run.requests {
            None => self.curl()?,
            Some(requests) => {
                let outcome =
                    self.hammer(requests, run.concurrency, observe)?;
                Evidence::of(&outcome)
            }
        };
        let ended = file::now();
        let looks = watch.end();
        let cpu = before
            .and_then(|before| Some(family.cpu()?.saturating_sub(before)));
        if let Some(status) = self.server.ended()? {
            bail!(self.server.obituary(status));
        }
        if !family.is_whole() {
            evidence.flaws.push(REPLACED.to_owned());
        }
        let count = u32::try_from(evidence.requests).unwrap_or(u32::MAX);
        evidence.cpu_per_request = cpu.map(|cpu| cpu / count.max(1));
        evidence.stats = self.backend.stats()?;
        evidence.peak_memory = family.peak_memory();
        evidence.workers = family.workers.len();
        evidence.threads = family.threads();
        let records = file::read(self.traces)?;
        evidence.timeline = Timeline::of(records, began, ended);
        if evidence.timeline.recorded == 0 {
            evidence.flaws.push(UNRECORDED.to_owned());
        }
        evidence.looks = looks;
        Ok(evidence)
    }

    fn hammer(
        &self,
        requests: u64,
        concurrency: usize,
        observe: impl FnMut(Duration),
    ) -> Result<Outcome> {
        let url = self.url();
        hammer(url, requests, concurrency, self.interrupt, observe)
    }

    /// What the slides' curl does: one request, and a look at the answer.
    fn curl(&self) -> Result<Evidence> {
        let agent = client(PATIENCE).http_status_as_error(false);
        let agent: Agent = agent.build().into();
        let start = Instant::now();
        let answer = agent.get(self.url()).call().and_then(|answer| {
            let status = answer.status();
            Ok((status, answer.into_body().read_to_string()?))
        });
        let elapsed = start.elapsed();
        self.interrupt.check()?;
        let mut evidence = Evidence {
            elapsed,
            ..Evidence::of_one()
        };
        match answer {
            Ok((status, body)) if status == 200 => {
                let told = lasted(&body).with_context(|| {
                    format!("the answer says no duration: {}", body.trim())
                })?;
                evidence.told = Some(told);
            }
            Ok((status, body)) => {
                let why = format!("{}: {}", status.as_str(), body.trim());
                evidence.failures.push((why, 1));
            }
            Err(error) => evidence.failures.push((error.to_string(), 1)),
        }
        Ok(evidence)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

/// Asks servers of this machine. A limit for all of a request would start a
/// thread that looks names up, and panic where the system refuses it.
pub(crate) fn client(patience: Duration) -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .timeout_connect(Some(patience))
        .timeout_recv_response(Some(patience))
        .timeout_recv_body(Some(patience))
        .proxy(None)
}

/// What the slides' hammer asks for.
pub(crate) fn load(url: String, requests: u64, concurrency: usize) -> Load {
    Load {
        targets: vec![Target::get(url)],
        stop: Stop::Requests(requests),
        schedule: Schedule::Closed { concurrency },
        timeout: PATIENCE,
        ..Load::default()
    }
}

/// What the slides' hammer does; `observe` is told of the time that has
/// passed.
pub(crate) fn hammer(
    url: String,
    requests: u64,
    concurrency: usize,
    interrupt: &Interrupt,
    mut observe: impl FnMut(Duration),
) -> Result<Outcome> {
    let load = load(url, requests, concurrency);
    let outcome = hammer::run(&load, |snapshot| {
        observe(snapshot.elapsed);
        interrupt.flow()
    })?;
    interrupt.check()?;
    Ok(outcome)
}

impl Evidence {
    fn of_one() -> Self {
        Self {
            requests: 1,
            elapsed: Duration::ZERO,
            failures: Vec::new(),
            flaws: Vec::new(),
            told: None,
            stats: Stats { calls: 0, peak: 0 },
            cpu_per_request: None,
            peak_memory: None,
            workers: 0,
            threads: 0,
            latency: Latency::default(),
            timeline: Timeline::default(),
            looks: Vec::new(),
        }
    }

    fn of(outcome: &Outcome) -> Self {
        Self {
            requests: outcome.requests,
            elapsed: outcome.elapsed,
            failures: failures(outcome),
            flaws: outcome.flaws.iter().map(ToString::to_string).collect(),
            latency: outcome.latency.clone(),
            ..Self::of_one()
        }
    }
}

/// Why requests failed, and how many did.
pub(crate) fn failures(outcome: &Outcome) -> Vec<(String, u64)> {
    let errors = outcome.errors.iter();
    let errors = errors.map(|(kind, &count)| (kind.to_string(), count));
    let statuses = outcome.statuses.iter();
    let statuses = statuses
        .filter(|(status, _)| **status != 200)
        .map(|(status, &count)| (format!("status {status}"), count));
    errors.chain(statuses).collect()
}

/// The seconds in `This call lasted 1.252 seconds with …`.
fn lasted(answer: &str) -> Option<Duration> {
    let (_, rest) = answer.split_once(" lasted ")?;
    let (seconds, _) = rest.split_once(" seconds ")?;
    Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_how_long_it_took() {
        let told = |line| lasted(line).map(|told| told.as_millis());
        let line = "This call lasted 1.252 seconds with synchronous calls.\n";
        assert_eq!(told(line), Some(1252));
        assert_eq!(told("This lasted long"), None);
        assert_eq!(told("This lasted -1 seconds with"), None);
    }
}
