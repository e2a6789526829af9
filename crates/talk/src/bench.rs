//! Starts each deployment, does its runs, stops it, and judges.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::backend::Backend;
use crate::bound::Shape;
use crate::catalogue::{Deployment, Run};
use crate::deploy::Log;
use crate::interrupt::Interrupt;
use crate::made::Made;
use crate::measure::Subject;
use crate::options::Bench;
use crate::print::{note, say};
use crate::progress::Progress;
use crate::results::{Results, Row};
use crate::site::Site;
use crate::{put, report, table, verdict};

/// A deployment and its runs.
struct Item<'a> {
    deployment: &'a Deployment,
    shape: Shape,
    runs: Vec<Run>,
    /// The place of its first run among the rows.
    first_row: usize,
}

/// Whether every run was whole.
pub(crate) fn bench(site: &Site, options: &Bench) -> Result<bool> {
    let items = items(site, options)?;
    // What was measured before stays until there is something to take its
    // place.
    put::make_folder(&options.output)?;
    site.build_apps()?;

    let interrupt = Interrupt::block()?;
    let backend = match &options.backend {
        Some(address) => Backend::that_runs(address)?,
        None => {
            let log = Log::File(site.log("slow-backend"));
            Backend::start(site, log, &interrupt)?
        }
    };
    let rows = items.iter().flat_map(rows).collect();
    let made = Made::here(site)?;
    let mut results = Results::new(made, options.quick, options.repeat, rows);
    let total: Duration = items.iter().map(least).sum();
    let mut progress = Progress::new(total * options.repeat);
    // One time of all, then the next: a machine that is slow for a while
    // is so for a time of each, not for all times of one.
    for time in 1..=options.repeat {
        for item in &items {
            let nth = match options.repeat {
                1 => String::new(),
                times => format!(" ({time} of {times})"),
            };
            let measured = measure(
                site,
                item,
                &nth,
                &backend,
                &interrupt,
                &mut progress,
                &mut results,
            );
            results.complete = measured.is_ok()
                && time == options.repeat
                && item.first_row + item.runs.len() == results.rows.len();
            // Whatever ended it, what was measured until then is kept.
            if results.rows.iter().any(|row| !row.measurements.is_empty()) {
                results.write(&options.output, &table::markdown(&results))?;
            }
            measured?;
        }
    }
    drop(progress);
    if let Some(server) = backend.server {
        server.stop()?;
    }
    let page = options.output.join("report.html");
    // It may have taken minutes: a page that cannot be written hides none.
    say!("{}", table::terminal(&results));
    report::write(&results, &page)?;
    note!("talk: {} has the pictures", page.display());
    let whole = results.whole();
    if !whole {
        let refused = results.rows.iter().filter(|r| r.summary.is_none());
        note!(
            "talk: {} of {} runs were refused; the logs are in {}",
            refused.count(),
            results.rows.len(),
            site.log("…").parent().unwrap_or(Path::new(".")).display(),
        );
    }
    Ok(whole)
}

fn items<'a>(site: &'a Site, options: &Bench) -> Result<Vec<Item<'a>>> {
    let mut first_row = 0;
    let mut items = Vec::new();
    for deployment in site.catalogue.select(&options.names)? {
        let shape = Shape::of(&site.catalogue, deployment);
        let mut runs = deployment.runs.clone();
        if options.quick {
            runs = runs.into_iter().map(|run| shape.quick(run)).collect();
            runs.dedup_by(|a, b| a.name() == b.name());
        }
        let count = runs.len();
        items.push(Item {
            deployment,
            shape,
            runs,
            first_row,
        });
        first_row += count;
    }
    Ok(items)
}

fn rows(item: &Item<'_>) -> Vec<Row> {
    let Item {
        deployment, shape, ..
    } = item;
    let row = |run: &Run| {
        let concurrency = run.at_once();
        let requests = run.count();
        let bound = shape.bound(requests, concurrency as u64);
        Row {
            deployment: deployment.name.clone(),
            app: deployment.app.clone(),
            model: deployment.model.clone(),
            run: run.name(),
            requests,
            concurrency,
            bound: bound.as_secs_f64(),
            talk: run.talk,
            uwsgi: run.uwsgi,
            uwsgi_cpu_per_request: deployment.uwsgi_cpu,
            uwsgi_memory: deployment.uwsgi_memory,
            measurements: Vec::new(),
            seen: None,
            summary: None,
        }
    };
    item.runs.iter().map(row).collect()
}

/// The least time that it takes to measure.
fn least(item: &Item<'_>) -> Duration {
    let runs = item.runs.iter().map(|run| bound(item, run));
    item.shape.request + runs.sum::<Duration>()
}

fn bound(item: &Item<'_>, run: &Run) -> Duration {
    item.shape.bound(run.count(), run.at_once() as u64)
}

fn measure(
    site: &Site,
    item: &Item<'_>,
    nth: &str,
    backend: &Backend,
    interrupt: &Interrupt,
    progress: &mut Progress,
    results: &mut Results,
) -> Result<()> {
    let deployment = item.deployment;
    let name = &deployment.name;
    progress.say(format!("{name}: starting{nth}"));
    let log = Log::File(site.log(name));
    let traces = site.traces(name)?;
    let mut server =
        site.deploy_traced(deployment, backend, &traces, log, interrupt)?;
    let mut subject = Subject {
        server: &mut server,
        port: site.ports.of(deployment.port)?,
        shape: item.shape,
        backend,
        interrupt,
        traces: &traces,
    };
    progress.say(format!("{name}: warming up{nth}"));
    let most = item.runs.iter().map(|run| run.concurrency).max();
    let most = most.unwrap_or(1) as u64;
    subject.warm_up(most).with_context(|| name.clone())?;
    progress.over(item.shape.request);
    for (at, &run) in item.runs.iter().enumerate() {
        let bound = bound(item, &run);
        progress.say(format!("{name}: {}{nth}", run.name()));
        let evidence =
            subject.measure(run, |elapsed| progress.within(elapsed, bound))?;
        let processes = deployment.processes.count();
        let faults = verdict::faults(&item.shape, processes, run, &evidence);
        results.rows[item.first_row + at].add(&evidence, &faults);
        let line = match faults.first() {
            None => format!(
                "{name}, {}: {:.3} s of at least {:.3} s{nth}",
                run.name(),
                evidence.elapsed.as_secs_f64(),
                bound.as_secs_f64(),
            ),
            Some(fault) => {
                format!("{name}, {}: refused: {fault}{nth}", run.name())
            }
        };
        progress.over(bound);
        progress.tell(&line);
    }
    server.stop()
}
