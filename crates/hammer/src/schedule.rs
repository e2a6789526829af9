//! The n-th request's moment, computed from n.
//!
//! A ticker drifts, and forgets what fell between two ticks while its thread
//! was kept from running. A moment that follows from n alone does neither: a
//! late request is late against its own moment, and the next one is not.
//!
//! Arrivals at a changing rate are arrivals at the rate of one on another
//! clock: with Λ(t) requests due by the time t, request n comes at Λ⁻¹(s),
//! where s is n for even arrivals, and the n-th arrival of a Poisson process
//! of rate one for random ones. So ramps and randomness know nothing of each
//! other.

use crate::load::{Arrivals, Rate};

/// The moments of one open loop, asked for in ascending order of n.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    rate: Rate,
    arrivals: Arrivals,
    /// Of the Poisson process of rate one: how many arrivals were drawn,
    /// and when the last of them came.
    drawn: u64,
    sum: f64,
}

impl Moments {
    pub(crate) fn new(rate: Rate, arrivals: Arrivals) -> Self {
        Self {
            rate,
            arrivals,
            drawn: 0,
            sum: 0.0,
        }
    }

    /// Nanoseconds from the start to request n; `u64::MAX` where the rate
    /// came to rest before it.
    pub(crate) fn moment(&mut self, n: u64) -> u64 {
        let count = self.unit(n);
        let seconds = when(&self.rate, count);
        // A cast saturates, so that infinity is never.
        (seconds * 1e9).round() as u64
    }

    fn unit(&mut self, n: u64) -> f64 {
        let Arrivals::Poisson { seed } = self.arrivals else {
            return n as f64;
        };
        while self.drawn <= n {
            self.sum += exponential(seed, self.drawn);
            self.drawn += 1;
        }
        self.sum
    }
}

/// Λ⁻¹: the seconds after which `count` requests are due.
fn when(rate: &Rate, count: f64) -> f64 {
    let mut begin = 0.0;
    let mut from = rate.start;
    let mut left = count;
    for stage in &rate.stages {
        let length = stage.length.as_secs_f64();
        let due = (from + stage.rate) / 2.0 * length;
        if left < due {
            // The root of from·t + slope·t²/2 = left in the form that has
            // no difference of two near numbers in it.
            let slope = (stage.rate - from) / length;
            let root = (from * from + 2.0 * slope * left).max(0.0).sqrt();
            return if left > 0.0 {
                begin + 2.0 * left / (from + root)
            } else {
                begin
            };
        }
        left -= due;
        begin += length;
        from = stage.rate;
    }
    if from > 0.0 {
        begin + left / from
    } else {
        f64::INFINITY
    }
}

/// The n-th distance of a Poisson process of rate one.
fn exponential(seed: u64, n: u64) -> f64 {
    // The top 53 bits, as a fraction in 0..1.
    let uniform = (mix(seed, n) >> 11) as f64 / (1u64 << 53) as f64;
    -(-uniform).ln_1p()
}

/// SplitMix64 (Steele, Lea, Flood 2014): a counter in, random bits out, so
/// that every thread draws the same numbers without sharing any.
pub(crate) fn mix(seed: u64, n: u64) -> u64 {
    let step = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bits = seed.wrapping_add(step);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::load::Stage;

    fn stages() -> impl Strategy<Value = Rate> {
        let stage =
            (1u64..5_000, 1.0..10_000.0f64).prop_map(|(ms, rate)| Stage {
                length: Duration::from_millis(ms),
                rate,
            });
        (0.0..10_000.0f64, proptest::collection::vec(stage, 0..5)).prop_map(
            |(start, stages)| Rate {
                // A rate that starts at rest and has no stage never moves.
                start: if stages.is_empty() {
                    start + 1.0
                } else {
                    start
                },
                stages,
            },
        )
    }

    /// Λ, the slow and obvious way.
    fn due_by(rate: &Rate, time: f64) -> f64 {
        let (mut begin, mut from, mut due) = (0.0, rate.start, 0.0);
        for stage in &rate.stages {
            let length = stage.length.as_secs_f64();
            let t = (time - begin).clamp(0.0, length);
            due += from * t + (stage.rate - from) / length * t * t / 2.0;
            begin += length;
            from = stage.rate;
        }
        due + from * (time - begin).max(0.0)
    }

    proptest! {
        #[test]
        fn as_many_are_due_by_a_moment_as_came_before_it(
            rate in stages(),
            count in 0.0..100_000.0f64,
        ) {
            let due = due_by(&rate, when(&rate, count));
            prop_assert!((due - count).abs() <= 1e-6 * count.max(1.0));
        }

        #[test]
        fn moments_never_go_back(rate in stages(), poisson: bool, seed: u64) {
            let arrivals = match poisson {
                true => Arrivals::Poisson { seed },
                false => Arrivals::Constant,
            };
            let mut moments = Moments::new(rate, arrivals);
            let mut last = 0;
            for n in 0..500 {
                let moment = moments.moment(n);
                prop_assert!(moment >= last);
                last = moment;
            }
        }

        #[test]
        fn threads_that_share_a_schedule_agree_on_it(
            rate in stages(),
            seed: u64,
        ) {
            let arrivals = Arrivals::Poisson { seed };
            let mut all = Moments::new(rate.clone(), arrivals);
            let all: Vec<_> = (0..60).map(|n| all.moment(n)).collect();
            for thread in 0..3 {
                let mut mine = Moments::new(rate.clone(), arrivals);
                for n in (thread..60).step_by(3) {
                    prop_assert_eq!(mine.moment(n as u64), all[n]);
                }
            }
        }
    }

    #[test]
    fn a_constant_rate_does_not_drift() {
        let mut moments =
            Moments::new(Rate::constant(10_000.0), Arrivals::Constant);
        assert_eq!(moments.moment(0), 0);
        assert_eq!(moments.moment(1), 100_000);
        assert_eq!(moments.moment(864_000_000), 86_400_000_000_000);
    }

    #[test]
    fn poisson_arrivals_keep_the_rate_and_spread_as_they_should() {
        let arrivals = Arrivals::Poisson { seed: 1 };
        let mut moments = Moments::new(Rate::constant(1_000.0), arrivals);
        let count = 100_000;
        let times: Vec<_> = (0..count).map(|n| moments.moment(n)).collect();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        // e⁻¹ of the distances are longer than the mean one.
        let long = gaps.filter(|&gap| gap > 1_000_000).count() as f64;
        let share = long / (count - 1) as f64;
        assert!((share - (-1f64).exp()).abs() < 0.01, "{share}");
        let seconds = times[times.len() - 1] as f64 / 1e9;
        assert!((seconds - 100.0).abs() < 2.0, "{seconds}");
    }

    #[test]
    fn a_rate_that_comes_to_rest_ends_the_schedule() {
        let rate = Rate {
            start: 10.0,
            stages: vec![Stage {
                length: Duration::from_secs(2),
                rate: 0.0,
            }],
        };
        let mut moments = Moments::new(rate, Arrivals::Constant);
        assert!(moments.moment(9) < 2_000_000_000);
        assert_eq!(moments.moment(10), u64::MAX);
    }
}
