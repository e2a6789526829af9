//! A plot of curves, for the pages.
//!
//! plotters draws it. Colours are the page's affair, light or dark, so a
//! curve is drawn in a colour that says only which it is, and its class takes
//! the place of that. Each plot is drawn twice, for wide and narrow screens,
//! so that its text can be read on both.

use std::ops::Range;

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::{
    ChartBuilder, Circle, Color, DrawingArea, IntoDrawingArea, IntoTextStyle,
    LineSeries, RGBColor, Rectangle, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width and height, wide and narrow.
const SIZES: [(&str, u32, u32); 2] = [("broad", 1160, 400), ("slim", 360, 320)];
/// Colours that stand for the page's own.
const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
const BAND: RGBColor = RGBColor(2, 2, 3);
/// A curve that is as near as this to an axis runs along it.
const NEAR: f64 = 0.05;

/// More ticks than this run into each other on a narrow screen.
const TICKS: usize = 7;

/// A line through points, and what it belongs to.
#[derive(Default)]
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) class: &'static str,
    /// Which of the curves of its colour it is.
    pub(crate) nth: usize,
    pub(crate) points: Vec<(f64, f64)>,
    /// What was measured, where the line is of medians.
    pub(crate) dots: Vec<(f64, f64)>,
    /// What arithmetic allows, where that is its own.
    pub(crate) bound: Vec<(f64, f64)>,
}

/// What a plot says of its axes.
pub(crate) struct Axes {
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    pub(crate) x_ticks: Vec<f64>,
    pub(crate) y_ticks: Vec<f64>,
    pub(crate) x_label: fn(f64) -> String,
    pub(crate) y_label: fn(f64) -> String,
    pub(crate) x_from: f64,
    pub(crate) y_from: f64,
    /// Lines from side to side: where, their class, and what they are.
    pub(crate) rules: Vec<(f64, &'static str, String)>,
    /// A stretch in which something else was the case.
    pub(crate) band: Option<Range<f64>>,
}

/// Round numbers from zero on that reach past `to`.
pub(crate) fn ticks(to: f64) -> Vec<f64> {
    let step = step(to);
    let count = (to / step).ceil().max(1.0) as usize;
    (0..=count).map(|n| n as f64 * step).collect()
}

/// Those of an axis of time, in seconds, which is so many microseconds long.
pub(crate) fn ticks_of_time(length: u64) -> impl Iterator<Item = f64> {
    let ticks = ticks(length as f64 / 1e6).into_iter();
    // Three times 0.1 is more than 0.3 here.
    ticks.filter(move |at| (at * 1e6).round() as u64 <= length)
}

/// A round distance, of which some five fit.
fn step(to: f64) -> f64 {
    let rough = (to / 6.0).max(1e-6);
    let decade = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade);
    let step = steps.into_iter().find(|step| *step >= rough);
    step.unwrap_or(decade)
}

/// On a scale of powers of ten.
pub(crate) fn round_numbers() -> Vec<f64> {
    let decades = -4..6;
    decades
        .flat_map(|decade| {
            [1.0, 2.0, 5.0].map(|n: f64| n.log10() + f64::from(decade))
        })
        .collect()
}

/// What a tick says.
pub(crate) fn number(number: f64) -> String {
    trimmed(number, 4)
}

