//! Thousands of requests in flight: how far the models go that have no limit
//! of their own.
//!
//! A closed loop keeps so many requests under way. Their starts are spread
//! and the first seconds are not measured, so that what is seen is how a
//! model goes on and not how it takes a burst. limits.rs makes room for as
//! many connections as that takes, trial.rs measures, report.rs tells.

mod limits;
mod report;
mod trial;

use std::time::Duration;

use anyhow::{Result, bail};

use crate::catalogue::Deployment;
use crate::interrupt::Interrupt;
use crate::options::Scale;
use crate::progress::Progress;
use crate::put::{check, put_json};
use crate::site::Site;

use limits::Limits;
use report::Report;
use trial::Trial;

/// Whether no request failed.
pub(crate) fn scale(site: &Site, options: &Scale) -> Result<bool> {
    let names = match &options.names[..] {
        [] => vec!["native".to_owned(), "coroutine".to_owned()],
        names => names.to_vec(),
    };
    let deployments = site.catalogue.select(&names)?;
    for deployment in &deployments {
        if takes_one_by_one(deployment) {
            bail!(
                "{} takes as many requests at a time as it has threads; talk \
                 scale is for those without such a limit",
                deployment.name
            );
        }
    }
    options.json.as_deref().map_or(Ok(()), check)?;
    site.build_apps()?;

    let interrupt = Interrupt::block()?;
    let limits = Limits::raise()?;
    let length = Duration::from_secs_f64(options.seconds);
    let count = deployments.len() * options.in_flight.len();
    let each = trial::SETTLE + length;
    let mut progress = Progress::new(each * count as u32);
    let mut report = Report::new(site, &limits)?;
    for deployment in deployments {
        for &in_flight in &options.in_flight {
            progress.say(format!("{}: {in_flight} in flight", deployment.name));
            let fit = limits.fit(site, deployment, in_flight)?;
            let trial = Trial {
                site,
                deployment,
                in_flight,
                fit,
                length,
                interrupt: &interrupt,
            };
            let row = trial.run(|elapsed| progress.within(elapsed, each))?;
            progress.over(each);
            progress.tell(&row.line());
            report.add(row);
        }
    }
    drop(progress);
    report.show();
    if let Some(file) = &options.json {
        put_json(file, &report)?;
    }
    Ok(report.all_answered())
}

fn takes_one_by_one(deployment: &Deployment) -> bool {
    !deployment.unlimited && deployment.coroutines == 0
}
