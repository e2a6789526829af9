//! The highest rate that a model holds, and between which rates it lies.

use serde::Serialize;

use super::interval::Figure;

/// Where a rate held and one that is no more than this above it did not, the
/// search had come to its end: rates are a twentieth apart.
const APART: f64 = 1.06;

/// What one round says: the highest rate that held, and the lowest above it
/// that did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Bracket {
    pub(crate) held: Option<f64>,
    pub(crate) failed: Option<f64>,
}

impl Bracket {
    /// Of the rates that were tried in the round, and whether each held. More
    /// than `most` none can, whatever is tried.
    pub(crate) fn of(tried: &[(f64, bool)], most: f64) -> Self {
        let held = tried.iter().filter(|(_, held)| *held);
        let held = held.map(|(rate, _)| *rate).reduce(f64::max);
        let failed = tried.iter();
        let failed =
            failed.filter(|(rate, held)| !held && above_all_held(tried, *rate));
        let failed = failed.map(|(rate, _)| *rate).reduce(f64::min);
        let ends = held.filter(|held| held * APART > most);
        let failed = failed.or(ends.map(|held| held.max(most)));
        Self { held, failed }
    }

    /// Whether the search, which tries nothing below `lowest`, came to its
    /// end; of a needed rate, whether it is known if it held.
    pub(crate) fn is_whole(&self, needed: Option<f64>, lowest: f64) -> bool {
        match (needed, self.held, self.failed) {
            (Some(rate), held, failed) => {
                held.is_some_and(|held| held >= rate)
                    || failed.is_some_and(|failed| failed <= rate)
            }
            (None, Some(held), Some(failed)) => failed <= held * APART,
            (None, None, Some(failed)) => failed < lowest * APART,
            (None, _, None) => false,
        }
    }
}

/// Whether none of the rates that held is as high as `rate`.
fn above_all_held(tried: &[(f64, bool)], rate: f64) -> bool {
    tried.iter().all(|(other, held)| !held || *other < rate)
}

/// What all rounds say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Knee {
    /// The median of the highest rates that held.
    pub(crate) rate: f64,
    /// It held this, with a confidence of 95%, or in all rounds where they
    /// are few; zero where it did not even do that.
    pub(crate) low: f64,
    /// And not that; `None` where no rate was seen to be too high.
    pub(crate) high: Option<f64>,
    /// The highest that it was seen to hold, as the confidence allows.
    pub(crate) seen: f64,
    pub(crate) rounds: usize,
}

impl Knee {
    /// `None` where no rate held in any round.
    pub(crate) fn of(brackets: &[Bracket]) -> Option<Self> {
        let held = brackets.iter().map(|b| b.held.unwrap_or(0.0));
        let failed = brackets.iter();
        let failed = failed.map(|b| b.failed.unwrap_or(f64::INFINITY));
        let held = Figure::of(held).filter(|held| held.high > 0.0)?;
        let failed = Figure::of(failed)?;
        Some(Self {
            rate: held.median,
            low: held.low,
            high: Some(failed.high).filter(|high| high.is_finite()),
            seen: held.high,
            rounds: brackets.len(),
        })
    }

    /// Whether it holds a rate, where that can be told.
    pub(crate) fn holds(&self, rate: f64) -> Option<bool> {
        if self.low >= rate {
            return Some(true);
        }
        self.high.filter(|high| *high <= rate).map(|_| false)
    }

