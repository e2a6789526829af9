//! Whether the servers hold: workers are killed and exchanged, the master is
//! killed, and clients are slow, while requests come in at a constant rate.
//!
//! 1. plan.rs: which load a deployment is put under;
//! 2. kills.rs, reloads.rs, orphans.rs, slow.rs: one way to torture each;
//! 3. load.rs: the requests meanwhile; victim.rs: a master, a worker, and
//!    what it has in its hands;
//! 4. peers.rs: the same for uWSGI, gunicorn and nginx;
//! 5. report.rs: what came of it, and whether it is as promised.

mod kills;
mod load;
mod orphans;
mod peers;
mod plan;
mod reloads;
mod report;
mod slow;
mod victim;

use anyhow::{Context, Result};

use self::plan::{Plan, SLOW};
use self::report::{Report, Row};
use crate::backend::Backend;
use crate::catalogue::Deployment;
use crate::deploy::Log;
use crate::interrupt::Interrupt;
use crate::options::Torture;
use crate::print::{note, say};
use crate::progress::Progress;
use crate::put::check;
use crate::site::Site;

/// Whether all held.
pub(crate) fn torture(site: &Site, options: &Torture) -> Result<bool> {
    let deployments = site.catalogue.select(&options.names)?;
    options.json.as_deref().map_or(Ok(()), check)?;
    site.build_apps()?;

    let interrupt = Interrupt::block()?;
    let plan = Plan::of(options);
    let total = plan.length() * deployments.len() as u32 + SLOW;
    let mut progress = Progress::new(total);
    let log = Log::File(site.log("slow-backend"));
    let backend = Backend::start(site, log, &interrupt)?;
    let mut report = Report::new(options.long);
    for deployment in &deployments {
        let name = &deployment.name;
        let row = one(site, deployment, &backend, &plan, &interrupt, &progress)
            .with_context(|| name.clone())?;
        progress.over(plan.length());
        progress.tell(&row.line());
        report.rows.push(row);
        report.write(options.json.as_deref())?;
    }
    progress.say("slow connections".to_owned());
    report.slow = slow::all(site, &deployments, &backend, &interrupt)?;
    progress.over(SLOW);
    report.write(options.json.as_deref())?;
    if options.peers {
        report.peers = peers::all(&backend, &plan, &interrupt, &progress)?;
    }
    drop(progress);
    report.write(options.json.as_deref())?;
    if let Some(server) = backend.server {
        server.stop()?;
    }
    say!("{report}");
    let faults = report.faults();
    for fault in &faults {
        note!("talk: {fault}");
    }
    Ok(faults.is_empty())
}

fn one(
    site: &Site,
    deployment: &Deployment,
    backend: &Backend,
    plan: &Plan,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Row> {
    let name = &deployment.name;
    let port = site.ports.of(deployment.port)?;
    let rate = plan.rate(deployment);
    let options = plan::options(deployment);
    let log = Log::File(site.log(name));
    let server = site.deploy(deployment, backend, &options, log, interrupt)?;
    let has_queues = plan::has_queues(name);
    let target = load::Target {
        port,
        rate,
        has_queues,
    };
    progress.say(format!("{name}: workers are killed"));
    let kills = kills::kill(server.pid(), target, plan.kills, interrupt)?;
    progress.say(format!("{name}: workers are exchanged"));
    let pid = server.pid();
    let reloads = reloads::reload(pid, target, plan.reloads, interrupt)?;
    progress.say(format!("{name}: the master is killed"));
    let orphans = orphans::kill_master(server, target)?;
    Ok(Row {
        deployment: name.clone(),
        rate,
        kills,
        reloads,
        orphans,
    })
}
