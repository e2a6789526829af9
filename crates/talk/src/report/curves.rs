//! The curves of the page: latencies by percentile, and what went on over
//! time.

use maud::{Markup, html};

use super::plot::{Axes, Curve, number, plot, round_numbers, ticks, trimmed};
use super::{drawn, model};
use crate::results::{Results, Row, Seen};

pub(crate) fn latency(results: &Results) -> Markup {
    let rows = drawn(results);
    let curves = curves(&rows, percentiles);
    let axes = Axes {
        x: "of the requests took at most",
        y: "seconds",
        x_ticks: [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999].map(rarity).to_vec(),
        y_ticks: round_numbers(),
        x_label: |at| {
            let share = 100.0 * (1.0 - 10_f64.powf(-at));
            trimmed(share, 2) + "%"
        },
        y_label: |at| number(10_f64.powf(at)),
        x_from: 0.0,
        y_from: f64::MAX,
        rules: Vec::new(),
        band: None,
    };
    html! {
        section #latency {
            h2 { "How long each request took" }
            p {
                "As the client saw it, its wait for a worker included. The "
                "scale is HdrHistogram's: each step to the right leaves out "
                "nine tenths of what is left."
            }
            (plot(&curves, &axes, "Latency by percentile"))
            (as_table(&rows))
        }
    }
}

fn as_table(rows: &[&Row]) -> Markup {
    html! {
        details {
            summary { "The same in figures" }
            div.wide tabindex="0" role="region"
                aria-label="Latencies in seconds" {
                table {
                    thead { tr {
                        th scope="col" { "deployment" }
                        th scope="col" { "run" }
                        @for (name, _) in hammer::QUANTILES {
                            th scope="col" .number { (name) " s" }
                        }
                        th scope="col" .number { "max s" }
                    } }
                    tbody {
                        @for row in rows {
                            @if let Some(seen) = &row.seen { tr {
                                th scope="row" { (row.deployment) }
                                td { (row.run) }
                                @for (_, quantile) in hammer::QUANTILES {
                                    @let took = seen.latency.quantile(quantile);
                                    td.number {
                                        (format!("{:.3}", took.as_secs_f64()))
                                    }
                                }
                                td.number {
                                    (format!("{:.3}",
                                        seen.latency.max().as_secs_f64()))
                                }
                            } }
                        }
                    }
                }
            }
        }
    }
}

pub(crate) fn over_time(results: &Results) -> Markup {
    let rows = drawn(results);
    let longest = rows.iter().filter_map(|row| row.seen.as_ref());
    let longest = longest.map(|seen| seen.timeline.length()).max();
    let seconds = longest.unwrap_or(0) as f64 / 1e6;
    let plots = [
        (
            "Answers",
            "Requests answered over time",
            curves(&rows, answers),
            "answers",
        ),
        (
            "Memory of all workers",
            "Resident memory of all workers over time",
            curves(&rows, |seen| looks(seen, |_, bytes| bytes as f64 / 1e6)),
            "MB",
        ),
        (
            "Threads of all workers",
            "Threads of all workers over time",
            curves(&rows, |seen| looks(seen, |threads, _| threads as f64)),
            "threads",
        ),
    ];
    html! {
        section #time {
            h2 { "What went on meanwhile" }
            p {
                "From the start of the run. Answers are from the apps' own "
                "record; memory and threads were read from the kernel some ten "
                "times a run, and at most twenty times a second."
            }
            @for (title, told, curves, unit) in plots {
                @let y_ticks = ticks(top(&curves)).into_iter();
                // There is no half of a thread.
                @let y_ticks = y_ticks
                    .filter(|tick| unit == "MB" || tick.fract() == 0.0);
                @let axes = Axes {
                    x: "seconds",
                    y: unit,
                    x_ticks: ticks(seconds),
                    y_ticks: y_ticks.collect(),
                    x_label: number,
                    y_label: number,
                    x_from: 0.0,
                    y_from: 0.0,
                    rules: Vec::new(),
                    band: None,
                };
                h3 { (title) }
                (plot(&curves, &axes, told))
            }
            details {
                summary { "The same in figures" }
                (sizes(&rows))
            }
        }
    }
}

fn sizes(rows: &[&Row]) -> Markup {
    let most = |seen: &Seen, of: fn((usize, u64)) -> u64| {
        let looks = seen.looks.iter();
        looks.map(|look| of((look.threads, look.memory))).max()
    };
    html! {
        div.wide tabindex="0" role="region"
            aria-label="Answers, threads and memory" {
            table {
                thead { tr {
                    th scope="col" { "deployment" }
                    th scope="col" .number { "answers" }
                    th scope="col" .number { "last after s" }
                    th scope="col" .number { "most threads of all workers" }
                    th scope="col" .number { "most MB of all workers" }
                } }
                tbody { @for row in rows {
                    @if let Some(seen) = &row.seen { tr {
                        @let last = seen.timeline.answered.last();
                        th scope="row" { (row.deployment) }
                        td.number { (last.map_or(0, |(_, count)| *count)) }
                        td.number {
                            (format!("{:.3}",
                                last.map_or(0.0, |(at, _)| *at as f64 / 1e6)))
                        }
                        td.number {
                            (most(seen, |(threads, _)| threads as u64)
                                .unwrap_or(0))
                        }
                        td.number {
                            (format!("{:.1}", most(seen, |(_, bytes)| bytes)
                                .unwrap_or(0) as f64 / 1e6))
                        }
                    } }
                } }
            }
        }
    }
}

fn curves(
    rows: &[&Row],
    points: impl Fn(&Seen) -> Vec<(f64, f64)>,
) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for row in rows {
        let class = model(&row.app, &row.deployment);
        let nth = curves.iter().filter(|curve| curve.class == class).count();
        if let Some(seen) = &row.seen {
            let points = points(seen);
            if !points.is_empty() {
                let name = row.deployment.clone();
                curves.push(Curve {
                    name,
                    class,
                    nth,
                    points,
                    ..Curve::default()
                });
            }
        }
    }
    curves
}

/// Where a share of the requests lies on the scale: each step is a nine more.
fn rarity(share: f64) -> f64 {
    -(1.0 - share).log10()
}

fn percentiles(seen: &Seen) -> Vec<(f64, f64)> {
    let histogram = seen.latency.histogram();
    let count = histogram.len();
    let mut before = 0;
    let mut points = Vec::new();
    for step in histogram.iter_recorded() {
        let seconds = (step.value_iterated_to() as f64 / 1e9).log10();
        // All that lie in this class are as long.
        points.push((rarity(before as f64 / count as f64), seconds));
        before += step.count_at_value();
        if before < count {
            points.push((rarity(before as f64 / count as f64), seconds));
        }
    }
    points
}

fn answers(seen: &Seen) -> Vec<(f64, f64)> {
    let mut points = vec![(0.0, 0.0)];
    let mut before = 0;
    for &(moment, count) in &seen.timeline.answered {
        let at = moment as f64 / 1e6;
        points.push((at, before as f64));
        points.push((at, count as f64));
        before = count;
    }
    points
}

fn looks(seen: &Seen, of: fn(usize, u64) -> f64) -> Vec<(f64, f64)> {
    let looks = seen.looks.iter();
    let points = looks
        .map(|look| (look.moment as f64 / 1e6, of(look.threads, look.memory)));
    points.collect()
}

fn top(curves: &[Curve]) -> f64 {
    let all = curves.iter().flat_map(|curve| &curve.points);
    all.map(|(_, y)| *y).fold(0.0, f64::max)
}
