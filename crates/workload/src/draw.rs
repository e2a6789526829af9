//! How long a call takes, drawn so that two runs are alike.
//!
//! A generator that goes on from draw to draw would give each call what it
//! is its turn to get, and turns differ from run to run. ChaCha counts: the
//! draw of any number is had at once, whoever asks and in whatever order.

use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use crate::{Call, Delay, LONGEST};

/// What a call gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Drawn {
    /// An answer, so long after it was asked for.
    Answer(Duration),
    /// A failure, so long after it was asked for.
    Fail(Duration),
    /// Nothing, for as long as the caller waits.
    Hang,
}

impl Call {
    /// What the call of this `index` gets the `n`-th time that it is made: a
    /// function of these and the seed alone.
    pub fn draw(&self, seed: u64, index: usize, n: u64) -> Drawn {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(index as u64);
        // A block has eight numbers of 64 bits: more than a draw takes.
        random.set_block_pos(n);
        let fate: f64 = random.random();
        if fate < self.hangs {
            return Drawn::Hang;
        }
        let delay = self.delay.draw(&mut random);
        match fate < self.hangs + self.fails {
            true => Drawn::Fail(delay),
            false => Drawn::Answer(delay),
        }
    }

    /// The share of its calls that fail, whoever makes them: by themselves,
    /// or since they take longer than `timeout`.
    pub fn failing(&self, timeout: Duration) -> f64 {
        let answered = 1.0 - self.fails - self.hangs;
        1.0 - answered * self.delay.share_within(timeout)
    }

    /// Whether it gets the same each time.
    pub fn is_certain(&self) -> bool {
        matches!(self.delay, Delay::Fixed(_)) && self.fails + self.hangs == 0.0
    }
}

/// How many standard deviations the 99th percentile of a normal distribution
/// is above its middle.
const SIGMAS_OF_P99: f64 = 2.326_347_874_040_841;

/// How wide the logarithms of the delays are spread.
fn sigma(median: Duration, p99: Duration) -> f64 {
    p99.div_duration_f64(median).ln() / SIGMAS_OF_P99
}

impl Delay {
    /// The share of the delays that are no longer than `limit`.
    fn share_within(&self, limit: Duration) -> f64 {
        match self {
            Self::Fixed(delay) => f64::from(u8::from(*delay <= limit)),
            Self::Range { from, to } if limit < *from || to <= from => {
                f64::from(u8::from(*from <= limit))
            }
            Self::Range { from, to } => {
                let share = (limit - *from).div_duration_f64(*to - *from);
                share.min(1.0)
            }
            Self::Lognormal { median, p99 } => {
                let sigma = sigma(*median, *p99);
                let factor = limit.div_duration_f64(*median);
                let sigmas = factor.ln() / sigma;
                // The normal distribution's, by the error function.
                match sigmas.is_nan() {
                    true => 1.0,
                    false => libm::erfc(-sigmas / 2.0_f64.sqrt()) / 2.0,
                }
            }
            Self::Measured(values) => {
                let within = values.iter().filter(|value| **value <= limit);
                within.count() as f64 / values.len() as f64
            }
        }
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Duration {
        match self {
            Self::Fixed(delay) => *delay,
            Self::Range { from, to } => {
                let share: f64 = random.random();
                *from + to.saturating_sub(*from).mul_f64(share)
            }
            Self::Lognormal { median, p99 } => {
                let sigma = sigma(*median, *p99);
                let sigmas: f64 = random.sample(StandardNormal);
                let factor = (sigma * sigmas).exp();
                let seconds = median.as_secs_f64() * factor;
                // Its tail has no end, and a wait has to.
                let drawn = Duration::try_from_secs_f64(seconds);
                drawn.unwrap_or(LONGEST).min(LONGEST)
            }
            Self::Measured(values) => {
                values[random.random_range(..values.len())]
            }
        }
    }
}
