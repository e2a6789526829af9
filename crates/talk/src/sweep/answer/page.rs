//! The answer as a page of one file, as `talk report` makes one of a bench.

use maud::{Markup, html};

use super::figures::{bytes, duration, figure, quantile, rate, short, target};
use super::plots::Drawn;
use super::sizing::Sizing;
use super::table::{HEAD, heading, machine, note, recovered, rows};
use super::words::shape;
use super::{Answer, Standing};
use crate::report::{document, model};
use crate::sweep::record::{Load, Step, Sweep};

pub(crate) fn page(sweep: &Sweep, steps: &[Step], answer: &Answer) -> String {
    let title = format!("Which model fits? {}", heading(answer));
    let (first, further) = match &answer.words[..] {
        [first, further @ ..] => (&**first, further),
        [] => ("", &[][..]),
    };
    let head = html! {
        h1 { "Which model fits?" }
        p.lead { (first) }
        p.where { (heading(answer)) "; " (machine(sweep)) }
        @if !answer.whole {
            p.refused { "This sweep was not finished." }
        }
    };
    let drawn = Drawn {
        sweep,
        steps,
        answer,
    };
    let main = html! {
        (result(answer, further))
        section #throughput {
            h2 { "Throughput" }
            (pictures(drawn.throughput(), html! {
                "A dot is a step that was measured, a line goes through the "
                "medians. Dotted is what arithmetic allows the model: as many "
                "requests at a time as it has slots, each in the time that "
                "its calls take."
            }))
            (laws(answer))
        }
        section #latency {
            h2 { "Latency" }
            (pictures(drawn.latency(), html! {
                "The " (quantile(sweep.target.quantile)) " of what was "
                "answered, from the moment that a request was due. Each dot is "
                "a step; the line is the nearest to them that never falls. "
                "Across go the target, and what the requests take by "
                "themselves where nothing is scarce. Where a rate was far too "
                "high, the step was ended early, and latency would have risen "
                "further."
            }))
        }
        section #cost {
            h2 { "Memory and threads" }
            (pictures(drawn.cost(), html! {
                "The most that all workers had at a time, at each rate that "
                "was within the target."
            }))
        }
        (stall(&drawn))
        (sizing(answer))
        (all_steps(sweep, steps))
        (how(sweep, answer))
    };
    document(&title, &head, &SECTIONS, &main).into_string()
}

const SECTIONS: [(&str, &str); 8] = [
    ("answer", "Answer"),
    ("throughput", "Throughput"),
    ("latency", "Latency"),
    ("cost", "Memory and threads"),
    ("stall", "Stall"),
    ("sizing", "Sizing"),
    ("steps", "Steps"),
    ("how", "How"),
];

/// Pictures below what explains them, where there are any.
fn pictures(pictures: Markup, explained: Markup) -> Markup {
    html! {
        @if pictures.0.is_empty() {
            p { "Too little was measured to draw it." }
        } @else {
            p { (explained) }
            (pictures)
        }
    }
}

fn result(answer: &Answer, further: &[String]) -> Markup {
    let lines = answer.standings.iter().zip(rows(answer));
    html! {
        section #answer {
            h2 { "The answer" }
            @for words in further { p { (words) } }
            (table("Models", &HEAD, lines.map(|(standing, row)| {
                (class(standing), row)
            })))
            p.note { (note(answer)) }
        }
    }
}

/// The scalability law, where it fits.
fn laws(answer: &Answer) -> Markup {
    let standings = answer.standings.iter();
    let fitted = standings.filter_map(|standing| {
        let law = standing.law?;
        let name = standing.model.clone();
        let row = match law.is_good() {
            true => vec![
                name,
                rate(law.lambda),
                short(law.sigma),
                short(law.kappa),
                law.peak().map_or_else(|| "none".to_owned(), short),
                short(law.r_squared),
            ],
            false => vec![
                name,
                "it does not fit".to_owned(),
                "–".to_owned(),
                "–".to_owned(),
                "–".to_owned(),
                short(law.r_squared),
            ],
        };
        Some((class(standing), row))
    });
    let fitted: Vec<_> = fitted.collect();
    const HEAD: [&str; 6] = ["model", "λ", "σ", "κ", "most at", "R²"];
    html! {
        @if !fitted.is_empty() {
            h3 { "The universal scalability law" }
            p {
                "N. J. Gunther's X(N) = λN / (1 + σ(N − 1) + κN(N − 1)), "
                "fitted to the answers by requests at a time: λ is the rate "
                "of one request at a time, σ the share in which they wait for "
                "each other, κ what each pair costs in agreeing. A server "
                "with few slots bends at once, and not as the law does."
            }
            (table("The universal scalability law", &HEAD, fitted))
        }
    }
}

