//! What a run led to, for people. The last line is always the one that the
//! talk's slides show.

mod histogram;
mod table;

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write as _};
use std::time::Duration;

use hammer::{Latency, Load, Outcome, QUANTILES, Schedule};

use super::note::note;
use super::units;
use histogram::histogram;
pub(crate) use table::table;

/// Prints all there is to say of one run: of the first number of so many.
pub(crate) fn run(
    load: &Load,
    outcome: &Outcome,
    number: Option<(u32, u32)>,
) -> anyhow::Result<()> {
    let mut text = String::new();
    if let Some((number, runs)) = number {
        let _ = writeln!(text, "Run {number} of {runs}");
    }
    text.push_str(&heading(load));
    text.push('\n');
    text.push_str(&table(&counts(outcome), &[]));
    text.push('\n');
    let columns = columns(outcome);
    if !columns.is_empty() {
        text.push_str(&latencies(&columns));
        text.push('\n');
    }
    for flaw in flaws(outcome) {
        let _ = writeln!(text, "{flaw}\n");
    }
    if outcome.interrupted {
        let _ = writeln!(
            text,
            "Ended early, with {} requests under way\n",
            outcome.unfinished
        );
    }
    print(&text)
}

/// Prints what there is to say of all runs together.
pub(crate) fn end(outcomes: &[Outcome], quiet: bool) -> anyhow::Result<()> {
    // One who reads only the figures must not miss what is wrong with them.
    if quiet || !io::stdout().is_terminal() {
        for flaw in outcomes.iter().flat_map(flaws) {
            note(format_args!("hammer: {flaw}"));
        }
    }
    let mut text = String::new();
    if outcomes.len() > 1 && !quiet {
        text = runs(outcomes) + "\n";
    }
    let requests: u64 = outcomes.iter().map(|run| run.requests).sum();
    let seconds: f64 =
        outcomes.iter().map(|run| run.elapsed.as_secs_f64()).sum();
    let _ = writeln!(text, "We did {requests} requests in {seconds:.3}");
    print(&text)
}

pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        // `hammer | head` is nobody's fault.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

fn heading(load: &Load) -> String {
    let mut text = String::new();
    for target in &load.targets {
        let _ = writeln!(text, "{} {}", target.method, target.url);
    }
    let how = match &load.schedule {
        Schedule::Closed { concurrency } => format!("{concurrency} at once"),
        Schedule::Open { rate, .. } => {
            let ends = rate.stages.iter().map(|stage| stage.rate);
            let rates: Vec<_> = [rate.start]
                .into_iter()
                .chain(ends)
                .map(|rate| rate.to_string())
                .collect();
            format!("{} requests/s", rates.join(" → "))
        }
    };
    let connections = match load.keep_alive {
        true => "connections kept",
        false => "a new connection for each",
    };
    let _ = writeln!(text, "{how}, {connections}");
    text
}

fn counts(outcome: &Outcome) -> Vec<Vec<String>> {
    let mut rows = vec![row("requests", outcome.requests)];
    for (status, count) in &outcome.statuses {
        rows.push(row(&format!("  status {status}"), count));
    }
    for (kind, count) in &outcome.errors {
        rows.push(row(&format!("  {kind}"), count));
    }
    rows.push(row("failed", outcome.failed));
    rows.push(row("rate", units::rate(outcome.rate)));
    if let Some(open) = &outcome.open {
        rows.push(row("  wanted", units::rate(open.wanted_rate)));
        rows.push(row("  sent", units::rate(open.sent_rate)));
        rows.push(row("sent late", open.late));
        rows.push(row("shed", outcome.shed));
    }
    rows.push(row("received", units::bytes(outcome.bytes_received)));
    rows.push(row("sent", units::bytes(outcome.bytes_sent)));
    let cpu = outcome.cpu.user + outcome.cpu.system;
    rows.push(row("own CPU", units::duration(cpu)));
    let busy = format!("{:.1}%", outcome.cpu.busy * 100.0);
    rows.push(row("  busiest thread", busy));
    rows
}

fn row(name: &str, value: impl ToString) -> Vec<String> {
    vec![name.to_owned(), value.to_string()]
}

/// What was timed, the most important first.
fn columns(outcome: &Outcome) -> Vec<(&str, &Latency)> {
    let mut columns = vec![("total", &outcome.latency)];
    // Fast errors must not flatter the rest, so they stand apart.
    for (class, latency) in &outcome.latency_by_class {
        if matches!(&**class, "4xx" | "5xx") {
            columns.push((class, latency));
        }
    }
    columns.push(("first byte", &outcome.first_byte));
    columns.push(("connect", &outcome.connect));
    if let Some(open) = &outcome.open {
        columns.push(("since sent", &open.service));
        columns.push(("sent late by", &open.lag));
    }
    columns.retain(|(_, latency)| latency.count() > 0);
    columns
}

/// A table of percentiles, and a picture of the first column.
pub(crate) fn latencies(columns: &[(&str, &Latency)]) -> String {
    let cells = |name: &str, cell: &dyn Fn(&Latency) -> String| {
        let cells = columns.iter().map(|(_, latency)| cell(latency));
        [name.to_owned()].into_iter().chain(cells).collect()
    };
    let times = |name: &str, time: &dyn Fn(&Latency) -> Duration| {
        cells(name, &|latency| match latency.count() {
            0 => "-".to_owned(),
            _ => units::duration(time(latency)),
        })
    };
    let mut rows: Vec<Vec<String>> = vec![
        cells("count", &|latency| latency.count().to_string()),
        times("min", &Latency::min),
        times("mean", &Latency::mean),
    ];
    for (name, quantile) in QUANTILES {
        let name = if name == "p50" { "median" } else { name };
        rows.push(times(name, &|latency| latency.quantile(quantile)));
    }
    rows.push(times("max", &Latency::max));
    let mut heading = vec!["latency"];
    heading.extend(columns.iter().map(|(name, _)| name));
    let mut text = table(&rows, &heading);
    if let Some((_, latency)) = columns.first() {
        text.push('\n');
        text.push_str(&table(&histogram(latency), &[]));
    }
    text
}

/// One run beside the other.
fn runs(outcomes: &[Outcome]) -> String {
    let rows: Vec<_> = outcomes
        .iter()
        .zip(1..)
        .map(|(outcome, number)| {
            let latency = &outcome.latency;
            let times = [
                latency.median(),
                latency.p95(),
                latency.p99(),
                latency.max(),
            ];
            let mut row = vec![
                number.to_string(),
                outcome.requests.to_string(),
                outcome.failed.to_string(),
                units::rate(outcome.rate),
            ];
            row.extend(times.map(units::duration));
            row
        })
        .collect();
    let heading = [
        "run", "requests", "failed", "rate", "median", "p95", "p99", "max",
    ];
    table(&rows, &heading)
}

/// Why the figures are not to be trusted, one line each.
fn flaws(outcome: &Outcome) -> Vec<String> {
    let flaws = outcome.flaws.iter();
    flaws.map(|flaw| format!("INVALID: {flaw}")).collect()
}
