//! The answer for the terminal, and as Markdown: a table, then words.

use super::figures::{between, bytes, duration, rate, short, target};
use super::interval::confident;
use super::stall::Recovery;
use super::{Answer, Outcome, Standing};
use crate::sweep::record::Sweep;
use crate::table::{fitted, piped};
use crate::wrap::wrap;

/// Words are broken after so many letters.
const WIDTH: usize = 80;

pub(crate) const HEAD: [&str; 10] = [
    "model",
    "holds",
    "between",
    "CPU/request",
    "memory",
    "for each in hand",
    "threads",
    "switches",
    "recovers in",
    "ties with",
];

/// The columns that a narrow terminal does without, in this order.
const SPARED: [&str; 7] = [
    "ties with",
    "switches",
    "threads",
    "for each in hand",
    "recovers in",
    "CPU/request",
    "memory",
];

pub(crate) fn terminal(answer: &Answer, room: usize) -> String {
    let mut text = fitted(&HEAD, rows(answer), &SPARED, room);
    let wrapped = |text: &str| {
        wrap(text.split_whitespace(), " ", room.min(WIDTH)).join("\n")
    };
    text.push_str(&format!("\n\n{}\n", wrapped(&note(answer))));
    for words in &answer.words {
        text.push_str(&format!("\n{}\n", wrapped(words)));
    }
    text
}

pub(crate) fn markdown(sweep: &Sweep, answer: &Answer) -> String {
    let mut text = format!("# Which model fits: {}\n", heading(answer));
    for words in &answer.words {
        text.push_str(&format!("\n{words}\n"));
    }
    text.push_str(&format!("\n{}\n", piped(&HEAD, rows(answer))));
    text.push_str(&format!("\n{}\n", note(answer)));
    text.push_str(&format!("\n{}.\n", machine(sweep)));
    let fence = fence(&sweep.workload);
    let workload = sweep.workload.trim_end();
    text.push_str(&format!("\n{fence}toml\n{workload}\n{fence}\n"));
    text
}

/// `p99 ≤ 800 ms at 50/s`
pub(crate) fn heading(answer: &Answer) -> String {
    let target = target(&answer.target);
    match answer.rate {
        Some(needed) => format!("{target} at {}", rate(needed)),
        None => target,
    }
}

pub(crate) fn machine(sweep: &Sweep) -> String {
    let machine = &sweep.machine;
    format!(
        "{}, {} cores, {} of memory, at most {} open files, Linux {}",
        machine.processor,
        machine.cores,
        bytes(machine.memory_bytes as f64),
        machine.files,
        machine.kernel
    )
}

/// How the columns are to be read.
pub(crate) fn note(answer: &Answer) -> String {
    // Of a sweep that was stopped, as many as are sure.
    let done = answer.standings.iter().map(|standing| standing.rounds);
    let fewest = done.filter(|rounds| *rounds > 0).min();
    let rounds = match answer.whole {
        true => answer.rounds,
        false => fewest.unwrap_or(0),
    };
    let interval = match rounds as usize {
        0 => "what was seen until the sweep was stopped, before any round was \
              finished"
            .to_owned(),
        1 => "the highest rate that held and the lowest above it that did \
              not, of one round"
            .to_owned(),
        rounds if confident(rounds) => format!(
            "where the median of {rounds} rounds lies, with a confidence of \
             95%"
        ),
        rounds => format!(
            "the range of {rounds} rounds, which are too few for an interval \
             of 95%"
        ),
    };
    let at = match answer.rate {
        Some(needed) => rate(needed),
        None => "the highest rate that each held".to_owned(),
    };
    format!(
        "holds: the highest rate with {}; between: {interval}. Costs are at \
         {at}: processor time of the app, memory and threads of all its \
         workers, memory for each request that is in hand, context switches \
         for each request.",
        target(&answer.target)
    )
}

pub(crate) fn rows(answer: &Answer) -> Vec<Vec<String>> {
    answer.standings.iter().map(row).collect()
}

fn row(standing: &Standing) -> Vec<String> {
    let dash = || "–".to_owned();
    let cost = standing.cost.as_ref();
    let figure =
        |show: fn(&super::cost::Cost) -> String| cost.map_or_else(dash, show);
    vec![
        standing.model.clone(),
        holds(standing),
        standing.knee().map_or_else(dash, between),
        figure(|cost| duration(cost.cpu_seconds.median)),
        figure(|cost| bytes(cost.memory_bytes.median)),
        figure(|cost| bytes(cost.request_bytes.median)),
        figure(|cost| short(cost.threads.median)),
        figure(|cost| short(cost.switches.median)),
        standing.recovery.as_ref().map_or_else(dash, recovered),
        match &standing.ties[..] {
            [] => dash(),
            ties => ties.join(", "),
        },
    ]
}

/// How long a model took to recover, or at the least.
pub(crate) fn recovered(recovery: &Recovery) -> String {
    match recovery.seconds {
        Some(seconds) => duration(seconds),
        None => format!("over {}", duration(recovery.watched_seconds)),
    }
}

fn holds(standing: &Standing) -> String {
    match standing.outcome {
        Outcome::Holds(knee) => rate(knee.rate),
        Outcome::Unsteady(_) => "not steadily".to_owned(),
        Outcome::Fails { lowest } => format!("not {}", rate(lowest)),
        Outcome::TooSlow => {
            format!("no: {} alone", duration(standing.alone_seconds))
        }
        Outcome::Unknown => "not known".to_owned(),
    }
}

/// A fence that the text cannot end.
fn fence(text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    fence
}
