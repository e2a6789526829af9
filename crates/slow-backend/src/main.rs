//! The service that every app calls, and that takes its time.
//!
//! `GET /?duration=0.5` is answered after half a second, and `GET /?call=0`
//! as the first call of a workload is to be. It also tells the truth about
//! its callers: how many calls it served, and how many waited at once
//! (`GET /stats`), which no app can hide from.

mod accept;
mod options;
mod plan;
mod serve;
mod stats;
mod timer;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use harness::master::{Limits, Service};
use harness::{listener, log, master, signals};
use workload::Workload;

use crate::options::Options;
use crate::plan::Plan;
use crate::stats::Stats;

const NAME: &str = "slow-backend";

fn main() -> ExitCode {
    match Options::try_parse() {
        Ok(options) => harness::report(NAME, run(&options)),
        Err(error) => harness::usage(NAME, &error),
    }
}

fn run(options: &Options) -> Result<()> {
    let plan = match &options.workload {
        Some(file) => Some(Plan::new(&Workload::load(file)?)?),
        None => None,
    };
    log::start(false);
    if options.die_with_parent && !signals::stop_with_parent()? {
        return Ok(());
    }
    let listener = listener::bind(options.http.0, options.listen)?;
    let processes = options.processes.count();
    let stats = Stats::new(processes)?;
    let service = Service {
        name: NAME.to_owned(),
        processes,
        limits: Limits::default(),
        work: Box::new(|worker| serve::serve(worker, options, &stats, plan)),
    };
    master::run(listener, service, || {
        bail!("there is no file to read again")
    })?;
    Ok(())
}
