//! What a run led to, for people. The last line is always the one that the
//! talk's slides show.

mod table;

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write as _};
use std::time::Duration;

use hammer::{Load, Outcome, Schedule};

use super::units;
use table::table;

/// Prints the report to stdout.
pub(crate) fn print(
    load: &Load,
    outcome: &Outcome,
    quiet: bool,
) -> anyhow::Result<()> {
    let mut text = String::new();
    if !quiet {
        text = full(load, outcome);
    }
    // One who reads only the figures must not miss what is wrong with them.
    if quiet || !io::stdout().is_terminal() {
        flaws(outcome)
            .iter()
            .for_each(|flaw| eprintln!("hammer: {flaw}"));
    }
    let seconds = outcome.elapsed.as_secs_f64();
    let requests = outcome.requests;
    text.push_str(&format!("We did {requests} requests in {seconds:.3}\n"));
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

fn full(load: &Load, outcome: &Outcome) -> String {
    let mut text = heading(load);
    text.push('\n');
    text.push_str(&table(&counts(outcome), &[]));
    let latencies = latencies(outcome);
    if !latencies.is_empty() {
        text.push('\n');
        text.push_str(&latencies);
    }
    for flaw in flaws(outcome) {
        let _ = write!(text, "\n{flaw}\n");
    }
    if outcome.interrupted {
        let _ = write!(
            text,
            "\nended early, with {} requests under way\n",
            outcome.unfinished
        );
    }
    text.push('\n');
    text
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
    rows.push(row("failed", outcome.failed));
    for (status, count) in outcome.statuses.range(400..) {
        rows.push(row(&format!("  status {status}"), count));
    }
    for (kind, count) in &outcome.errors {
        rows.push(row(&format!("  {kind}"), count));
    }
    if outcome.shed > 0 {
        rows.push(row("shed", outcome.shed));
    }
    rows.push(row("rate", units::rate(outcome.rate)));
    rows.push(row("received", units::bytes(outcome.bytes_received)));
    rows
}

fn row(name: &str, value: impl ToString) -> Vec<String> {
    vec![name.to_owned(), value.to_string()]
}

fn latencies(outcome: &Outcome) -> String {
    let latency = &outcome.latency;
    if latency.count() == 0 {
        return String::new();
    }
    let quantiles = [
        ("min", latency.min()),
        ("median", latency.median()),
        ("p95", latency.p95()),
        ("p99", latency.p99()),
        ("max", latency.max()),
    ];
    let rows: Vec<_> = quantiles
        .into_iter()
        .map(|(name, value): (_, Duration)| row(name, units::duration(value)))
        .collect();
    table(&rows, &["latency", ""])
}

/// Why the figures are not to be trusted, one line each.
fn flaws(outcome: &Outcome) -> Vec<String> {
    let flaws = outcome.flaws.iter();
    flaws.map(|flaw| format!("INVALID: {flaw}")).collect()
}
