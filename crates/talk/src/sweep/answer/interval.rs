//! What the repeats of a measurement say together: their median, and between
//! which values it lies.
//!
//! Of six repeats or more that is the 95% interval by order statistics, which
//! asks nothing of how the values are spread: each repeat is as likely below
//! the true median as above it, so how many are is a matter of tossed coins.
//! Of fewer there is no such interval, and their whole range takes its place.

use serde::Serialize;

use crate::order::{left_out, median};

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
        let out = left_out(values.len()).unwrap_or(0);
        Some(Self {
            median: median(&values)?,
            low: values[out],
            high: values[last - out],
        })
    }
}

/// Whether so many repeats have a 95% interval.
pub(crate) fn confident(repeats: usize) -> bool {
    left_out(repeats).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
