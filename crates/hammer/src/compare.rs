//! Whether two services differ, or the noise does.
//!
//! A percentile of one run says nothing of how it would come out the next
//! time. So the runs are drawn again and again from what was seen (the
//! bootstrap, B. Efron 1979): first whole runs, since two runs differ by
//! more than their seconds do, then stretches of consecutive slices within
//! each, since neighbouring seconds resemble each other and would count as
//! more evidence than they are. A difference is beyond the noise where
//! nearly all the differences so drawn have its sign.
//!
//! Draws from a few runs spread less than runs do, so that their interval is
//! made wider, by as much as Student's distribution is wider than the normal
//! one and a variance of n runs is more than that of their draws.
//!
//! A request that was not answered in time took longer than all that were.
//! How long is not known: it is as if it had taken forever.

use std::time::Duration;

use crate::latency::{Latency, QUANTILES};
use crate::outcome::{Outcome, Series, Slice};
use crate::schedule::mix;

const DRAWS: usize = 2000;
/// The share of the draws outside the interval. There are eight rows, and
/// one false alarm in twenty comparisons is enough.
const OUTSIDE: f64 = 0.01;
/// What the normal distribution exceeds in half of that share.
const NORMAL: f64 = 2.575_829_3;
/// The widest class of the series' latencies, as a share of them.
const CLASS: f64 = 1.0 / 128.0;
/// With fewer slices than this there is nothing to draw from.
const FEWEST_SLICES: usize = 8;
/// A percentile with fewer requests than this beyond it is a few requests'
/// luck.
const FEWEST_BEYOND: f64 = 10.0;

/// One figure of two services.
#[derive(Clone, Debug)]
pub struct Difference {
    /// `rate`, in answers a second, or `p50` and the like, in seconds.
    pub name: &'static str,
    /// The first one's; NaN where it had nothing to time, and infinite where
    /// it is that of a request that was not answered in time.
    pub before: f64,
    /// The second one's.
    pub after: f64,
    /// Where the difference lies, with a confidence of 99%; `None` where
    /// there is too little to tell from, or both are infinite.
    pub interval: Option<(f64, f64)>,
}

impl Difference {
    /// Whether it is beyond the noise, where that can be told.
    pub fn is_real(&self) -> Option<bool> {
        self.interval.map(|(low, high)| low > 0.0 || high < 0.0)
    }
}

/// Compares the runs of one service with those of another.
pub fn compare(before: &[Outcome], after: &[Outcome]) -> Vec<Difference> {
    compare_by(DRAWS, before, after)
}

fn compare_by(
    draws: usize,
    before: &[Outcome],
    after: &[Outcome],
) -> Vec<Difference> {
    let classes = classes([before, after]);
    let sides = [before, after].map(|runs| Side::new(runs, &classes));
    let enough = sides.iter().all(|side| side.slices >= FEWEST_SLICES);
    let [seen_before, seen_after] =
        [&sides[0], &sides[1]].map(|side| side.figures(&side.seen(), &classes));
    let mut drawn: Vec<Vec<f64>> = vec![Vec::new(); 1 + QUANTILES.len()];
    let mut random = Random(0);
    for _ in 0..if enough { draws } else { 0 } {
        let [one, other] = [&sides[0], &sides[1]]
            .map(|side| side.figures(&side.draw(&mut random), &classes));
        for ((drawn, one), other) in drawn.iter_mut().zip(one).zip(other) {
            drawn.push(difference(one, other));
        }
    }
    let fewest = sides.iter().map(|side| side.requests).min().unwrap_or(0);
    let names = QUANTILES.iter().map(|&(name, quantile)| {
        let beyond = fewest as f64 * (1.0 - quantile);
        (name, beyond >= FEWEST_BEYOND)
    });
    let spread = spread(before.len(), after.len());
    let exact = [before, after].map(exact);
    let long = sides.iter().all(|side| side.in_window >= FEWEST_SLICES);
    [("rate", long)]
        .into_iter()
        .chain(names)
        .zip(drawn)
        .zip(seen_before.into_iter().zip(seen_after))
        .enumerate()
        .map(|(row, (((name, known), drawn), seen))| {
            // What is drawn is of classes, what is told is not.
            let told = |side: usize, seen: f64| match (row, &exact[side]) {
                (1.., Some(exact)) if !seen.is_infinite() => exact[row - 1],
                _ => seen,
            };
            let (before, after) = (told(0, seen.0), told(1, seen.1));
            let finite = [before, after].into_iter().filter(|t| t.is_finite());
            let class = match row {
                0 => 0.0,
                _ => finite.fold(0.0, f64::max) * CLASS,
            };
            let told = difference(before, after);
            let interval = match told.is_infinite() {
                true => open_interval(&drawn, told),
                false => interval(drawn).map(|(low, high)| {
                    let seen = difference(seen.0, seen.1);
                    let (low, high) = (low - seen, high - seen);
                    (told + low * spread, told + high * spread)
                }),
            };
            let interval =
                interval.map(|(low, high)| (low - class, high + class));
            let known = known && !(before.is_infinite() && told == 0.0);
            Difference {
                name,
                before,
                after,
                interval: interval.filter(|_| known),
            }
        })
        .collect()
}

