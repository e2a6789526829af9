//! Timelines as one picture, for a document rather than a page.

use maud::{Markup, PreEscaped, html};

use super::layout::{Bar, Kind, Laid, lay_out};
use super::model;
use super::plot::{ticks_of_time, trimmed};
use crate::trace::timeline::Timeline;

const WIDTH: f64 = 920.0;
/// Where the bars begin, and end.
const LEFT: f64 = 150.0;
const RIGHT: f64 = 900.0;
const GAP: f64 = 18.0;
/// A lane is drawn so much smaller than on the page.
const SCALE: f64 = 0.55;

/// A picture in SVG of these deployments' timelines, on one axis.
pub(crate) fn picture(deployments: &[(&str, &str, &Timeline)]) -> String {
    let lengths = deployments.iter().map(|(.., t)| t.length());
    let length = lengths.max().unwrap_or(0).max(1);
    let ticks = ticks_of_time(length);
    let length = length as f64;
    let mut top = 34.0;
    let mut groups = Vec::new();
    for (name, app, timeline) in deployments {
        let (group, height) = group(name, app, timeline, length, top);
        groups.push(group);
        top += height + GAP;
    }
    let height = top + 14.0;
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg"
            viewBox={ "0 0 " (WIDTH) " " (px(height)) }
            width=(WIDTH) height=(px(height)) role="img"
            font-family="system-ui, sans-serif" {
            title { (title(deployments)) }
            style { (PreEscaped(STYLE)) }
            rect.paper width="100%" height="100%" rx="6" {}
            @for at in ticks {
                @let x = px(LEFT + (RIGHT - LEFT) * at * 1e6 / length);
                path.grid d={ "M" (x) " 26V" (px(top - 6.0)) } {}
                text.ink.tick x=(x) y="18" { (trimmed(at, 6)) " s" }
            }
            @for group in &groups { (group) }
        }
    };
    svg.into_string() + "\n"
}

const STYLE: &str = include_str!("picture.css");

fn title(deployments: &[(&str, &str, &Timeline)]) -> String {
    let told = deployments.iter().map(|(name, _, timeline)| {
        let seconds = timeline.took() as f64 / 1e6;
        format!("{name}: {} requests in {seconds:.2} s", timeline.recorded)
    });
    told.collect::<Vec<_>>().join("; ")
}

fn group(
    name: &str,
    app: &str,
    timeline: &Timeline,
    length: f64,
    top: f64,
) -> (Markup, f64) {
    let lanes = lay_out(timeline);
    let mut y = top;
    let mut placed = Vec::new();
    for laid in &lanes {
        let scale = if laid.height < 60.0 { SCALE } else { 0.7 };
        placed.push((y, scale, laid));
        y += laid.height * scale + 3.0;
    }
    let height = (y - top).max(30.0);
    let seconds = timeline.took() as f64 / 1e6;
    let group = html! {
        g.(model(app, name)) {
            text.name x="12" y=(px(top + 13.0)) { (name) }
            text.ink.small x="12" y=(px(top + 28.0)) {
                (timeline.recorded) " in " (format!("{seconds:.2}")) " s"
            }
            @for (y, scale, laid) in placed {
                @for bar in &laid.bars { (rectangle(bar, length, y, scale)) }
                path.s d=(begins(laid, length, y, scale)) {}
            }
        }
    };
    (group, height)
}

fn at(moment: u64, length: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * moment as f64 / length
}

/// A line where each request begins, to tell it from the one before.
fn begins(laid: &Laid<'_>, length: f64, y: f64, scale: f64) -> String {
    let bars = laid.bars.iter();
    let bars = bars.filter(|bar| bar.kind == Kind::Request && bar.height > 8.0);
    let lines = bars.map(|bar| {
        let (x, top) = (at(bar.begin, length), y + bar.top * scale);
        format!("M{} {}v{}", px(x), px(top), px(bar.height * scale))
    });
    lines.collect()
}

fn rectangle(bar: &Bar, length: f64, y: f64, scale: f64) -> Markup {
    let x = at(bar.begin, length);
    let width = at(bar.end, length) - x;
    let class = match bar.kind {
        Kind::Request => "r",
        Kind::Open => "r o",
        Kind::Call => "c",
        Kind::Own => "w",
        Kind::Failed | Kind::FailedCall => "f",
    };
    html! {
        // What is thinner than a tenth of a point cannot be seen.
        @if width >= 0.1 {
            rect class=(class) x=(px(x)) width=(px(width))
                y=(px(y + bar.top * scale)) height=(px(bar.height * scale)) {}
        }
    }
}

fn px(number: f64) -> String {
    trimmed(number, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_says_a_round_number() {
        for (length, tick) in [(350_000, ">0.3 s<"), (1_200_000, ">0.6 s<")] {
            let timeline = Timeline {
                answered: vec![(length, 1)],
                ..Timeline::default()
            };
            let picture = picture(&[("basic", "app-sync", &timeline)]);
            assert!(picture.contains(tick), "{picture}");
        }
    }
}
