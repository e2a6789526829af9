//! What the repeats of a measurement say together: their median, and between
//! which values it lies.
//!
//! Of six repeats or more that is the 95% interval by order statistics, which
//! asks nothing of how the values are spread: each repeat is as likely below
//! the true median as above it, so how many are is a matter of tossed coins.
//! Of fewer there is no such interval, and their whole range takes its place.

use std::f64::consts::LN_2;

use serde::Serialize;

/// What an interval may leave out at either end.
const TAIL: f64 = 0.025;

/// A figure of several repeats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Figure {
    /// `None` where there is nothing to sum up.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let out = inset(values.len()).unwrap_or(0);
        Some(Self {
            median: median(&values)?,
            low: values[out],
            high: values[last - out],
        })
    }
}

/// The median of values that are in order; of an even number, the middle of
/// the two in the middle.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let (lower, upper) = (sorted[last / 2], sorted[last.div_ceil(2)]);
    Some(f64::midpoint(lower, upper))
}

/// Whether so many repeats have a 95% interval.
pub(crate) fn confident(repeats: usize) -> bool {
    inset(repeats).is_some()
}

/// How many of so many ordered values the interval leaves out at either end.
fn inset(count: usize) -> Option<usize> {
    // The chance that no more than `out` of the tosses are heads. Its terms
    // are logarithms: of a thousand, the first is too small for a number.
    let mut term = -LN_2 * count as f64;
    let mut chance = 0.0;
    let may_be_left_out = |&out: &usize| {
        chance += term.exp();
        term += ((count - out) as f64 / (out + 1) as f64).ln();
        chance <= TAIL
    };
    (0..count / 2).take_while(may_be_left_out).last()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_interval_is_that_of_the_tables() {
        // As tables of the sign test have them for 95%.
        for (count, first) in [
            (5, None),
            (6, Some(1)),
            (8, Some(1)),
            (9, Some(2)),
            (12, Some(3)),
            (15, Some(4)),
            (20, Some(6)),
            (30, Some(10)),
            (100, Some(40)),
            // 1000 - 1.96 √500, as the normal distribution has it.
            (2000, Some(956)),
        ] {
            let told = inset(count).map(|out| out + 1);
            assert_eq!(told, first, "of {count}");
        }
    }

    #[test]
    fn nothing_has_no_figure() {
        assert_eq!(Figure::of([]), None);
    }

    proptest! {
        #[test]
        fn a_median_lies_in_its_interval(
            values in proptest::collection::vec(0.0..100.0f64, 1..60),
        ) {
            let figure = Figure::of(values.clone()).unwrap();
            let below = values.iter().filter(|v| **v < figure.median).count();
            let above = values.iter().filter(|v| **v > figure.median).count();
            prop_assert!(below <= values.len() / 2);
            prop_assert!(above <= values.len() / 2);
            prop_assert!(figure.low <= figure.median);
            prop_assert!(figure.median <= figure.high);
            prop_assert!(values.contains(&figure.low));
            prop_assert!(values.contains(&figure.high));
        }

        #[test]
        fn a_constant_factor_changes_nothing_else(
            values in proptest::collection::vec(1.0..100.0f64, 1..30),
        ) {
            let once = Figure::of(values.clone()).unwrap();
            let twice = Figure::of(values.iter().map(|v| v * 2.0)).unwrap();
            prop_assert!((twice.median - 2.0 * once.median).abs() < 1e-9);
            prop_assert_eq!(twice.low, 2.0 * once.low);
            prop_assert_eq!(twice.high, 2.0 * once.high);
        }
    }
}