/// The quantiles of all runs together; `None` where they do not tell.
fn exact(runs: &[Outcome]) -> Option<Vec<f64>> {
    let mut sum = Latency::default();
    for run in runs {
        sum.histogram_mut().add(run.latency.histogram()).ok()?;
    }
    let overdue = runs.iter().map(Outcome::overdue).sum();
    let quantile = |&(_, quantile)| {
        let time = sum.quantile_beside(quantile, overdue);
        time.map_or(f64::INFINITY, |time| time.as_secs_f64())
    };
    (sum.count() > 0).then(|| QUANTILES.iter().map(quantile).collect())
}

/// By how much the other is more. Of two that took forever, neither is known
/// to be.
fn difference(one: f64, other: f64) -> f64 {
    match one == other {
        true => 0.0,
        false => other - one,
    }
}

/// By how much runs spread more than what is drawn from so many of them. Of
/// one run nothing is known but what is in it.
fn spread(before: usize, after: usize) -> f64 {
    let fewest = before.min(after) as f64;
    if fewest < 2.0 {
        return 1.0;
    }
    let freedom = (before + after - 2) as f64;
    student(NORMAL, freedom) / NORMAL * (fewest / (fewest - 1.0)).sqrt()
}

/// What Student's distribution exceeds as often as the normal one exceeds
/// `z`: the expansion of M. Abramowitz and I. Stegun, "Handbook of
/// Mathematical Functions", 26.7.5. With two degrees of freedom it is 4% too
/// low, with four 0.2%.
fn student(z: f64, freedom: f64) -> f64 {
    let odd = |coefficients: [f64; 5]| {
        coefficients
            .iter()
            .rev()
            .fold(0.0, |sum, c| sum * z * z + c)
            * z
    };
    let terms = [
        odd([1.0, 1.0, 0.0, 0.0, 0.0]) / 4.0,
        odd([3.0, 16.0, 5.0, 0.0, 0.0]) / 96.0,
        odd([-15.0, 17.0, 19.0, 3.0, 0.0]) / 384.0,
        odd([-945.0, -1920.0, 1482.0, 776.0, 79.0]) / 92_160.0,
    ];
    z + terms
        .iter()
        .rev()
        .fold(0.0, |sum, term| (sum + term) / freedom)
}

/// `None` where a draw had nothing to time: what it left out is not known.
fn interval(mut drawn: Vec<f64>) -> Option<(f64, f64)> {
    if drawn.iter().any(|one| one.is_nan()) {
        return None;
    }
    drawn.sort_unstable_by(f64::total_cmp);
    let last = drawn.len().checked_sub(1)?;
    let outside = (last as f64 * OUTSIDE / 2.0) as usize;
    Some((drawn[outside], drawn[last - outside]))
}

/// Where a difference lies that is infinite. What is drawn around it cannot be
/// made wider, so it is all of that.
fn open_interval(drawn: &[f64], told: f64) -> Option<(f64, f64)> {
    if drawn.is_empty() || drawn.iter().any(|one| one.is_nan()) {
        return None;
    }
    let all = drawn.iter().copied();
    Some(match told > 0.0 {
        true => (all.fold(told, f64::min), told),
        false => (told, all.fold(told, f64::max)),
    })
}

/// All classes of latencies that occur, in ascending order.
fn classes(sides: [&[Outcome]; 2]) -> Vec<u64> {
    let runs = sides.into_iter().flatten();
    let slices = runs.flat_map(|run| &run.series.slices);
    let pairs = slices.flat_map(|slice| &slice.latency.0);
    let mut classes: Vec<_> = pairs.map(|&(nanos, _)| nanos).collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}

/// The runs of one service.
struct Side {
    runs: Vec<Run>,
    slices: usize,
    /// Those that the rate is over.
    in_window: usize,
    /// Those that were timed, and those that took longer.
    requests: u64,
}

struct Run {
    slices: Vec<Counts>,
    /// What no slice tells of, and every draw has.
    rest: Counts,
    /// How many of them the rate is over. What follows is the wait for the
    /// last answers.
    in_window: usize,
    /// How many consecutive slices are drawn together.
    block: usize,
}

/// What came in some slices.
struct Counts {
    /// What the rate counts, and over how long.
    answered: u64,
    seconds: f64,
    /// Which class, and how many.
    latencies: Vec<(usize, u64)>,
    /// How many took longer than any class.
    overdue: u64,
}

/// The same of many slices, by class.
struct Sum {
    answered: u64,
    seconds: f64,
    latencies: Vec<u64>,
    overdue: u64,
}

impl Side {
    fn new(runs: &[Outcome], classes: &[u64]) -> Self {
        let runs: Vec<_> =
            runs.iter().map(|run| Run::new(run, classes)).collect();
        let requests = runs.iter().flat_map(Run::seen).map(Counts::requests);
        Self {
            slices: runs.iter().map(|run| run.slices.len()).sum(),
            in_window: runs.iter().map(|run| run.in_window).sum(),
            requests: requests.sum(),
            runs,
        }
    }

