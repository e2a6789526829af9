//! Results and deployments as tables, for the terminal and for Markdown.

use std::io;

use comfy_table::{CellAlignment, ColumnConstraint, Table, presets};

use crate::catalogue::Deployment;
use crate::print;
use crate::results::{Results, Row, Spread};

/// Where a table is read.
#[derive(Clone, Copy, PartialEq)]
enum Medium {
    Terminal,
    Markdown,
}

fn table(medium: Medium, head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(match medium {
        Medium::Terminal => presets::NOTHING,
        Medium::Markdown => presets::ASCII_MARKDOWN,
    });
    table.set_header(head);
    if medium == Medium::Terminal {
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
    }
    table
}

/// A table for the terminal whose columns but the first are numbers.
pub(crate) fn plain(
    head: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    fitted(head, rows, &[], usize::MAX)
}

/// The same in so much room, see [`fit`].
pub(crate) fn fitted(
    head: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    spared: &[&str],
    room: usize,
) -> String {
    let mut table = table(Medium::Terminal, head);
    for row in rows {
        table.add_row(row);
    }
    align(&mut table, 1);
    fit(&mut table, head, spared, room)
}

/// The same for Markdown.
pub(crate) fn piped(
    head: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut table = table(Medium::Markdown, head);
    for row in rows {
        table.add_row(row);
    }
    align(&mut table, 1);
    table.to_string()
}

