//! Runs a load, as often as was asked for, and reports.

use std::ops::ControlFlow;

use anyhow::Context;
use hammer::{Arrivals, Flaw, Load, Outcome, Schedule, Snapshot};

use super::args::Args;
use super::csv::Csv;
use super::exit::Exit;
use super::hlog::Hlog;
use super::interrupt::Interrupt;
use super::json;
use super::live::Live;
use super::note::note;
use super::report;
use super::threshold::{Metric, Threshold};

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let load = args.load()?;
    // A file that cannot be written is better known before the run.
    let json = args.json.as_deref().map(json::Json::create).transpose()?;
    let mut seconds = Seconds {
        csv: args.csv.as_deref().map(Csv::create).transpose()?,
        hlog: args.hlog.as_deref().map(Hlog::create).transpose()?,
    };
    let interrupt = Interrupt::catch().context("cannot catch Ctrl-C")?;
    let mut outcomes = Vec::new();
    let mut printed = Ok(());
    for number in 1..=args.runs {
        let load = seeded(&load, number);
        let outcome = once(args, &load, number, &mut seconds, &interrupt)?;
        if !args.quiet && printed.is_ok() {
            let run = (args.runs > 1).then_some((number, args.runs));
            printed = report::run(&load, &outcome, run);
        }
        outcomes.push(outcome);
        if outcomes.last().is_some_and(|outcome| outcome.interrupted) {
            break;
        }
    }
    if let Some(json) = json {
        json.write(&load, &outcomes)?;
    }
    // The file had to have what nobody could be told.
    printed?;
    let verdicts = outcomes.iter().map(|run| verdict(run, &args.fail_if));
    // The later in the list the less is known of the service.
    let exit = verdicts.max().unwrap_or(Exit::Fine);
    report::end(&outcomes, args.quiet)?;
    Ok(exit)
}

/// The load of a run: each has random moments of its own, so that they
/// differ as users' do.
fn seeded(load: &Load, run: u32) -> Load {
    let mut load = load.clone();
    if let Schedule::Open {
        arrivals: Arrivals::Poisson { seed },
        ..
    } = &mut load.schedule
    {
        *seed = seed.wrapping_add(u64::from(run - 1));
    }
    load
}

/// The files that take the run second by second.
struct Seconds {
    csv: Option<Csv>,
    hlog: Option<Hlog>,
}

impl Seconds {
    fn write(&mut self, run: u32, snapshot: &Snapshot) -> anyhow::Result<()> {
        if let Some(csv) = &mut self.csv {
            csv.write(run, &snapshot.seconds)?;
        }
        if let Some(hlog) = &mut self.hlog {
            hlog.write(&snapshot.seconds)?;
        }
        Ok(())
    }
}

fn once(
    args: &Args,
    load: &Load,
    number: u32,
    seconds: &mut Seconds,
    interrupt: &Interrupt,
) -> anyhow::Result<Outcome> {
    let mut live = Live::new(args.quiet, &load.stop);
    if let Some(hlog) = &mut seconds.hlog {
        hlog.begin(load.warmup);
    }
    let mut written = Ok(());
    let outcome = hammer::run(load, |snapshot| {
        live.show(snapshot);
        if written.is_ok() {
            written = seconds.write(number, snapshot);
        }
        // A full disk ends the run: its figures were wanted there.
        match interrupt.came() || written.is_err() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    live.clear();
    written.map(|()| outcome)
}

/// What a script must know of the run: figures that are not to be trusted
/// break no threshold, and keep none.
fn verdict(outcome: &Outcome, thresholds: &[Threshold]) -> Exit {
    let broken: Vec<_> = thresholds
        .iter()
        .filter_map(|threshold| threshold.broken(outcome))
        .collect();
    for why in &broken {
        note(format_args!("hammer: fail-if {why}"));
    }
    let ruled = |metric| thresholds.iter().any(|t| t.is_about(metric));
    let failed = (outcome.failed > 0 && !ruled(Metric::Errors))
        || (outcome.shed > 0 && !ruled(Metric::Shed));
    // What was shed was not sent: whoever says how much may be says that.
    let is_excused = |flaw: &Flaw| {
        let is_missed = matches!(flaw, Flaw::RateMissed { .. });
        is_missed && outcome.shed > 0 && ruled(Metric::Shed)
    };
    if outcome.interrupted {
        Exit::Interrupted
    } else if !outcome.flaws.iter().all(is_excused) {
        Exit::Invalid
    } else if !broken.is_empty() {
        Exit::Threshold
    } else if failed {
        Exit::Failed
    } else {
        Exit::Fine
    }
}
