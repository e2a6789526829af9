//! The runner: starts the talk's servers, hammers them, and holds what was
//! measured against what arithmetic allows and what the talk's slides say.
//!
//! Read next: catalogue.rs, what there is to run; bound.rs, the arithmetic;
//! bench.rs, how it is measured; verdict.rs, when a figure holds.

mod backend;
mod bench;
mod bound;
mod catalogue;
mod deploy;
mod interrupt;
mod measure;
mod notify;
mod options;
mod ports;
mod procfs;
mod progress;
mod results;
mod run;
mod run_all;
mod site;
mod table;
mod verdict;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::interrupt::Stopped;
use crate::options::{Command, Options};
use crate::site::Site;

/// As a shell has it for a command that SIGINT ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match run_command(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.is::<Stopped>() => {
            eprintln!("talk: stopped");
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            eprintln!("talk: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well.
fn run_command(options: &Options) -> Result<bool> {
    let site = Site::find(options.port_base)?;
    match &options.command {
        Command::Bench(bench) => return bench::bench(&site, bench),
        Command::RunAll(all) => run_all::run_all(&site, all)?,
        Command::Run(run) => run::run(&site, run)?,
        Command::List => {
            let all = site.catalogue.deployments.iter();
            let rows = all.map(|deployment| {
                Ok((deployment, site.ports.of(deployment.port)?))
            });
            let rows = rows.collect::<Result<Vec<_>>>()?;
            println!("{}", table::deployments(&rows));
        }
    }
    Ok(true)
}
