//! The timelines of the page: a lane per process and thread, all deployments
//! on one axis.

use maud::{Markup, PreEscaped, html};

use super::layout::{Bar, Kind, Laid, lay_out};
use super::plot::{ticks_of_time, trimmed};
use super::{drawn, model};
use crate::results::{Results, Row};
use crate::trace::timeline::{End, Timeline};

pub(crate) fn section(results: &Results) -> Markup {
    let rows = drawn(results);
    let lengths = rows.iter().filter_map(|row| row.seen.as_ref());
    let length = lengths.map(|seen| seen.timeline.length()).max();
    let length = length.unwrap_or(0).max(1);
    html! {
        section #timelines {
            h2 { "What happened" }
            p {
                "Each bar is a request, from the moment it was accepted to "
                "the moment its answer was ready, on the thread that had it "
                "in hand. All deployments share one axis. The apps recorded "
                "this themselves while they were measured."
            }
            (key(fails(&rows)))
            @if rows.is_empty() {
                p { "No run was recorded." }
            } @else {
                div.zoom role="toolbar" aria-label="Zoom of all timelines" {
                    button type="button" data-zoom="in" { "Zoom in" }
                    button type="button" data-zoom="out" { "Zoom out" }
                    button type="button" data-zoom="left"
                        aria-label="Earlier" { "←" }
                    button type="button" data-zoom="right"
                        aria-label="Later" { "→" }
                    button type="button" data-zoom="short" { "First 2.5 s" }
                    button type="button" data-zoom="all" { "All of it" }
                    output #window { "0 – " (seconds(length)) " s" }
                }
                p.hint {
                    "Drag over a timeline to zoom into it, or turn the wheel "
                    "with " kbd { "Ctrl" } " held. With the keyboard: "
                    kbd { "+" } " " kbd { "−" } " " kbd { "←" } " "
                    kbd { "→" } " " kbd { "0" } ", and " kbd { "↓" } " "
                    kbd { "↑" } " to step through what is drawn."
                }
                div #lanes data-length=(length) {
                    @for row in &rows { (figure(row, length)) }
                }
                div #tip role="status" aria-live="polite" hidden {}
            }
        }
    }
}

/// Whether some request of these rows did not end well.
fn fails(rows: &[&Row]) -> bool {
    let seen = rows.iter().filter_map(|row| row.seen.as_ref());
    let mut requests = seen.flat_map(|seen| &seen.timeline.requests);
    requests.any(|request| {
        let calls = request.calls.iter();
        let mut ends = calls.filter_map(|call| call.end);
        !matches!(request.end, End::At(_, 200)) || ends.any(|(_, well)| !well)
    })
}

/// What the shades of a bar mean; of failures, where there may be any.
pub(crate) fn key(fails: bool) -> Markup {
    html! {
        ul.key {
            li { span.swatch.request {} "a request in hand" }
            li { span.swatch.call {}
                 "one of its calls: it waits for the backend" }
            li { span.swatch.own {}
                 "no call under way: the app works, or the request waits "
                 "for its turn" }
            @if fails {
                li { span.swatch.failed {}
                     "failed; dashed: its end was not recorded" }
            }
        }
    }
}

fn figure(row: &Row, length: u64) -> Markup {
    let Some(seen) = &row.seen else {
        return html! {};
    };
    let timeline = &seen.timeline;
    let lanes = lay_out(timeline);
    let told = summary(row, timeline);
    html! {
        figure.timeline.(model(&row.app, &row.deployment)) {
            figcaption {
                h3 { (row.deployment) }
                p { (row.model) "; " (told) }
                @if let Some(left_out) = left_out(timeline) {
                    p.note { (left_out) }
                }
            }
            div.plot tabindex="0" role="group"
                aria-label={ "Timeline of " (row.deployment) ": " (told) } {
                @for laid in &lanes { (lane(laid, length)) }
                (axis(length))
            }
        }
    }
}

fn summary(row: &Row, timeline: &Timeline) -> String {
    format!(
        "{} took {} s, at most {} at once; {} took part{}",
        match timeline.recorded {
            1 => "1 request".to_owned(),
            many => format!("{many} requests"),
        },
        seconds(timeline.took()),
        timeline.most_at_once,
        match timeline.lanes.len() {
            1 => "one of its threads".to_owned(),
            many => format!("{many} of its threads"),
        },
        match row.summary {
            Some(_) => "",
            None => "; the run was refused",
        },
    )
}

fn left_out(timeline: &Timeline) -> Option<String> {
    let (drawn, recorded) = (timeline.requests.len(), timeline.recorded);
    let mut told = Vec::new();
    if drawn < recorded {
        told.push(format!(
            "{drawn} of {recorded} requests are drawn, one in every {}.",
            recorded.div_ceil(drawn.max(1))
        ));
    }
    if timeline.lost > 0 {
        told.push(format!(
            "{} older events were overwritten while it ran, and are not here.",
            timeline.lost
        ));
    }
    (!told.is_empty()).then(|| told.join(" "))
}

fn lane(laid: &Laid<'_>, length: u64) -> Markup {
    let lane = laid.lane;
    html! {
        div.lane {
            span.who {
                b { (lane.name) }
                " pid " (lane.process) ", thread " (lane.thread)
            }
            // Times are in milliseconds; stretching is the script's zoom.
            svg preserveAspectRatio="none" aria-hidden="true"
                viewBox={ "0 0 " (millis(length)) " " (laid.height) }
                height=(laid.height) {
                @for bar in &laid.bars { (rectangle(bar)) }
                // Or one request could not be told from the next.
                path.s d=(begins(laid)) {}
            }
        }
    }
}

fn rectangle(bar: &Bar) -> Markup {
    html! {
        rect class=(class(bar.kind))
            x=(millis(bar.begin))
            width=(millis(bar.end - bar.begin))
            y=(short(bar.top))
            height=(short(bar.height))
            data-t=(bar.text) {}
    }
}

/// A line where each request begins, but in rows too low for one.
fn begins(laid: &Laid<'_>) -> String {
    let bars = laid.bars.iter();
    let bars = bars.filter(|bar| bar.kind == Kind::Request && bar.height > 8.0);
    let lines = bars.map(|bar| {
        let (x, top) = (millis(bar.begin), short(bar.top));
        format!("M{x} {top}v{}", short(bar.height))
    });
    lines.collect()
}

/// One letter, since there are many.
fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Request => "r",
        Kind::Failed => "r f",
        Kind::Open => "r o",
        Kind::Call => "c",
        Kind::FailedCall => "c f",
        Kind::Own => "w",
    }
}

fn axis(length: u64) -> Markup {
    let seconds = length as f64 / 1e6;
    html! {
        div.axis aria-hidden="true" {
            @for at in ticks_of_time(length) {
                @let share = at / seconds * 100.0;
                // Right of its line, the text of a late one would be cut off.
                span.late[share > 90.0]
                    style=(PreEscaped(format!("left:{share:.3}%"))) {
                    (trimmed(at, 6)) " s"
                }
            }
        }
    }
}

fn millis(micros: u64) -> String {
    short(micros as f64 / 1e3)
}

fn short(number: f64) -> String {
    trimmed(number, 3)
}

fn seconds(micros: u64) -> String {
    format!("{:.3}", micros as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_late_tick_is_left_of_it() {
        let late = |length| axis(length).into_string().matches("late").count();
        assert_eq!((late(2_516_000), late(2_900_000)), (1, 0));
    }
}