/// Aligns the numbers of the columns from `first` on.
fn align(table: &mut Table, first: usize) {
    for column in table.column_iter_mut().skip(first) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// Deployments with the line that tries each.
pub(crate) fn deployments(rows: &[(&Deployment, u16)]) -> String {
    let head = [
        "deployment",
        "port",
        "model",
        "processes × each",
        "slide",
        "try",
    ];
    let mut table = table(Medium::Terminal, &head);
    for (deployment, port) in rows {
        let Deployment {
            name, model, slide, ..
        } = deployment;
        table.add_row([
            name.clone(),
            format!(":{port}"),
            model.clone(),
            takers(deployment),
            slide.clone(),
            format!("curl localhost:{port}"),
        ]);
    }
    fit(
        &mut table,
        &head,
        &["slide", "model", "try"],
        print::room(&io::stdout()),
    )
}

fn takers(deployment: &Deployment) -> String {
    let processes = deployment.processes.count();
    match (deployment.threads, deployment.coroutines) {
        _ if deployment.unlimited => format!("{processes} × no limit"),
        (1, _) => format!("{processes} × 1 thread"),
        (0, coroutines) => format!("{processes} × {coroutines} coroutines"),
        (threads, _) => format!("{processes} × {threads} threads"),
    }
}

/// What runs: a name, figures, and last what needs words.
pub(crate) fn processes<const N: usize>(
    head: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
    spared: &[&str],
    room: usize,
) -> String {
    let mut table = table(Medium::Terminal, head);
    table.add_rows(rows);
    align(&mut table, 1);
    if let Some(words) = table.column_mut(N - 1) {
        words.set_cell_alignment(CellAlignment::Left);
    }
    fit(&mut table, head, spared, room)
}

/// The results as a terminal shows them.
pub(crate) fn terminal(results: &Results) -> String {
    let head = [
        "deployment",
        "run",
        "bound s",
        "talk s",
        "measured s",
        "× bound",
        "CPU ms/req",
        "peak MB",
        "threads",
    ];
    let mut table = table(Medium::Terminal, &head);
    for row in &results.rows {
        let figures = figures(row);
        table.add_row(
            [row.deployment.clone(), row.run.clone()]
                .into_iter()
                .chain([seconds(row.bound), maybe(row.talk, seconds)])
                .chain(figures),
        );
    }
    align(&mut table, 2);
    const SPARED: [&str; 6] = [
        "threads",
        "peak MB",
        "talk s",
        "CPU ms/req",
        "× bound",
        "bound s",
    ];
    let mut text = fit(&mut table, &head, &SPARED, print::room(&io::stdout()));
    for line in refusals(results) {
        text.push_str(&format!("\n{line}"));
    }
    text
}

/// The same as Markdown, beside what the talk's own code takes today.
pub(crate) fn markdown(results: &Results) -> String {
    let head = [
        "deployment",
        "run",
        "bound s",
        "talk 2016 s",
        "uWSGI today s",
        "measured s",
        "× bound",
        "CPU ms/request",
        "peak MB",
        "processes × threads",
        "uWSGI CPU ms",
        "uWSGI MB",
    ];
    let mut table = table(Medium::Markdown, &head);
    for row in &results.rows {
        table.add_row(
            [row.deployment.clone(), row.run.clone()]
                .into_iter()
                .chain([seconds(row.bound), maybe(row.talk, seconds)])
                .chain([maybe(row.uwsgi, seconds)])
                .chain(figures(row))
                .chain([
                    maybe(row.uwsgi_cpu_per_request, millis),
                    maybe(row.uwsgi_memory, megabytes),
                ]),
        );
    }
    align(&mut table, 2);
    let machine = &results.machine;
    let mut text = format!(
        "{}, {} cores, Linux {}; {}{}.\n\n{table}\n",
        machine.processor,
        machine.cores,
        machine.kernel,
        results.date(),
        match (results.repeat, results.quick) {
            (1, false) => String::new(),
            (1, true) => "; with fewer requests than the talk's".to_owned(),
            (times, _) => format!("; medians of {times}"),
        }
    );
    for line in refusals(results) {
        text.push_str(&format!("\n{line}\n"));
    }
    text
}

/// Measured, × bound, CPU, memory, threads.
fn figures(row: &Row) -> [String; 5] {
    let Some(summary) = &row.summary else {
        let why = match row.measurements.is_empty() {
            true => "not run",
            false => "refused",
        };
        return [why, "", "", "", ""].map(str::to_owned);
    };
    let cpu = summary.cpu_per_request.map(|spread| spread.median);
    [
        spread(&summary.seconds, row.measurements.len()),
        format!("{:.3}", summary.times_bound),
        maybe(cpu, millis),
        maybe(summary.peak_memory, megabytes),
        format!("{} × {}", summary.workers, summary.threads),
    ]
}

fn spread(spread: &Spread, times: usize) -> String {
    let Spread { median, min, max } = spread;
    match times {
        1 => seconds(*median),
        _ => format!("{median:.3} ({min:.3}–{max:.3})"),
    }
}

fn refusals(results: &Results) -> impl Iterator<Item = String> {
    results.rows.iter().flat_map(|row| {
        row.reasons().map(|reason| {
            format!("refused: {} {}: {reason}", row.deployment, row.run)
        })
    })
}

fn maybe<T>(value: Option<T>, show: fn(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.3}")
}

fn millis(seconds: f64) -> String {
    format!("{:.2}", seconds * 1e3)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// A table in so much room: where it is wider, columns are left out, in the
/// order in which they can be spared. A row that the terminal breaks in two
/// is no row any more.
fn fit(
    table: &mut Table,
    head: &[&str],
    spared: &[&str],
    room: usize,
) -> String {
    let fits =
        |text: &str| text.lines().all(|line| line.chars().count() <= room);
    let mut text = trim(table);
    for spared in spared {
        if fits(&text) {
            break;
        }
        let at = head.iter().position(|name| name == spared);
        if let Some(column) = at.and_then(|at| table.column_mut(at)) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
        text = trim(table);
    }
    text
}

/// A table pads its last column too.
fn trim(table: &Table) -> String {
    let lines = table.to_string();
    let lines = lines.lines().map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_gets_fewer_columns_and_no_broken_rows() {
        let head = ["model", "rate", "memory"];
        let table = |spared: &[&str], room| {
            let row = ["native", "1520/s", "34 MB"].map(str::to_owned);
            fitted(&head, [row.to_vec()], spared, room)
        };
        let whole = "model     rate  memory\nnative  1520/s   34 MB";
        assert_eq!(table(&["rate", "memory"], usize::MAX), whole);
        assert_eq!(table(&["rate", "memory"], 22), whole);
        let narrow = "model   memory\nnative   34 MB";
        assert_eq!(table(&["rate", "memory"], 21), narrow);
        assert_eq!(table(&["rate", "memory"], 3), "model\nnative");
        // What nobody can spare is broken after all.
        assert_eq!(table(&[], 3), whole);
    }
}
