//! Prints two outcomes side by side, and which differences are real.

use hammer::{Difference, Outcome};
use serde_json::Value;

use super::args::Compare;
use super::exit::Exit;
use super::json::Read;
use super::report::{self, table};
use super::units;

pub(crate) fn run(options: &Compare) -> anyhow::Result<Exit> {
    let (before, after) = options.sides()?;
    let (before, after) = (Read::all(before)?, Read::all(after)?);
    let loads = [&before.loads[..], &after.loads].concat();
    let mut differences = hammer::compare(&before.runs, &after.runs);
    if !is_same(&loads, time_outs) {
        // Who was given up sooner may have been quicker.
        differences.iter_mut().filter(|d| is_open(d)).for_each(|d| {
            d.interval = None;
        });
    }
    let rows: Vec<_> = differences.iter().map(row).collect();
    let heading = ["", "before", "after", "difference", "99% interval", ""];
    let mut text = table(&rows, &heading);
    for (name, read) in [("before", &before), ("after", &after)] {
        let count =
            |of: fn(&Outcome) -> u64| -> u64 { read.runs.iter().map(of).sum() };
        text.push_str(&format!(
            "\n{name}: {}, {} requests, {} failed",
            match read.runs.len() {
                1 => "1 run".to_owned(),
                runs => format!("{runs} runs"),
            },
            count(|run| run.requests),
            count(|run| run.failed),
        ));
        if !read.runs.iter().all(Outcome::valid) {
            text.push_str("; INVALID: a run is not to be trusted");
        }
    }
    text.push('\n');
    if !is_same(&loads, |load| load) {
        text.push_str("The loads are not the same.\n");
    }
    if before.runs.len().min(after.runs.len()) < 5 {
        text.push_str(
            "Two runs of one service differ by more than their seconds do: \
             use --runs 5\nfor an interval that knows by how much.\n",
        );
    }
    report::print(&text)?;
    Ok(Exit::Fine)
}

fn is_same<'a, T: PartialEq>(
    loads: &'a [Value],
    part: impl Fn(&'a Value) -> T,
) -> bool {
    loads.windows(2).all(|two| part(&two[0]) == part(&two[1]))
}

fn time_outs(load: &Value) -> [&Value; 2] {
    [&load["timeout"], &load["connect_timeout"]]
}

/// Whether one of both was not answered in time.
fn is_open(difference: &Difference) -> bool {
    difference.before.is_infinite() || difference.after.is_infinite()
}

fn row(difference: &Difference) -> Vec<String> {
    let Difference { before, after, .. } = *difference;
    let show = |value: f64| match difference.name {
        _ if value.is_nan() => "-".to_owned(),
        _ if value.is_infinite() => "∞".to_owned(),
        "rate" => units::scaled(value, "/s"),
        _ => units::seconds(value),
    };
    let figure = |value: f64| match value.is_infinite() {
        true => "not in time".to_owned(),
        false => show(value),
    };
    let signed = |value: f64| match value < 0.0 {
        true => format!("-{}", show(-value)),
        false if value.is_nan() => show(value),
        false => format!("+{}", show(value)),
    };
    let percent = match before > 0.0 && (after - before).is_finite() {
        true => format!(" ({:+.1}%)", (after - before) / before * 100.0),
        false => String::new(),
    };
    vec![
        difference.name.to_owned(),
        figure(before),
        figure(after),
        signed(after - before) + &percent,
        match difference.interval {
            Some((low, high)) => {
                format!("{} … {}", signed(low), signed(high))
            }
            None => "-".to_owned(),
        },
        match difference.is_real() {
            Some(true) => "beyond the noise",
            Some(false) => "within the noise",
            None => "too little to tell",
        }
        .to_owned(),
    ]
}
