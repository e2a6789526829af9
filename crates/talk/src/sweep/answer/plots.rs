//! The pictures of a sweep: what came of each load, with what arithmetic
//! allows drawn in.

use maud::{Markup, html};
use workload::Manner;

use super::figures::{duration, list, quantile, rate, short};
use super::{Answer, Standing, closed, open};
use crate::order::median;
use crate::report::model;
use crate::report::plot::{Axes, Curve, number, plot, round_numbers, ticks};
use crate::sweep::record::{Load, Model, Step, Sweep};

/// What is drawn, and what of it.
pub(crate) struct Drawn<'a> {
    pub(crate) sweep: &'a Sweep,
    pub(crate) steps: &'a [Step],
    pub(crate) answer: &'a Answer,
}

impl Drawn<'_> {
    pub(crate) fn throughput(&self) -> Markup {
        let at_a_time = self.curves(
            |step| closed(step).map(logarithms),
            |standing, from, to| bound(standing, from, to, Standing::at_a_time),
        );
        let asked = self.curves(
            |step| {
                let (rate, step) = open(step)?;
                Some(logarithms((rate, step.throughput)))
            },
            |standing, from, to| bound(standing, from, to, Standing::asked),
        );
        let told = |curves: &[Curve], of: &str| {
            let most = curves.iter().map(|curve| {
                let most = curve.points.iter().map(|(_, y)| *y);
                let most = most.fold(f64::MIN, f64::max);
                format!("{} at most {}", curve.name, rate(power(most)))
            });
            let most: Vec<_> = most.collect();
            format!("Answers a second by {of}, {}: curves", list(&most))
        };
        html! {
            @if !at_a_time.is_empty() {
                (plot(
                    &at_a_time,
                    &axes("requests at a time", "answers a second"),
                    &told(&at_a_time, "requests at a time"),
                ))
            } @else if !asked.is_empty() {
                (plot(
                    &asked,
                    &axes("requests a second", "answers a second"),
                    &told(&asked, "requests a second"),
                ))
            }
        }
    }

    pub(crate) fn latency(&self) -> Markup {
        let mut curves = self.curves(
            |step| {
                let (rate, step) = open(step)?;
                let seconds = step.target_seconds;
                (seconds > 0.0).then(|| logarithms((rate, seconds)))
            },
            |_, _, _| Vec::new(),
        );
        for curve in &mut curves {
            curve.points = rising(&curve.points);
        }
        let target = self.answer.target;
        let mut rules = vec![(
            target.seconds.log10(),
            "rule target",
            format!("target {}", duration(target.seconds)),
        )];
        for (manner, name) in [
            (Manner::AtOnce, "at once"),
            (Manner::InTurn, "in sequence"),
            (Manner::BesideWork, "beside work"),
        ] {
            let models = self.sweep.models.iter();
            let mut alike = models.filter(|model| model.manner() == manner);
            let alone =
                alike.find_map(|model| self.answer.standing(&model.name));
            let Some(standing) = alone.filter(|s| s.alone_seconds > 0.0) else {
                continue;
            };
            let bound = standing.alone_seconds;
            // One would cover the name of the other.
            if rules[1..].iter().all(|(at, ..)| *at != bound.log10()) {
                let name = format!("{name} {}", duration(bound));
                rules.push((bound.log10(), "rule", name));
            }
        }
        let axes = Axes {
            y_label: |at| number(power(at)),
            rules,
            ..axes("requests a second", "seconds")
        };
        let held = self.answer.standings.iter().map(|standing| match standing
            .knee()
        {
            Some(knee) => {
                format!("{} holds it up to {}", standing.model, rate(knee.rate))
            }
            None => format!("{} does not", standing.model),
        });
        let told = format!(
            "{} by requests a second, with a target of {}: {}; curves",
            quantile(target.quantile),
            duration(target.seconds),
            held.collect::<Vec<_>>().join(", ")
        );
        html! { @if !curves.is_empty() { (plot(&curves, &axes, &told)) } }
    }

    pub(crate) fn cost(&self) -> Markup {
        html! {
            (self.most("Memory", "MB", |step| step.memory_bytes as f64 / 1e6))
            (self.most("Threads", "threads", |step| step.threads as f64))
        }
    }

    /// What workers had at each rate.
    fn most(
        &self,
        title: &str,
        unit: &'static str,
        of: fn(&Step) -> f64,
    ) -> Markup {
        let target = self.answer.target.seconds;
        let curves = self.curves(
            |step| {
                let (rate, step) = open(step)?;
                let within = step.answered > 0 && step.target_seconds <= target;
                within.then(|| (rate.log10(), of(step)))
            },
            |_, _, _| Vec::new(),
        );
        let most = curves.iter().flat_map(|curve| &curve.points);
        let most = most.map(|(_, y)| *y).fold(0.0, f64::max);
        let axes = Axes {
            y_ticks: ticks(most),
            y_label: number,
            y_from: 0.0,
            ..axes("requests a second", unit)
        };
        html! {
            @if !curves.is_empty() {
                h3 { (title) }
                (plot(&curves, &axes, &most_of(title, unit, &curves)))
            }
        }
    }

    pub(crate) fn stall(&self) -> Markup {
        let slices = |step: &Step| match step.load {
            Load::Stall { .. } => step
                .series
                .iter()
                .filter(|slice| slice.p50_seconds > 0.0)
                .map(|slice| (slice.from_seconds, slice.p50_seconds.log10()))
                .collect(),
            _ => Vec::new(),
        };
        let curves = self.curves_of(slices, |_, _, _| Vec::new());
        let band = self.steps.iter().find_map(|step| match step.load {
            Load::Stall {
                from_seconds: from,
                for_seconds: long,
                ..
            } => Some(from..from + long),
            _ => None,
        });
        let longest = curves.iter().flat_map(|curve| &curve.points);
        let longest = longest.map(|(x, _)| *x).fold(0.0, f64::max);
        let axes = Axes {
            x_ticks: ticks(longest),
            x_label: number,
            x_from: 0.0,
            band,
            ..axes("seconds", "median of a tenth of a second, seconds")
        };
        let took = self.answer.standings.iter().filter_map(|standing| {
            let recovery = standing.recovery?;
            Some(match recovery.seconds {
                Some(took) => {
                    format!("{} after {}", standing.model, duration(took))
                }
                None => format!("{} not", standing.model),
            })
        });
        let told = format!(
            "Latency over time while the backend froze; as before again: {}; \
             curves",
            took.collect::<Vec<_>>().join(", ")
        );
        html! { @if !curves.is_empty() { (plot(&curves, &axes, &told)) } }
    }

    /// A curve of each model through the medians of what its steps say.
    fn curves(
        &self,
        point: impl Fn(&Step) -> Option<(f64, f64)>,
        bound: impl Fn(&Standing, f64, f64) -> Vec<(f64, f64)>,
    ) -> Vec<Curve> {
        self.curves_of(|step| point(step).into_iter().collect(), bound)
    }

    fn curves_of(
        &self,
        points: impl Fn(&Step) -> Vec<(f64, f64)>,
        bound: impl Fn(&Standing, f64, f64) -> Vec<(f64, f64)>,
    ) -> Vec<Curve> {
        let mut curves: Vec<Curve> = Vec::new();
        for Model { name, app, .. } in &self.sweep.models {
            let steps = self.steps.iter();
            let steps = steps.filter(|step| step.model == *name);
            let steps = steps.filter(|step| step.flaws.is_empty());
            // Where nothing was answered there is no logarithm.
            let dots = steps.flat_map(&points);
            let dots = dots.filter(|(x, y)| x.is_finite() && y.is_finite());
            let dots: Vec<_> = dots.collect();
            let points = medians(&dots);
            let (Some((from, _)), Some((to, _))) =
                (points.first().copied(), points.last().copied())
            else {
                continue;
            };
            let class = model(app, name);
            let standing = self.answer.standing(name);
            curves.push(Curve {
                name: name.clone(),
                class,
                nth: curves.iter().filter(|c| c.class == class).count(),
                bound: standing.map_or_else(Vec::new, |s| bound(s, from, to)),
                points,
                dots,
            });
        }
        // Of one load alone there is no curve: the table has it.
        if curves.iter().all(|curve| curve.points.len() < 2) {
            curves.clear();
        }
        curves
    }
}

