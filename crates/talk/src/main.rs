//! The runner: starts the talk's servers, hammers them, and holds what was
//! measured against what arithmetic allows and what the talk's slides say.
//!
//! Read next: catalogue.rs, what there is to run; bound.rs, the arithmetic;
//! bench.rs, how it is measured; verdict.rs, when a figure holds; caveats.rs,
//! what the slides warn of; sweep.rs, which model fits a workload.

mod backend;
mod bench;
mod bound;
mod catalogue;
mod caveats;
mod deploy;
mod interrupt;
mod made;
mod masters;
mod measure;
mod notify;
mod options;
mod order;
mod ports;
mod print;
mod procfs;
mod progress;
mod ps;
mod put;
mod report;
mod results;
mod run;
mod run_all;
mod scale;
mod serve;
mod site;
mod size_watch;
mod soak;
mod sockets;
mod sweep;
mod table;
mod torture;
mod trace;
mod verdict;
mod wrap;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::interrupt::Stopped;
use crate::options::{Command, Options};
use crate::print::{note, say};
use crate::site::Site;

/// As clap has it for a bad command line.
const USAGE: u8 = 2;
/// As a shell has it for a command that SIGINT ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    if let Err(error) = interrupt::hear_of_children() {
        note!("talk: {error:#}");
        return ExitCode::FAILURE;
    }
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) if shows_help(&error) => error.exit(),
        Err(error) => {
            // What is missing, or may be given, stands below the first line.
            let error = error.to_string();
            let what = error.lines().take_while(|line| !line.is_empty());
            let line = what.map(str::trim).collect::<Vec<_>>().join(" ");
            let line = line.strip_prefix("error: ").unwrap_or(&line);
            note!("talk: {line} (see {})", help(env::args_os().skip(1)));
            return ExitCode::from(USAGE);
        }
    };
    match run_command(&options) {
        Ok(true) if !print::failed() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) if error.is::<Stopped>() => {
            note!("talk: stopped");
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            note!("talk: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn shows_help(error: &clap::Error) -> bool {
    let nothing = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    !error.use_stderr() || error.kind() == nothing
}

/// What helps with a bad command line: of the command, where it names one.
fn help(mut arguments: impl Iterator<Item = OsString>) -> String {
    let all = Options::command();
    let named = arguments.find_map(|name| all.find_subcommand(name));
    match named {
        Some(named) => format!("cargo talk {} --help", named.get_name()),
        None => "cargo talk --help".to_owned(),
    }
}

/// Whether all went well.
fn run_command(options: &Options) -> Result<bool> {
    let site = Site::find(options.port_base)?;
    match &options.command {
        Command::Bench(bench) => return bench::bench(&site, bench),
        Command::Torture(torture) => {
            return torture::torture(&site, torture);
        }
        Command::Soak(soak) => return soak::soak(&site, soak),
        Command::Scale(some) => return scale::scale(&site, some),
        Command::Caveats(some) => return caveats::caveats(&site, some),
        Command::Sweep(sweep) => return sweep::sweep(&site, sweep),
        Command::Trace(trace) => return trace::trace(&site, trace),
        Command::Answer(answer) => return sweep::answered(&site, answer),
        Command::RunAll(all) => run_all::run_all(&site, all)?,
        Command::Serve(serve) => serve::serve(&site, serve)?,
        Command::Run(run) => run::run(&site, run)?,
        Command::Ps(ps) => ps::ps(ps)?,
        Command::Report(report) => report::report(report)?,
        Command::List => {
            let all = site.catalogue.deployments.iter();
            let rows = all.map(|deployment| {
                Ok((deployment, site.ports.of(deployment.port)?))
            });
            let rows = rows.collect::<Result<Vec<_>>>()?;
            say!("{}", table::deployments(&rows));
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_errs_in_a_command_is_sent_to_its_own_help() {
        for (line, named) in [
            ("", "cargo talk --help"),
            ("swep", "cargo talk --help"),
            ("sweep --delay 5x", "cargo talk sweep --help"),
            ("--port-base 15000 run --bench x", "cargo talk run --help"),
        ] {
            assert_eq!(help(line.split(' ').map(OsString::from)), named);
        }
    }
}
