//! The rates that are tried: one grid, each 5% above the one before, so that
//! what two models hold, or one model twice, can be compared.

use workload::Workload;

use super::groups::cost;

/// Each rate of the grid is so many times the one before.
const STEP: f64 = 1.05;
/// So many requests are in hand at a time, by Little's law, at the lowest rate
/// that is tried: one hardly ever meets another, and to wait even longer
/// between them makes none quicker.
const ALONE: f64 = 0.1;

/// The rate at a place of the grid, in requests a second.
pub(super) fn rate(place: i32) -> f64 {
    STEP.powi(place)
}

/// The place of the highest rate that is not above this one.
pub(super) fn at_most(rate: f64) -> i32 {
    // What is on the grid is to stay where it is.
    ((rate.ln() / STEP.ln()) + 1e-9).floor() as i32
}

/// The lowest place that is tried, where a request takes `mean` seconds by
/// arithmetic: that knows of no time but what the workload has.
pub(super) fn lowest(mean: f64, workload: &Workload) -> i32 {
    at_most(ALONE / mean.max(cost(workload)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_of_the_grid_is_found_by_its_rate(place in -200..300i32) {
            prop_assert_eq!(at_most(rate(place)), place);
            prop_assert_eq!(at_most(rate(place) * 1.02), place);
            prop_assert_eq!(at_most(rate(place) * 0.98), place - 1);
        }
    }
}