impl Standing {
    /// No more answers a second than this, of so many requests at a time.
    fn at_a_time(&self, requests: f64) -> f64 {
        requests.min(self.most_at_a_time()) / self.mean_seconds
    }

    /// The same, of so many requests a second.
    fn asked(&self, rate: f64) -> f64 {
        rate.min(self.most_at_a_time() / self.mean_seconds)
    }

    fn most_at_a_time(&self) -> f64 {
        self.slots.map_or(f64::INFINITY, |slots| slots as f64)
    }
}

/// A bound between two loads. All are logarithms.
fn bound(
    standing: &Standing,
    from: f64,
    to: f64,
    most: fn(&Standing, f64) -> f64,
) -> Vec<(f64, f64)> {
    if standing.mean_seconds <= 0.0 {
        return Vec::new();
    }
    // So many that the bend, wherever it is, looks like one.
    const POINTS: u32 = 100;
    let points = (0..=POINTS).map(|n| {
        let at = from + (to - from) * f64::from(n) / f64::from(POINTS);
        (at, most(standing, power(at)).log10())
    });
    points.collect()
}

/// On scales of powers of ten.
fn axes(x: &'static str, y: &'static str) -> Axes {
    Axes {
        x,
        y,
        x_ticks: round_numbers(),
        y_ticks: round_numbers(),
        x_label: |at| number(power(at)),
        y_label: |at| number(power(at)),
        x_from: f64::MAX,
        y_from: f64::MAX,
        rules: Vec::new(),
        band: None,
    }
}