    fn seen(&self) -> Vec<&Counts> {
        self.runs.iter().flat_map(Run::seen).collect()
    }

    fn draw(&self, random: &mut Random) -> Vec<&Counts> {
        let mut drawn = Vec::with_capacity(self.slices);
        for _ in &self.runs {
            let run = &self.runs[random.below(self.runs.len())];
            run.draw(random, &mut drawn);
        }
        drawn
    }

    /// The rate, and each of the quantiles.
    fn figures(&self, drawn: &[&Counts], classes: &[u64]) -> Vec<f64> {
        let mut sum = Sum {
            answered: 0,
            seconds: 0.0,
            latencies: vec![0; classes.len()],
            overdue: 0,
        };
        for counts in drawn {
            sum.answered += counts.answered;
            sum.seconds += counts.seconds;
            sum.overdue += counts.overdue;
            for &(class, count) in &counts.latencies {
                sum.latencies[class] += count;
            }
        }
        let rate = match sum.seconds > 0.0 {
            true => sum.answered as f64 / sum.seconds,
            false => 0.0,
        };
        let total = sum.latencies.iter().sum::<u64>() + sum.overdue;
        let beyond = match sum.overdue {
            0 => f64::NAN,
            _ => f64::INFINITY,
        };
        let mut figures = vec![rate];
        let mut below = 0;
        let mut class = 0;
        for (_, quantile) in QUANTILES {
            let rank = ((total as f64 * quantile).ceil() as u64).max(1);
            while class < classes.len() && below + sum.latencies[class] < rank {
                below += sum.latencies[class];
                class += 1;
            }
            let nanos = classes.get(class).map(|&nanos| nanos as f64);
            figures.push(nanos.unwrap_or(beyond) / 1e9);
        }
        figures
    }
}

impl Run {
    fn new(outcome: &Outcome, classes: &[u64]) -> Self {
        let Series { slice, slices } = &outcome.series;
        // An older hammer did not tell when its overdue requests were due.
        let dated: u64 = slices.iter().map(|slice| slice.overdue).sum();
        // An older hammer did not tell what its rate was of.
        let told = !outcome.window.is_zero();
        let mut left = match told {
            true => outcome.window,
            false => outcome.elapsed,
        };
        let mut in_window = 0;
        let counts = |one: &Slice| {
            // The end of the window cuts a slice off, by a known length.
            let length = left.min(*slice);
            left -= length;
            in_window += usize::from(!length.is_zero());
            let answered = if told { one.in_window } else { one.answered };
            Counts::new(one, answered, length, classes)
        };
        let slices: Vec<_> = slices.iter().map(counts).collect();
        // The last slice is that of the last answer, and the window may go
        // on in silence until the next request would have been due.
        let rest = Counts {
            answered: 0,
            seconds: left.as_secs_f64(),
            latencies: Vec::new(),
            overdue: outcome.overdue().saturating_sub(dated),
        };
        // The usual compromise for the length of a block.
        let block = (slices.len() as f64).cbrt().ceil() as usize;
        Self {
            slices,
            rest,
            in_window,
            block: block.max(1),
        }
    }

    fn seen(&self) -> impl Iterator<Item = &Counts> {
        self.slices.iter().chain([&self.rest])
    }

    /// As many slices of the window as there were, and as many of the wait:
    /// each draw is as long as the run.
    fn draw<'a>(&'a self, random: &mut Random, drawn: &mut Vec<&'a Counts>) {
        let (window, wait) = self.slices.split_at(self.in_window);
        self.draw_from(window, random, drawn);
        self.draw_from(wait, random, drawn);
        drawn.push(&self.rest);
    }

    fn draw_from<'a>(
        &self,
        slices: &'a [Counts],
        random: &mut Random,
        drawn: &mut Vec<&'a Counts>,
    ) {
        let count = slices.len();
        let end = drawn.len() + count;
        while drawn.len() < end {
            let start = random.below(count);
            let length = self.block.min(end - drawn.len());
            // Round the end, so that each slice is drawn as often.
            drawn.extend((start..start + length).map(|at| &slices[at % count]));
        }
    }
}

impl Counts {
    fn new(
        slice: &Slice,
        answered: u64,
        length: Duration,
        classes: &[u64],
    ) -> Self {
        let class = |nanos| classes.binary_search(&nanos).ok();
        let pairs = slice.latency.0.iter();
        Self {
            answered,
            seconds: length.as_secs_f64(),
            latencies: pairs
                .filter_map(|&(nanos, count)| Some((class(nanos)?, count)))
                .collect(),
            overdue: slice.overdue,
        }
    }

    fn requests(&self) -> u64 {
        let latencies = self.latencies.iter().map(|&(_, count)| count);
        latencies.sum::<u64>() + self.overdue
    }
}

/// The same numbers each time, so that the same files give the same answer.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 += 1;
        let wide = u128::from(mix(1, self.0)) * bound as u128;
        (wide >> 64) as usize
    }
}

#[cfg(test)]
mod tests;
