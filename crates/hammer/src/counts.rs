//! Where a thread counts a latency: one array, one increment.
//!
//! The buckets are HdrHistogram's at three significant digits (2048 steps,
//! then 1024 more for every doubling), so the counts move into its histograms
//! without loss. The histograms themselves stay off the hot path: a few times
//! a second a thread hands over the cells that it touched, and starts afresh.

use hdrhistogram::Histogram;

use crate::outcome::Counted;

/// The longest latency told from longer ones: a little over an hour.
pub(crate) const LONGEST: u64 = (1 << 42) - 1;

const STEP_BITS: u32 = 10;
const STEPS: u64 = 1 << STEP_BITS;
const CELLS: usize = cell(LONGEST) + 1;

/// The cell of a latency in nanoseconds.
const fn cell(nanos: u64) -> usize {
    let magnitude = (nanos | (2 * STEPS - 1)).ilog2() - STEP_BITS;
    (magnitude as u64 * STEPS + (nanos >> magnitude)) as usize
}

/// The least latency of a cell.
const fn nanos(cell: u32) -> u64 {
    let cell = cell as u64;
    if cell < 2 * STEPS {
        return cell;
    }
    let magnitude = cell / STEPS - 1;
    (cell - magnitude * STEPS) << magnitude
}

/// A histogram with the buckets that this module fills.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3)
        .expect("the bounds are constants that hdrhistogram takes")
}

/// What one thread counted since it last handed over.
pub(crate) struct Counts {
    cells: Vec<u32>,
    // The cells that may not be zero.
    low: usize,
    high: usize,
}

impl Counts {
    pub(crate) fn new() -> Self {
        Self {
            // Zeroed by the kernel: a page that is never counted in takes
            // no memory.
            cells: vec![0; CELLS],
            low: CELLS,
            high: 0,
        }
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        let cell = cell(nanos.min(LONGEST));
        self.cells[cell] += 1;
        self.low = self.low.min(cell);
        self.high = self.high.max(cell + 1);
    }

    /// Takes what was counted out.
    pub(crate) fn take(&mut self) -> Sparse {
        let mut sparse = Sparse::default();
        let low = self.low.min(self.high);
        for (at, count) in self.cells[low..self.high].iter_mut().enumerate() {
            if *count > 0 {
                sparse.0.push(((low + at) as u32, *count));
                *count = 0;
            }
        }
        (self.low, self.high) = (CELLS, 0);
        sparse
    }
}

/// Cells that are not zero, in ascending order, with their counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sparse(Vec<(u32, u32)>);

impl Sparse {
    pub(crate) fn add_to(&self, histogram: &mut Histogram<u64>) {
        for &(cell, count) in &self.0 {
            histogram.saturating_record_n(nanos(cell), u64::from(count));
        }
    }

    /// The same in 128 steps a doubling: a twelfth of the memory, and
    /// enough to see how a run varied.
    pub(crate) fn coarse(&self) -> Self {
        let mut coarse: Vec<(u32, u32)> = Vec::new();
        for &(cell, count) in &self.0 {
            let cell = cell & !7;
            match coarse.last_mut() {
                Some((last, sum)) if *last == cell => {
                    *sum = sum.saturating_add(count);
                }
                _ => coarse.push((cell, count)),
            }
        }
        Self(coarse)
    }

    pub(crate) fn counted(&self) -> Counted {
        let pairs = self.0.iter();
        Counted(
            pairs
                .map(|&(cell, count)| (nanos(cell), u64::from(count)))
                .collect(),
        )
    }

    pub(crate) fn add(&mut self, other: &Self) {
        if self.0.is_empty() {
            self.0.clone_from(&other.0);
            return;
        }
        let mut sum = Vec::with_capacity(self.0.len() + other.0.len());
        let (mut mine, mut theirs) = (&self.0[..], &other.0[..]);
        while let (Some(&a), Some(&b)) = (mine.first(), theirs.first()) {
            if a.0 <= b.0 {
                mine = &mine[1..];
            }
            if b.0 <= a.0 {
                theirs = &theirs[1..];
            }
            sum.push(match a.0.cmp(&b.0) {
                std::cmp::Ordering::Less => a,
                std::cmp::Ordering::Greater => b,
                std::cmp::Ordering::Equal => (a.0, a.1.saturating_add(b.1)),
            });
        }
        sum.extend_from_slice(mine);
        sum.extend_from_slice(theirs);
        self.0 = sum;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(values: &[u64]) -> Sparse {
        let mut counts = Counts::new();
        values.iter().for_each(|&value| counts.record(value));
        counts.take()
    }

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way_into_a_histogram(
            values in proptest::collection::vec(0..LONGEST, 1..100),
        ) {
            let mut direct = histogram();
            for &value in &values {
                direct.record(value).unwrap();
            }
            let mut counted_up = histogram();
            counted(&values).add_to(&mut counted_up);
            prop_assert_eq!(direct, counted_up);
        }

        #[test]
        fn a_sum_is_what_was_counted_together(
            a in proptest::collection::vec(0..5_000u64, 0..50),
            b in proptest::collection::vec(0..5_000u64, 0..50),
        ) {
            let mut sum = counted(&a);
            sum.add(&counted(&b));
            prop_assert_eq!(sum, counted(&[a, b].concat()));
        }
    }

    #[test]
    fn taking_starts_afresh() {
        let mut counts = Counts::new();
        counts.record(7);
        assert_eq!(counts.take(), Sparse(vec![(7, 1)]));
        assert_eq!(counts.take(), Sparse::default());
        counts.record(u64::MAX);
        assert_eq!(counts.take(), Sparse(vec![(CELLS as u32 - 1, 1)]));
    }
}