fn stall(drawn: &Drawn<'_>) -> Markup {
    let standings = drawn.answer.standings.iter();
    let drills = standings.filter_map(|standing| {
        let drill = standing.recovery?;
        let row = vec![
            standing.model.clone(),
            rate(drill.rate),
            recovered(&drill),
            format!("{} of {}", drill.failed, drill.requests),
        ];
        Some((class(standing), row))
    });
    let drills: Vec<_> = drills.collect();
    const HEAD: [&str; 4] = ["model", "at", "as before after", "failed"];
    html! {
        section #stall {
            h2 { "When the backend freezes" }
            @if drills.is_empty() {
                p { "No drill was measured." }
            } @else {
                p {
                    "At half of the highest rate that each held, or at the "
                    "rate that is needed, and no more than the hammer has "
                    "connections for, the backend was stopped "
                    "for the time that is shaded. A request is "
                    "drawn where it was due. Recovered is where the median is "
                    "again, and stays, within a fifth of what it was before."
                }
                (drawn.stall())
                (table("Drills", &HEAD, drills))
            }
        }
    }
}

fn sizing(answer: &Answer) -> Markup {
    let standings = answer.standings.iter();
    let sizings = standings.filter_map(|standing| {
        let sizing = standing.sizing.as_ref()?;
        Some((class(standing), sized(standing, sizing)))
    });
    let sizings: Vec<_> = sizings.collect();
    const HEAD: [&str; 8] = [
        "model",
        "for",
        "each takes",
        "in hand",
        "slots",
        "size",
        "tried",
        "memory",
    ];
    html! {
        section #sizing {
            h2 { "How large a blocking model would have to be" }
            @if sizings.is_empty() {
                p { "There is none that would have to be larger." }
            } @else {
                p {
                    "By Little's law so many requests are in hand as arrive "
                    "in a second, times the seconds that each takes. Slots "
                    "are those, and as many more as it takes (Erlang's "
                    "formula) that few enough wait too long; a tenth is "
                    "to spare in any case."
                }
                (table("Sizes", &HEAD, sizings))
            }
        }
    }
}

fn sized(standing: &Standing, sizing: &Sizing) -> Vec<String> {
    let tried = sizing.tried.iter().map(|tried| {
        let verdict = if tried.held { "held" } else { "did not hold" };
        format!("{} {verdict}", shape(tried.processes, tried.threads))
    });
    let tried: Vec<_> = tried.collect();
    let memory = sizing.tried.iter();
    let memory = memory.map(|tried| figure(&tried.memory_bytes, bytes));
    let memory: Vec<_> = memory.collect();
    let or_dash = |texts: Vec<String>| match texts.is_empty() {
        true => "–".to_owned(),
        false => texts.join("; "),
    };
    vec![
        standing.model.clone(),
        rate(sizing.rate),
        duration(sizing.request_seconds),
        short(sizing.in_hand),
        sizing.slots.to_string(),
        shape(sizing.processes, sizing.threads),
        or_dash(tried),
        or_dash(memory),
    ]
}

