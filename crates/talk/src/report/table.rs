//! The result table of the page, which the script sorts.

use maud::{Markup, html};

use super::model;
use crate::results::{Results, Row};

pub(crate) fn section(results: &Results) -> Markup {
    let longest = results.rows.iter().filter_map(|row| row.summary.as_ref());
    let longest = longest.map(|summary| summary.seconds.max);
    let longest = longest.fold(0.0, f64::max);
    html! {
        section #results {
            h2 { "What it took" }
            p {
                b { "Bound" } " is the least that arithmetic allows: so many "
                "rounds of one request's time as it takes to serve all. "
                b { "× bound" } " is what the model adds to it. "
                "Press a heading to sort."
            }
            div.wide tabindex="0" role="region" aria-label="Results" {
                table.sortable {
                    thead { tr {
                        @for (name, is_number) in HEAD {
                            th scope="col" .number[is_number] {
                                button type="button" { (name) }
                            }
                        }
                    } }
                    tbody { @for row in &results.rows {
                        (line(row, longest))
                    } }
                }
            }
            @for row in &results.rows {
                @for reason in row.reasons() {
                    p.refused {
                        b { (row.deployment) ", " (row.run) " was refused: " }
                        (reason)
                    }
                }
            }
        }
    }
}

const HEAD: [(&str, bool); 12] = [
    ("deployment", false),
    ("run", false),
    ("measured s", true),
    ("bound s", true),
    ("× bound", true),
    ("talk 2016 s", true),
    ("uWSGI today s", true),
    ("CPU ms/request", true),
    ("uWSGI CPU ms", true),
    ("peak MB of a worker", true),
    ("uWSGI MB", true),
    ("processes × threads", true),
];

fn line(row: &Row, longest: f64) -> Markup {
    let summary = row.summary.as_ref();
    let median = summary.map(|summary| summary.seconds.median);
    let cpu = summary.and_then(|summary| summary.cpu_per_request);
    let memory = summary.and_then(|summary| summary.peak_memory);
    let threads = summary.map(|s| s.workers * s.threads);
    html! {
        tr.(model(&row.app, &row.deployment)) {
            th scope="row" { i.dot {} (row.deployment) }
            td data-v=(row.requests * 1000 + row.concurrency as u64) {
                (row.run)
            }
            @match median {
                Some(median) => td.number.took data-v=(median) {
                    (format!("{median:.3}"))
                    @if row.measurements.len() > 1 {
                        @let spread = summary.map(|s| s.seconds);
                        @if let Some(spread) = spread {
                            small {
                                (format!("{:.3}–{:.3}", spread.min, spread.max))
                            }
                        }
                    }
                    span.bar style={
                        "width:" (format!("{:.2}%", median / longest * 100.0))
                    } {}
                },
                None => td.number {
                    @if row.measurements.is_empty() { "not run" }
                    @else { "refused" }
                },
            }
            (number(Some(row.bound), 3))
            (number(summary.map(|s| s.times_bound), 3))
            (number(row.talk, 3))
            (number(row.uwsgi, 3))
            (number(cpu.map(|cpu| cpu.median * 1e3), 2))
            (number(row.uwsgi_cpu_per_request.map(|cpu| cpu * 1e3), 2))
            (number(memory.map(|bytes| bytes as f64 / 1e6), 1))
            (number(row.uwsgi_memory.map(|bytes| bytes as f64 / 1e6), 1))
            @match summary {
                Some(s) => td.number data-v=[threads] {
                    (s.workers) " × " (s.threads)
                },
                None => td.number { "–" },
            }
        }
    }
}

fn number(value: Option<f64>, digits: usize) -> Markup {
    html! {
        @match value {
            Some(value) => td.number data-v=(value) {
                (format!("{value:.digits$}"))
            },
            None => td.number { "–" },
        }
    }
}
