//! `talk report`: results as one page that needs nothing else.
//!
//! It is made from the data alone, by the program that also measures, and
//! nothing on it is fetched: it reads offline, in print, in the light and in
//! the dark. page.rs has the sections in their order; every text goes through
//! maud, which escapes it.

mod code;
mod curves;
mod layout;
mod page;
mod picture;
pub(crate) mod plot;
mod table;
mod timelines;

use std::path::Path;

use anyhow::Result;

pub(crate) use self::code::section as code;
pub(crate) use self::page::{SCRIPT, STYLE, document};
pub(crate) use self::picture::picture;
pub(crate) use self::timelines::key;
use crate::options::Report;
use crate::print::say;
use crate::put::put;
use crate::results::{Results, Row};

/// Makes the page of results that were written before.
pub(crate) fn report(options: &Report) -> Result<()> {
    let results = Results::read(&options.results)?;
    write(&results, &options.output)?;
    say!("{} is ready to be opened", options.output.display());
    Ok(())
}

/// Writes the page of `results`.
pub(crate) fn write(results: &Results, path: &Path) -> Result<()> {
    put(path, &page::page(results).into_string())
}

/// The row of each deployment that is drawn: that of its largest run.
fn drawn(results: &Results) -> Vec<&Row> {
    let mut drawn: Vec<&Row> = Vec::new();
    let rows = results.rows.iter();
    for row in rows.filter(|row| row.seen.is_some() && row.requests > 1) {
        let same = |other: &&mut &Row| other.deployment == row.deployment;
        match drawn.iter_mut().find(same) {
            Some(other) if other.requests < row.requests => *other = row,
            Some(_) => {}
            None => drawn.push(row),
        }
    }
    drawn
}

/// The class that gives what is drawn of a deployment its colour: that of
/// its model.
pub(crate) fn model(app: &str, deployment: &str) -> &'static str {
    match (app, deployment) {
        ("app-sync", _) => "m-sync",
        (_, "executor") => "m-executor",
        ("app-threaded", _) => "m-threaded",
        ("app-async", _) => "m-async",
        ("app-coroutine", _) => "m-coroutine",
        ("app-offload", _) => "m-offload",
        _ => "m-other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::Made;
    use crate::results::Seen;
    use crate::trace::file::{Event, Record, Thread, What};
    use crate::trace::timeline::Timeline;

    /// A bench of as many deployments as the talk has, of which each was
    /// asked for so many requests at once.
    fn results(requests: u32) -> Results {
        let made = Made {
            command: "cargo talk bench".to_owned(),
            version: "0.1.0".to_owned(),
            commit: None,
            changed: false,
            compiler: "rustc".to_owned(),
            libraries: Vec::new(),
        };
        let rows = (0..11).map(|n| Row {
            deployment: format!("deployment-{n}"),
            app: "app-async".to_owned(),
            model: "calls on an event loop".to_owned(),
            run: format!("hammer {requests}"),
            requests: requests.into(),
            concurrency: 50,
            bound: 1.0,
            talk: None,
            uwsgi: None,
            uwsgi_cpu_per_request: None,
            uwsgi_memory: None,
            measurements: Vec::new(),
            seen: Some(Seen {
                latency: hammer::Latency::default(),
                timeline: timeline(requests).sampled(),
                looks: Vec::new(),
            }),
            summary: None,
        });
        Results::new(made, false, 1, rows.collect())
    }

    fn timeline(requests: u32) -> Timeline {
        let second = 1_000_000_000;
        let events = (0..requests).flat_map(|n| {
            let begin = second + u64::from(n) * second / 100;
            let call = |nth: u16| {
                let end = begin + second / 8 * u64::from(nth + 1);
                [(begin, What::Started(nth)), (end, What::Ended(nth))]
            };
            let calls = (0..4).flat_map(call);
            let last = (begin + second / 2, What::Answered(200));
            let all = [(begin, What::Accepted)].into_iter().chain(calls);
            let all: Vec<_> = all.chain([last]).collect();
            all.into_iter().map(move |(moment, what)| Event {
                moment,
                request: n,
                thread: 0,
                what,
            })
        });
        let record = Record {
            worker: 1,
            pid: 4242,
            threads: vec![Thread {
                id: 4242,
                name: "worker-1-core-0".to_owned(),
            }],
            events: events.collect(),
            lost: 0,
        };
        Timeline::of(vec![record], 0, u64::MAX)
    }

    #[test]
    fn ten_thousand_requests_are_drawn_in_part_and_the_page_says_so() {
        let page = page::page(&results(10_000)).into_string();
        assert!(page.len() < 5_000_000, "{} bytes", page.len());
        let told = "500 of 10000 requests are drawn, one in every 20.";
        assert_eq!(page.matches(told).count(), 11);
        let few = page::page(&results(200)).into_string();
        assert!(!few.contains("are drawn, one in"), "all of 200 are drawn");
    }
}
