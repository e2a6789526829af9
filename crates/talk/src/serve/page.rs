//! The live page: the report's timelines, empty, and a button for each.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::live::Shown;
use crate::report;

const STYLE: &str = include_str!("live.css");
const SCRIPT: &str = include_str!("live.js");

pub(super) fn page(shown: &[Shown]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport"
                    content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Which concurrency model? Live" }
                style { (PreEscaped(report::STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Which concurrency model?" }
                    p.lead {
                        "Every model at once, and what each does with its "
                        "requests, while it does it."
                    }
                    nav aria-label="Sections" {
                        a href="#timelines" { "Timelines" }
                        a href="#code" { "Code" }
                    }
                }
                main {
                    (timelines(shown))
                    (report::code())
                }
                script { (PreEscaped(report::SCRIPT)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn timelines(shown: &[Shown]) -> Markup {
    html! {
        section #timelines {
            h2 { "What happens" }
            p {
                "A bar is a request on the thread that has it in hand, "
                "recorded by the app itself. Press a button, or send requests "
                "of your own."
            }
            (report::key(true))
            noscript {
                p.refused { "Nothing is drawn here without JavaScript." }
            }
            div.zoom role="toolbar" aria-label="Window" {
                label for="window" { "The last" }
                select #window {
                    option value="10" { "10 s" }
                    option value="30" selected { "30 s" }
                    option value="120" { "2 min" }
                }
                button #pause type="button" aria-pressed="false" { "Pause" }
                output #line aria-live="polite" { "connecting" }
            }
            @for deployment in shown { (figure(deployment)) }
            div #tip role="status" aria-live="polite" hidden {}
        }
    }
}

fn figure(shown: &Shown) -> Markup {
    let Shown {
        name,
        app,
        model,
        port,
        requests,
        ..
    } = shown;
    html! {
        figure.timeline.live.(report::model(app, name)) data-d=(name) {
            figcaption {
                div {
                    h3 { (name) }
                    p { (model) "; " code { "curl localhost:" (port) } }
                }
                button type="button" data-hammer=(name) {
                    "Hammer " (requests) " requests"
                    span.unseen { " at " (name) }
                }
            }
            // What changes all the time is not read aloud.
            p.told {
                span.counts {} " " span.outcome role="status" {}
            }
            div.plot role="group"
                aria-label={ "Requests of " (name) ", as they come" } {}
            p.scale { span.ago { "30 s ago" } span { "now" } }
        }
    }
}
