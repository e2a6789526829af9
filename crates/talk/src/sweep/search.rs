//! The search for a knee: the highest rate that holds. It asks for a place of
//! the grid and is told whether the rate there held; it measures nothing
//! itself.
//!
//! It doubles its strides away from where it begins until one rate held and
//! another did not, and then halves what is between. Where the beginning is
//! near the knee, as it is from the second round on, that takes few steps.

/// A search that is under way.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// No lower place is tried, and no higher one.
    range: (i32, i32),
    /// Where to begin.
    begin: i32,
    stride: i32,
    /// The highest place that held, and the lowest that did not.
    held: Option<i32>,
    failed: Option<i32>,
}

impl Search {
    /// Begins at `begin`, or as near to it as the range allows.
    pub(super) fn new(range: (i32, i32), begin: i32, stride: i32) -> Self {
        let (lowest, highest) = range;
        Self {
            range: (lowest, highest.max(lowest)),
            begin: begin.clamp(lowest, highest.max(lowest)),
            stride: stride.max(1),
            held: None,
            failed: None,
        }
    }

    /// The place to try next; `None` where nothing is left to find out.
    pub(super) fn next(&self) -> Option<i32> {
        let (lowest, highest) = self.range;
        match (self.held, self.failed) {
            (None, None) => Some(self.begin),
            (Some(held), None) => (held < highest)
                .then(|| held.saturating_add(self.stride).min(highest)),
            (None, Some(failed)) => (failed > lowest)
                .then(|| failed.saturating_sub(self.stride).max(lowest)),
            (Some(held), Some(failed)) => {
                (failed - held > 1).then(|| held + (failed - held) / 2)
            }
        }
    }

    /// Takes in whether the place that was to be tried held.
    pub(super) fn tell(&mut self, place: i32, held: bool) {
        // The first answer says in which direction to go, and takes no
        // stride.
        let has_gone = self.held.or(self.failed).is_some();
        let bound = match held {
            true => &mut self.held,
            false => &mut self.failed,
        };
        *bound = Some(place);
        if has_gone && (self.held.is_none() || self.failed.is_none()) {
            self.stride = self.stride.saturating_mul(2);
        }
    }

    /// The highest place that held so far.
    pub(super) fn knee(&self) -> Option<i32> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Searches for a knee that is known, and what was tried on the way.
    fn search(mut search: Search, knee: i32) -> (Option<i32>, Vec<i32>) {
        let mut tried = Vec::new();
        while let Some(place) = search.next() {
            tried.push(place);
            assert!(tried.len() < 100, "no end: {tried:?}");
            search.tell(place, place <= knee);
        }
        (search.knee(), tried)
    }

    proptest! {
        #[test]
        fn whatever_it_begins_with_it_finds_the_knee(
            lowest in -200..200i32,
            length in 0..400i32,
            knee in -300..700i32,
            begin in -300..700i32,
            stride in 0..50i32,
        ) {
            let range = (lowest, lowest + length);
            let (found, tried) =
                search(Search::new(range, begin, stride), knee);
            let expected = (knee >= lowest).then(|| knee.min(range.1));
            prop_assert_eq!(found, expected);
            prop_assert!(
                tried.iter().all(|p| (range.0..=range.1).contains(p))
            );
            let mut once = tried.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), tried.len(), "{:?}", tried);
        }
    }

    #[test]
    fn beside_the_knee_two_rates_are_enough() {
        let near = |begin| search(Search::new((-100, 300), begin, 1), 50);
        assert_eq!(near(50), (Some(50), vec![50, 51]));
        assert_eq!(near(51), (Some(50), vec![51, 50]));
        assert_eq!(near(49).1, [49, 50, 52, 51]);
    }

    #[test]
    fn far_from_the_knee_strides_double() {
        let far = |begin| search(Search::new((-100, 300), begin, 8), 50).1;
        assert_eq!(far(0), [0, 8, 24, 56, 40, 48, 52, 50, 51]);
        assert_eq!(far(90), [90, 82, 66, 34, 50, 58, 54, 52, 51]);
    }

    #[test]
    fn what_holds_everywhere_or_nowhere_is_known_at_the_ends() {
        let all = search(Search::new((0, 10), 8, 4), 100);
        assert_eq!(all, (Some(10), vec![8, 10]));
        let none = search(Search::new((0, 10), 3, 4), -1);
        assert_eq!(none, (None, vec![3, 0]));
    }
}
