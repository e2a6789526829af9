//! `talk trace`: one run of some deployments, with every request and call
//! recorded by the apps themselves.
//!
//! file.rs reads what they record, timeline.rs makes requests of it, and
//! chrome.rs hands them to Perfetto.

mod chrome;
pub(crate) mod file;
pub(crate) mod timeline;

use anyhow::{Context, Result};

use self::timeline::Timeline;
use crate::backend::Backend;
use crate::bound::Shape;
use crate::catalogue::{Deployment, Run};
use crate::deploy::Log;
use crate::interrupt::Interrupt;
use crate::measure::{Evidence, Subject};
use crate::options::Trace;
use crate::print::{note, say};
use crate::put::{check, put};
use crate::site::Site;
use crate::{report, verdict};

/// Whether every run was whole.
pub(crate) fn trace(site: &Site, options: &Trace) -> Result<bool> {
    let deployments = site.catalogue.select(&options.names)?;
    check(&options.output)?;
    options.svg.as_deref().map_or(Ok(()), check)?;
    site.build_apps()?;

    let interrupt = Interrupt::block()?;
    let log = Log::File(site.log("slow-backend"));
    let backend = Backend::start(site, log, &interrupt)?;
    let mut whole = true;
    let mut timelines: Vec<(&Deployment, _)> = Vec::new();
    for deployment in deployments {
        let name = &*deployment.name;
        let run = options.run_of(deployment);
        note!("{name}: {}", run.name());
        let evidence = record(site, deployment, run, &backend, &interrupt)
            .with_context(|| name.to_owned())?;
        let shape = Shape::of(&site.catalogue, deployment);
        let processes = deployment.processes.count();
        for fault in verdict::faults(&shape, processes, run, &evidence) {
            whole = false;
            note!("{name}: {}: {fault}", run.name());
        }
        tell(name, &evidence.timeline);
        timelines.push((deployment, evidence.timeline));
    }
    if let Some(server) = backend.server {
        server.stop()?;
    }
    if let Some(path) = &options.svg {
        let all = timelines.iter().map(|(deployment, timeline)| {
            (&*deployment.name, &*deployment.app, timeline)
        });
        put(path, &report::picture(&all.collect::<Vec<_>>()))?;
    }
    let all = timelines.iter();
    let all = all.map(|(deployment, timeline)| (&*deployment.name, timeline));
    let all: Vec<_> = all.collect();
    let mut text = Vec::new();
    chrome::write(&mut text, &all).context("no trace could be made")?;
    let text = String::from_utf8(text).context("the trace is no text")?;
    put(&options.output, &text)?;
    say!(
        "{} is for ui.perfetto.dev, or chrome://tracing",
        options.output.display()
    );
    Ok(whole)
}

impl Trace {
    /// The deployment's largest run, unless the user said otherwise.
    fn run_of(&self, deployment: &Deployment) -> Run {
        let runs = deployment.runs.iter();
        let most = runs.filter_map(|run| run.requests).max().unwrap_or(20);
        Run {
            requests: Some(self.requests.unwrap_or(most)),
            concurrency: self.concurrency,
            talk: None,
            uwsgi: None,
        }
    }
}

fn record(
    site: &Site,
    deployment: &Deployment,
    run: Run,
    backend: &Backend,
    interrupt: &Interrupt,
) -> Result<Evidence> {
    let log = Log::File(site.log(&deployment.name));
    let traces = site.traces(&deployment.name)?;
    let mut server =
        site.deploy_traced(deployment, backend, &traces, log, interrupt)?;
    let mut subject = Subject {
        server: &mut server,
        port: site.ports.of(deployment.port)?,
        shape: Shape::of(&site.catalogue, deployment),
        backend,
        interrupt,
        traces: &traces,
    };
    subject.warm_up(run.concurrency as u64)?;
    let evidence = subject.measure(run, |_| ())?;
    server.stop()?;
    Ok(evidence)
}

fn tell(name: &str, timeline: &Timeline) {
    say!(
        "{name}: {} requests in {:.3} s, at most {} at once, on {} threads",
        timeline.recorded,
        timeline.took() as f64 / 1e6,
        timeline.most_at_once,
        timeline.lanes.len(),
    );
    if timeline.lost > 0 {
        say!(
            "{name}: {} older events were overwritten; a worker has four \
             rings of the latest 65,536, which its threads take in turn",
            timeline.lost
        );
    }
}
