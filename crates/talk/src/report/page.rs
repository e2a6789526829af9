//! The page itself: its sections in the order in which they are read.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{code, curves, table, timelines};
use crate::results::Results;

pub(crate) const STYLE: &str = include_str!("page.css");
pub(crate) const SCRIPT: &str = include_str!("page.js");

/// Nothing is fetched, and no text can make the page do so.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
                      script-src 'unsafe-inline'";

pub(crate) fn page(results: &Results) -> Markup {
    let title = format!("Which concurrency model? {}", results.date());
    let head = html! {
        h1 { "Which concurrency model?" }
        p.lead {
            "A request makes four slow network calls. What a server does "
            "while it waits decides how many it can serve."
        }
        p.where { (machine(results)) }
        @if !results.complete {
            p.refused { "This bench was not finished." }
        }
    };
    let main = html! {
        (table::section(results))
        (timelines::section(results))
        (curves::latency(results))
        (curves::over_time(results))
        (code::section())
        (how(results))
    };
    document(&title, &head, &SECTIONS, &main)
}

/// A page of one file: its head, links to its sections, and these.
pub(crate) fn document(
    title: &str,
    head: &Markup,
    sections: &[(&str, &str)],
    main: &Markup,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport"
                    content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    (head)
                    nav aria-label="Sections" {
                        @for (id, name) in sections {
                            a href={ "#" (id) } { (name) }
                        }
                    }
                }
                main { (main) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

const SECTIONS: [(&str, &str); 6] = [
    ("results", "Results"),
    ("timelines", "Timelines"),
    ("latency", "Latency"),
    ("time", "Over time"),
    ("code", "Code"),
    ("how", "How"),
];

fn machine(results: &Results) -> String {
    let machine = &results.machine;
    format!(
        "{}, {} cores, Linux {}; {}",
        machine.processor,
        machine.cores,
        machine.kernel,
        results.date()
    )
}

fn how(results: &Results) -> Markup {
    let made = &results.made;
    let machine = &results.machine;
    html! {
        section #how {
            h2 { "How it was measured" }
            dl {
                dt { "Command" } dd { code { (made.command) } }
                dt { "Date" } dd { (results.date()) }
                dt { "Machine" }
                dd { (machine.processor) ", " (machine.cores) " cores" }
                dt { "Kernel" } dd { "Linux " (machine.kernel) }
                dt { "Commit" }
                dd {
                    @match &made.commit {
                        Some(commit) => code { (commit) },
                        None => "not known",
                    }
                    @if made.changed { ", with changes" }
                }
                dt { "Version" }
                dd { "talk " (made.version) ", " (made.compiler) }
                dt { "Libraries" }
                dd {
                    @for (at, (name, version)) in
                        made.libraries.iter().enumerate() {
                        @if at > 0 { ", " }
                        (name) " " (version)
                    }
                }
                dt { "Each run" }
                dd {
                    (times(results.repeat))
                    @if results.quick { ", with fewer requests than the talk's" }
                    "; before the first, one request for each slot that is "
                    "not measured"
                }
            }
            p {
                "A run is refused, and none of its figures shown, where a "
                "request failed, where it took less than its bound, or where "
                "the backend did not see the calls that the model claims. "
                "“Talk 2016” are the slides' figures; “uWSGI today” is the "
                "talk's own code on a machine of two cores. Recording the "
                "requests costs the apps well under 2% of their time."
            }
        }
    }
}

fn times(repeat: u32) -> String {
    match repeat {
        1 => "once".to_owned(),
        times => format!("{times} times; figures are medians"),
    }
}
