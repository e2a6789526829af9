//! What the command adds to the library: words in, words out.

mod args;
mod exit;
mod interrupt;
mod json;
mod live;
mod report;
mod threshold;
mod units;

use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::Context;
use hammer::Outcome;

use args::Args;
use exit::Exit;
use interrupt::Interrupt;
use live::Live;
use threshold::{Metric, Threshold};

pub(crate) fn main() -> ExitCode {
    match Args::read().and_then(|args| run(&args)) {
        Ok(exit) => exit.code(),
        Err(error) => exit::refuse(&error),
    }
}

fn run(args: &Args) -> anyhow::Result<Exit> {
    let load = args.load()?;
    // A file that cannot be written is better known before the run.
    let json = args.json.as_deref().map(json::File::create).transpose()?;
    let interrupt = Interrupt::catch().context("cannot catch Ctrl-C")?;
    let mut live = Live::new(args.quiet, &load.stop);
    let outcome = hammer::run(&load, |snapshot| {
        live.show(snapshot);
        match interrupt.came() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    live.clear();
    if let Some(json) = json {
        json.write(&load, &outcome)?;
    }
    report::print(&load, &outcome, args.quiet)?;
    Ok(verdict(&outcome, &args.fail_if))
}

/// The first that holds is the one that a script must know of: figures that
/// are not to be trusted break no threshold, and keep none.
fn verdict(outcome: &Outcome, thresholds: &[Threshold]) -> Exit {
    let broken: Vec<_> = thresholds
        .iter()
        .filter_map(|threshold| threshold.broken(outcome))
        .collect();
    for why in &broken {
        eprintln!("hammer: fail-if {why}");
    }
    let ruled = |metric| thresholds.iter().any(|t| t.is_about(metric));
    let failed = (outcome.failed > 0 && !ruled(Metric::Errors))
        || (outcome.shed > 0 && !ruled(Metric::Shed));
    if outcome.interrupted {
        Exit::Interrupted
    } else if !outcome.valid() {
        Exit::Invalid
    } else if !broken.is_empty() {
        Exit::Threshold
    } else if failed {
        Exit::Failed
    } else {
        Exit::Fine
    }
}