/// With so many digits after the point, but for the zeros at their end.
pub(crate) fn trimmed(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(crate) fn plot(curves: &[Curve], axes: &Axes, told: &str) -> Markup {
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
    for (colour, class) in [(INK, "ink"), (GRID, "grid"), (BAND, "band")] {
        text = recolour(&text, colour, class);
    }
    for (at, (_, class, _)) in axes.rules.iter().enumerate() {
        text = recolour(&text, colour(Part::Rule, at), class);
    }
    for (at, curve) in curves.iter().enumerate() {
        let name = &html! { (curve.name) }.into_string();
        for (part, class) in [
            (Part::Line, dashes(curve.nth)),
            (Part::Dots, "dots"),
            (Part::Bound, "bound"),
        ] {
            let class =
                format!("curve {} {class}\" data-curve=\"{name}", curve.class);
            text = recolour(&text, colour(part, at), &class);
        }
    }
    html! { (PreEscaped(text)) }
}

/// What has a colour of its own.
#[derive(Clone, Copy)]
enum Part {
    Line = 3,
    Dots,
    Bound,
    Rule,
}

fn colour(part: Part, at: usize) -> RGBColor {
    RGBColor(part as u8, (at / 256) as u8, (at % 256) as u8)
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

fn draw<'a, 'b>(
    area: &DrawingArea<SVGBackend<'a>, Shift>,
    curves: &'b [Curve],
    axes: &Axes,
    width: u32,
) -> Result<(), Box<dyn std::error::Error + 'a>> {
    let all = || {
        let parts = |curve: &'b Curve| {
            [&curve.points, &curve.dots, &curve.bound]
                .into_iter()
                .flatten()
        };
        curves.iter().flat_map(parts)
    };
    let heights = || {
        let rules = axes.rules.iter().map(|(at, ..)| *at);
        all().map(|(_, y)| *y).chain(rules)
    };
    let left = all().map(|(x, _)| *x).fold(axes.x_from, f64::min);
    let right = all().map(|(x, _)| *x).fold(f64::MIN, f64::max);
    let bottom = heights().fold(axes.y_from, f64::min);
    let top = heights().fold(f64::MIN, f64::max);
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
    let xs = left..left + (right - left) * 1.03;
    let ys = before(&axes.y_ticks, bottom)..past(&axes.y_ticks, top);
    if !(xs.start < xs.end && ys.start < ys.end) {
        return Err("there is nothing to draw".into());
    }
    let within = |ticks: &[f64], range: &Range<f64>| {
        let within = |tick: &f64| range.contains(tick) || *tick == range.end;
        ticks.iter().copied().filter(within).collect::<Vec<_>>()
    };
    let narrow = width < 500;
    let mut x_ticks = within(&axes.x_ticks, &xs);
    if narrow && x_ticks.len() > TICKS {
        let each = x_ticks.len().div_ceil(TICKS);
        x_ticks = x_ticks.into_iter().step_by(each).collect();
    }
    let y_ticks = within(&axes.y_ticks, &ys);
    let (many_x, many_y) = (x_ticks.len(), y_ticks.len());
    let mut chart = ChartBuilder::on(area)
        .margin_top(12)
        .margin_right(if narrow { 24 } else { 32 })
        .x_label_area_size(44)
        .y_label_area_size(if narrow { 52 } else { 64 })
        .build_cartesian_2d(
            Scale {
                range: xs.clone(),
                ticks: x_ticks,
            },
            Scale {
                range: ys.clone(),
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
    if let Some(band) = &axes.band {
        let corners = [(band.start, ys.start), (band.end, ys.end)];
        chart.draw_series([Rectangle::new(corners, BAND.filled())])?;
    }
    for (at, (y, ..)) in axes.rules.iter().enumerate() {
        let colour = colour(Part::Rule, at);
        let line = [(xs.start, *y), (xs.end, *y)];
        chart.draw_series(LineSeries::new(line, colour.stroke_width(1)))?;
    }
    for (at, curve) in curves.iter().enumerate() {
        let line = |points: &[(f64, f64)], part, width| {
            let style = colour(part, at).stroke_width(width);
            LineSeries::new(points.to_vec(), style)
        };
        chart.draw_series(line(&curve.bound, Part::Bound, 1))?;
        chart.draw_series(line(&curve.points, Part::Line, 2))?;
        let dots = curve.dots.iter();
        let filled = colour(Part::Dots, at).filled();
        chart.draw_series(dots.map(|dot| Circle::new(*dot, 2, filled)))?;
    }
    // Above the curves, or they could not be read.
    for (at, (y, _, name)) in axes.rules.iter().enumerate() {
        let colour = colour(Part::Rule, at);
        // Side by side, since they may be close above each other.
        let (x, side) = match at % 3 {
            0 => (xs.start, HPos::Left),
            1 => (xs.end, HPos::Right),
            _ => (f64::midpoint(xs.start, xs.end), HPos::Center),
        };
        let style = ("sans-serif", 13).into_text_style(area);
        let style = style.color(&colour).pos(Pos::new(side, VPos::Bottom));
        chart.draw_series([Text::new(name.clone(), (x, *y), style)])?;
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
        assert_eq!(ticks(25.1).len(), 7);
        assert_eq!(ticks(200.0).last(), Some(&200.0));
        assert!(ticks(0.0).len() > 1);
    }

    #[test]
    fn ticks_of_time_are_few_and_do_not_go_beyond_it() {
        for length in [1, 900, 507_000, 2_500_000, 25_000_000] {
            let count = ticks_of_time(length).count();
            assert!((2..=7).contains(&count), "{count} in {length}");
        }
        let last = ticks_of_time(300_000).last().unwrap();
        assert_eq!(trimmed(last, 6), "0.3");
    }

    #[test]
    fn a_name_cannot_break_out_of_a_plot() {
        let curves = [Curve {
            name: "\"><script>alert(1)</script>".to_owned(),
            class: "m-sync",
            nth: 0,
            points: vec![(0.0, 0.0), (1.0, 1.0)],
            dots: vec![(0.5, 0.5)],
            bound: vec![(0.0, 1.0), (1.0, 2.0)],
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
            rules: vec![(1.5, "rule", "<b>a rule</b>".to_owned())],
            band: Some(0.2..0.4),
        };
        let html = plot(&curves, &axes, "plot").into_string();
        assert!(!html.contains("<script>"), "{html}");
        assert!(!html.contains("<b>"), "{html}");
        for class in ["m-sync d0", "m-sync dots", "m-sync bound"] {
            assert!(html.contains(&format!("curve {class}")), "{html}");
        }
        for class in ["\"rule\"", "\"band\""] {
            assert!(html.contains(&format!("class={class}")), "{html}");
        }
        assert!(!html.contains("#0"), "a colour of its own: {html}");
    }
}