/// Every step, the invalid ones too.
fn all_steps(sweep: &Sweep, steps: &[Step]) -> Markup {
    let quantile = quantile(sweep.target.quantile);
    let mut head = vec![
        "model",
        "round",
        "load",
        "requests",
        "answered",
        "failed",
        "answers/s",
        "p50",
        "p95",
        "p99",
        "CPU/request",
        "memory",
        "threads",
        "switches",
        "hammer busy",
        "backend busy",
        "not valid since",
    ];
    const AFTER_P99: usize = 10;
    let is_further = !head.contains(&&*quantile);
    if is_further {
        head.insert(AFTER_P99, &quantile);
    }
    let rows = steps.iter().map(|step| {
        let models = sweep.models.iter();
        let app = models.clone().find(|model| model.name == step.model);
        let app = app.map_or("", |model| &*model.app);
        let mut line = line(step);
        if is_further {
            line.insert(AFTER_P99, duration(step.target_seconds));
        }
        (model(app, &step.model), line)
    });
    html! {
        section #steps {
            h2 { "All that was measured" }
            details {
                summary { (steps.len()) " steps, in the order of measuring" }
                (table("Steps", &head, rows))
            }
        }
    }
}

fn line(step: &Step) -> Vec<String> {
    let load = match step.load {
        Load::Closed { concurrency } => format!("{concurrency} at a time"),
        Load::Open { rate: at } => rate(at),
        Load::Sized {
            rate: at,
            processes,
            threads,
        } => format!("{} to {}", rate(at), shape(processes, threads)),
        Load::Stall { rate: at, .. } => format!("{}, frozen", rate(at)),
    };
    let errors = step.errors.iter();
    let errors = errors.map(|(kind, count)| format!("{count} {kind}"));
    let errors: Vec<_> = errors.collect();
    let percent = |share: f64| format!("{:.0}%", share * 100.0);
    vec![
        step.model.clone(),
        step.round.to_string(),
        load,
        step.requests.to_string(),
        step.answered.to_string(),
        errors.join(", "),
        short(step.throughput),
        duration(step.p50_seconds),
        duration(step.p95_seconds),
        duration(step.p99_seconds),
        duration(step.cpu_seconds),
        bytes(step.memory_bytes as f64),
        step.threads.to_string(),
        short(step.voluntary_switches + step.involuntary_switches),
        percent(step.hammer_busy),
        percent(step.backend_busy),
        step.flaws.join("; "),
    ]
}

fn how(sweep: &Sweep, answer: &Answer) -> Markup {
    let rounds = match sweep.rounds {
        1 => "one".to_owned(),
        rounds => format!("{rounds}, in a shuffled order each"),
    };
    html! {
        section #how {
            h2 { "How it was measured" }
            dl {
                dt { "Target" } dd { (target(&sweep.target)) }
                dt { "Rate" }
                dd {
                    @match answer.rate {
                        Some(needed) => { (rate(needed)) ", and no other" }
                        None => { "the highest that each model holds" }
                    }
                }
                dt { "Rounds" }
                dd { (rounds) @if sweep.quick { "; with short steps" } }
                dt { "Seed" } dd { (sweep.seed) }
                dt { "Machine" } dd { (machine(sweep)) }
                dt { "Models" }
                dd {
                    @for (at, model) in sweep.models.iter().enumerate() {
                        @if at > 0 { ", " }
                        (model.name) " ("
                        (shape(model.processes, model.threads)) ")"
                    }
                }
                dt { "Workload" }
                dd { pre { code { (sweep.workload) } } }
            }
            p {
                "A rate holds where the target does, no request fails but "
                "for the workload's own share, and no backlog grows. Two "
                "models tie where the intervals of their highest rates "
                "overlap. A step at which the load generator or the backend "
                "was at its limit says nothing of a model, and is not counted."
            }
        }
    }
}

fn class(standing: &Standing) -> &'static str {
    model(&standing.app, &standing.model)
}

/// A table whose rows begin with a model, in its colour.
fn table(
    name: &str,
    head: &[&str],
    rows: impl IntoIterator<Item = (&'static str, Vec<String>)>,
) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label=(name) {
            table {
                thead { tr { @for (at, head) in head.iter().enumerate() {
                    th scope="col" .number[at > 0] { (head) }
                } } }
                tbody { @for (class, row) in rows {
                    tr.(class) { @for (at, cell) in row.iter().enumerate() {
                        @if at == 0 {
                            th scope="row" { i.dot {} (cell) }
                        } @else {
                            td.number { (cell) }
                        }
                    } }
                } }
            }
        }
    }
}
