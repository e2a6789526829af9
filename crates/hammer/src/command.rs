//! What the command adds to the library: words in, words out.

mod args;
mod exit;
mod interrupt;
mod json;
mod live;
mod report;
mod units;

use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::Context;
use hammer::Outcome;

use args::Args;
use exit::Exit;
use interrupt::Interrupt;
use live::Live;

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
    Ok(verdict(&outcome))
}

/// The first that holds is the one that a script must know of.
fn verdict(outcome: &Outcome) -> Exit {
    if outcome.interrupted {
        Exit::Interrupted
    } else if !outcome.valid() {
        Exit::Invalid
    } else if outcome.failed > 0 || outcome.shed > 0 {
        Exit::Failed
    } else {
        Exit::Fine
    }
}
