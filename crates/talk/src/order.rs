//! Order statistics: what values say together that were put in order.
//!
//! They ask nothing of how the values are spread: each is as likely below the
//! true median as above it, so how many are is a matter of tossed coins.

use std::f64::consts::LN_2;

/// What an interval may leave out at either end: it is one of 95%.
const TAIL: f64 = 0.025;

/// The median of values that are in order; of an even number, the middle of
/// the two in the middle.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let (lower, upper) = (sorted[last / 2], sorted[last.div_ceil(2)]);
    Some(f64::midpoint(lower, upper))
}

/// How many of so many ordered values the 95% interval of the median leaves
/// out at either end; `None` where so few have no such interval.
pub(crate) fn left_out(count: usize) -> Option<usize> {
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
            let told = super::left_out(count).map(|out| out + 1);
            assert_eq!(told, first, "of {count}");
        }
    }
}
