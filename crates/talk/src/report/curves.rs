//! The curves of the page: latencies by percentile, and what went on over
//! time.
//!
//! plotters draws them. Colours are the page's affair, light or dark, so a
//! curve is drawn in a colour that says only which it is, and its class takes
//! the place of that. Each plot is drawn twice, for wide and narrow screens,
//! so that its text can be read on both.

use std::ops::Range;

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::{
    ChartBuilder, Color, DrawingArea, IntoDrawingArea, LineSeries, RGBColor,
    SVGBackend,
};

use super::{drawn, model};
use crate::results::{Results, Row, Seen};

/// Width and height, wide and narrow.
const SIZES: [(&str, u32, u32); 2] = [("broad", 1160, 400), ("slim", 360, 320)];
/// Colours that stand for the page's own.
const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
/// A curve that is as near as this to an axis runs along it.
const NEAR: f64 = 0.05;

/// A line through points, and what it belongs to.
struct Curve {
    name: String,
    class: &'static str,
    /// Which of the curves of its colour it is.
    nth: usize,
    points: Vec<(f64, f64)>,
}

/// What a plot says of its axes.
struct Axes {
    x: &'static str,
    y: &'static str,
    x_ticks: Vec<f64>,
    y_ticks: Vec<f64>,
    x_label: fn(f64) -> String,
    y_label: fn(f64) -> String,
    x_from: f64,
    y_from: f64,
}

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
            format!("{share:.2}")
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned()
                + "%"
        },
        y_label: |at| number(10_f64.powf(at)),
        x_from: 0.0,
        y_from: f64::MAX,
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
            "Memory",
            "Resident memory of all workers over time",
            curves(&rows, |seen| looks(seen, |_, bytes| bytes as f64 / 1e6)),
            "MB",
        ),
        (
            "Threads",
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
                "record; memory and threads were read from the kernel twenty "
                "times a second."
            }
            @for (title, told, curves, unit) in plots {
                @let axes = Axes {
                    x: "seconds",
                    y: unit,
                    x_ticks: ticks(seconds),
                    y_ticks: ticks(top(&curves)),
                    x_label: number,
                    y_label: number,
                    x_from: 0.0,
                    y_from: 0.0,
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
                    th scope="col" .number { "most threads" }
                    th scope="col" .number { "most MB" }
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

/// Round numbers from zero on that reach past `to`.
fn ticks(to: f64) -> Vec<f64> {
    let rough = (to / 5.0).max(1e-6);
    let decade = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade);
    let step = steps.into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(decade);
    let count = (to / step).ceil().max(1.0) as usize;
    (0..=count).map(|n| n as f64 * step).collect()
}

/// On a scale of powers of ten.
fn round_numbers() -> Vec<f64> {
    let decades = -4..4;
    decades
        .flat_map(|decade| {
            [1.0, 2.0, 5.0].map(|n: f64| n.log10() + f64::from(decade))
        })
        .collect()
}

fn number(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn plot(curves: &[Curve], axes: &Axes, told: &str) -> Markup {
    let names = curves.iter().map(|curve| &*curve.name);
    let names = names.collect::<Vec<_>>().join(", ");
    html! {
        figure.curves {
            div role="img"
                aria-label={ (told) " of " (names)
                             "; the same is in a table below" } {
                @for (class, width, height) in SIZES {
                    div.(class) {
                        (svg(curves, axes, width, height))
                    }
                }
            }
            figcaption.legend role="group"
                aria-label="Show one curve alone" {
                @for curve in curves {
                    button type="button" aria-pressed="false"
                        data-curve=(curve.name) {
                        svg width="26" height="10" aria-hidden="true" {
                            path.(curve.class).(dashes(curve.nth)).curve
                                d="M1 5H25" {}
                        }
                        (curve.name)
                    }
                }
            }
        }
    }
}

/// Curves of one colour differ by their dashes.
fn dashes(nth: usize) -> &'static str {
    ["d0", "d1", "d2", "d3"][nth % 4]
}

fn svg(curves: &[Curve], axes: &Axes, width: u32, height: u32) -> Markup {
    let mut text = String::new();
    {
        let backend = SVGBackend::with_string(&mut text, (width, height));
        let drawn = draw(&backend.into_drawing_area(), curves, axes, width);
        if drawn.is_err() {
            return html! { p { "This could not be drawn." } };
        }
    }
    // Colours become classes; what is left is numbers and our own words.
    for (colour, class) in [(INK, "ink"), (GRID, "grid")] {
        text = recolour(&text, colour, class);
    }
    for (at, curve) in curves.iter().enumerate() {
        let dashes = dashes(curve.nth);
        let name = &html! { (curve.name) }.into_string();
        let class =
            format!("curve {} {dashes}\" data-curve=\"{name}", curve.class);
        text = recolour(&text, colour(at), &class);
    }
    html! { (PreEscaped(text)) }
}

fn colour(at: usize) -> RGBColor {
    RGBColor(3, (at / 256) as u8, (at % 256) as u8)
}

fn recolour(text: &str, colour: RGBColor, class: &str) -> String {
    let RGBColor(red, green, blue) = colour;
    let colour = format!("#{red:02X}{green:02X}{blue:02X}");
    let class = format!("class=\"{class}\"");
    let text = text.replace(&format!("stroke=\"{colour}\""), &class);
    text.replace(&format!("fill=\"{colour}\""), &class)
}

/// An even scale with ticks of our choice.
struct Scale {
    range: Range<f64>,
    ticks: Vec<f64>,
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        let Range { start, end } = self.range;
        let share = (value - start) / (end - start);
        low + (share * f64::from(high - low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

fn draw<'a>(
    area: &DrawingArea<SVGBackend<'a>, Shift>,
    curves: &[Curve],
    axes: &Axes,
    width: u32,
) -> Result<(), Box<dyn std::error::Error + 'a>> {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let right = all().map(|(x, _)| *x).fold(axes.x_from, f64::max);
    let bottom = all().map(|(_, y)| *y).fold(axes.y_from, f64::min);
    let top = all().map(|(_, y)| *y).fold(f64::MIN, f64::max);
    // A tick past the last value, so that no curve runs along an edge.
    let past = |ticks: &[f64], value: f64| {
        let mut past = ticks.iter().filter(|tick| **tick > value - 1e-9);
        past.next().copied().unwrap_or(value)
    };
    let before = |ticks: &[f64], value: f64| {
        let below = if value == 0.0 { value } else { value - NEAR };
        let mut before = ticks.iter().rev().filter(|tick| **tick <= below);
        before.next().copied().unwrap_or(value)
    };
    let xs = axes.x_from..axes.x_from + (right - axes.x_from) * 1.03;
    let ys = before(&axes.y_ticks, bottom)..past(&axes.y_ticks, top);
    if !(xs.start < xs.end && ys.start < ys.end) {
        return Err("there is nothing to draw".into());
    }
    let within = |ticks: &[f64], range: &Range<f64>| {
        let within = |tick: &f64| range.contains(tick) || *tick == range.end;
        ticks.iter().copied().filter(within).collect::<Vec<_>>()
    };
    let x_ticks = within(&axes.x_ticks, &xs);
    let y_ticks = within(&axes.y_ticks, &ys);
    let (many_x, many_y) = (x_ticks.len(), y_ticks.len());
    let mut chart = ChartBuilder::on(area)
        .margin_top(12)
        .margin_right(if width < 500 { 24 } else { 32 })
        .x_label_area_size(44)
        .y_label_area_size(if width < 500 { 52 } else { 64 })
        .build_cartesian_2d(
            Scale {
                range: xs,
                ticks: x_ticks,
            },
            Scale {
                range: ys,
                ticks: y_ticks,
            },
        )?;
    let font = ("sans-serif", 13, &INK);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(GRID.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(font)
        .axis_desc_style(font)
        .x_labels(many_x)
        .y_labels(many_y)
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_label_formatter(&|x| (axes.x_label)(*x))
        .y_label_formatter(&|y| (axes.y_label)(*y))
        .draw()?;
    for (at, curve) in curves.iter().enumerate() {
        let points = curve.points.iter().copied();
        chart
            .draw_series(LineSeries::new(points, colour(at).stroke_width(2)))?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_past_the_end() {
        assert_eq!(ticks(25.0), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]);
        assert_eq!(ticks(200.0).last(), Some(&200.0));
        assert!(ticks(0.0).len() > 1);
    }

    #[test]
    fn a_name_cannot_break_out_of_a_plot() {
        let curves = [Curve {
            name: "\"><script>alert(1)</script>".to_owned(),
            class: "m-sync",
            nth: 0,
            points: vec![(0.0, 0.0), (1.0, 1.0)],
        }];
        let axes = Axes {
            x: "x",
            y: "y",
            x_ticks: ticks(1.0),
            y_ticks: ticks(1.0),
            x_label: number,
            y_label: number,
            x_from: 0.0,
            y_from: 0.0,
        };
        let html = plot(&curves, &axes, "plot").into_string();
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("curve m-sync d0"), "{html}");
        assert!(!html.contains("#0"), "a colour of its own: {html}");
    }
}