    /// Whether the two cannot be told apart: their intervals overlap. Those
    /// that only touch do so, too, since they are no further apart than the
    /// rates that were tried. Of one without an end counts what was seen of
    /// it: it may hold more than another, or not.
    pub(crate) fn ties(&self, other: &Self) -> bool {
        let end = |knee: &Self| knee.high.unwrap_or(knee.seen);
        let reaches = |a: &Self, b: &Self| end(a) >= b.low * (1.0 - 1e-9);
        reaches(self, other) && reaches(other, self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(k: i32) -> f64 {
        1.05_f64.powi(k)
    }

    /// Of rounds that each found their knee there.
    fn knee(ks: &[i32]) -> Knee {
        let found = ks.iter().map(|&k| Bracket {
            held: Some(rate(k)),
            failed: Some(rate(k + 1)),
        });
        Knee::of(&found.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_round_says_between_which_rates_it_is() {
        let tried = [(10.0, true), (40.0, false), (20.0, true), (21.0, false)];
        let bracket = Bracket::of(&tried, f64::INFINITY);
        assert_eq!((bracket.held, bracket.failed), (Some(20.0), Some(21.0)));
        assert!(bracket.is_whole(None, 1.0));
        // One that held above is more than luck below can take away.
        let lucky = [(10.0, false), (20.0, true)];
        let lucky = Bracket::of(&lucky, f64::INFINITY);
        assert_eq!((lucky.held, lucky.failed), (Some(20.0), None));
        assert!(!lucky.is_whole(None, 1.0));
        let cut = [(10.0, true), (40.0, false)];
        let cut = Bracket::of(&cut, f64::INFINITY);
        assert!(!cut.is_whole(None, 1.0), "it may be 10 as well as 39");
        let knows = |rate| cut.is_whole(Some(rate), 1.0);
        assert!(knows(5.0) && knows(40.0) && !knows(20.0));
    }

    #[test]
    fn what_arithmetic_forbids_has_not_to_be_tried() {
        let all_held = [(2.0, true), (3.9, true)];
        let bracket = Bracket::of(&all_held, 4.0);
        assert_eq!((bracket.held, bracket.failed), (Some(3.9), Some(4.0)));
        assert!(bracket.is_whole(None, 1.0));
        assert!(!Bracket::of(&all_held, 8.0).is_whole(None, 1.0));
    }

    #[test]
    fn who_held_none_was_tried_with_the_lowest() {
        let failed = |rate| Bracket::of(&[(rate, false)], f64::INFINITY);
        assert!(failed(1.0).is_whole(None, 1.0));
        assert!(!failed(40.0).is_whole(None, 1.0), "it was cut off");
        assert!(!Bracket::default().is_whole(None, 1.0));
    }

    #[test]
    fn a_rate_that_held_in_one_of_two_rounds_is_not_held() {
        let none = Bracket {
            held: None,
            failed: Some(1.0),
        };
        let some = Bracket {
            held: Some(1.0),
            failed: Some(1.05),
        };
        let knee = Knee::of(&[none, some]).unwrap();
        assert_eq!(knee.holds(1.0), None);
        assert_eq!(Knee::of(&[none, none]), None);
        assert_eq!(Knee::of(&[]), None);
    }

    #[test]
    fn what_was_never_too_much_has_no_end() {
        let open = Bracket {
            held: Some(9.0),
            failed: None,
        };
        let knee = Knee::of(&[open]).unwrap();
        assert_eq!(knee.holds(9.0), Some(true));
        assert_eq!(knee.holds(10.0), None);
        assert_eq!(knee.high, None);
        assert!(knee.ties(&knee));
        assert!(!knee.ties(&self::knee(&[100])), "it was not seen to be");
    }

    #[test]
    fn who_was_seen_to_hold_as_much_as_another_ties_with_it() {
        let open = [rate(10), rate(12), rate(14)].map(|held| Bracket {
            held: Some(held),
            failed: None,
        });
        let open = Knee::of(&open).unwrap();
        assert!(open.ties(&knee(&[13])), "it held more in one round");
        assert!(!open.ties(&knee(&[16])));
    }

    #[test]
    fn neighbours_tie_and_those_beyond_do_not() {
        assert!(knee(&[10]).ties(&knee(&[10])));
        assert!(knee(&[10]).ties(&knee(&[11])));
        assert!(!knee(&[10]).ties(&knee(&[12])));
        assert!(knee(&[8, 10, 13]).ties(&knee(&[12])));
    }

    proptest! {
        #[test]
        fn a_tie_is_one_either_way(
            a in proptest::collection::vec(0i32..30, 1..9),
            b in proptest::collection::vec(0i32..30, 1..9),
        ) {
            let (a, b) = (knee(&a), knee(&b));
            prop_assert!(a.ties(&a));
            prop_assert_eq!(a.ties(&b), b.ties(&a));
            // Without one, the order of the medians is that of all.
            if !a.ties(&b) && a.rate < b.rate {
                prop_assert!(a.high.unwrap() < b.low);
            }
        }

        #[test]
        fn what_holds_a_rate_holds_each_lower_one(
            ks in proptest::collection::vec(0i32..30, 1..9),
            asked in 0i32..30,
        ) {
            let knee = knee(&ks);
            if knee.holds(rate(asked)) == Some(true) {
                prop_assert_eq!(knee.holds(rate(asked - 1)), Some(true));
            }
            if knee.holds(rate(asked)) == Some(false) {
                prop_assert_eq!(knee.holds(rate(asked + 1)), Some(false));
            }
            prop_assert!(knee.low <= knee.rate);
            prop_assert!(knee.high.unwrap() > knee.low);
        }
    }
}