fn most_of(title: &str, unit: &str, curves: &[Curve]) -> String {
    let most = curves.iter().map(|curve| {
        let most = curve.points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
        format!("{} at most {} {unit}", curve.name, short(most))
    });
    let most: Vec<_> = most.collect();
    format!("{title} by requests a second, {}: curves", list(&most))
}

fn logarithms((x, y): (f64, f64)) -> (f64, f64) {
    (x.log10(), y.log10())
}

fn power(at: f64) -> f64 {
    10_f64.powf(at)
}

/// One point for each load.
fn medians(dots: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut dots = dots.to_vec();
    dots.sort_by(|a, b| f64::total_cmp(&a.0, &b.0).then(a.1.total_cmp(&b.1)));
    let loads = dots.chunk_by(|a, b| a.0 == b.0);
    let medians = loads.filter_map(|load| {
        let heights: Vec<_> = load.iter().map(|(_, y)| *y).collect();
        Some((load[0].0, median(&heights)?))
    });
    medians.collect()
}

/// The line nearest to these points that never falls: more load makes no
/// model quicker, and neighbours that say so are chance. Those that fall are
/// pooled, until none does.
fn rising(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    // The sum and the count of each pool.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (_, y) in points {
        let mut pool = (*y, 1);
        while let Some((sum, count)) = pools.last().copied()
            && sum / count as f64 > pool.0 / pool.1 as f64
        {
            pool = (pool.0 + sum, pool.1 + count);
            pools.pop();
        }
        pools.push(pool);
    }
    let heights = pools.into_iter().flat_map(|(sum, count)| {
        std::iter::repeat_n(sum / count as f64, count)
    });
    points.iter().map(|(x, _)| *x).zip(heights).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_load_has_one_point_in_the_middle_of_its_dots() {
        let dots = [(2.0, 5.0), (1.0, 3.0), (1.0, 1.0)];
        assert_eq!(medians(&dots), [(1.0, 2.0), (2.0, 5.0)]);
    }

    proptest! {
        #[test]
        fn a_rising_line_goes_through_the_middle(
            heights in proptest::collection::vec(0.0..10.0f64, 0..20),
        ) {
            let points = heights.iter().enumerate();
            let points = points.map(|(x, y)| (x as f64, *y));
            let points: Vec<_> = points.collect();
            let line = rising(&points);
            prop_assert_eq!(line.len(), points.len());
            let near = |a: f64, b: f64| a <= b + 1e-9;
            prop_assert!(line.is_sorted_by(|a, b| near(a.1, b.1)));
            let sum = |points: &[(f64, f64)]| {
                points.iter().map(|(_, y)| *y).sum::<f64>()
            };
            prop_assert!((sum(&line) - sum(&points)).abs() < 1e-6);
            // What rises already is left as it is.
            let again = rising(&line);
            for (a, b) in again.iter().zip(&line) {
                prop_assert!((a.1 - b.1).abs() < 1e-9);
            }
        }
    }
}
