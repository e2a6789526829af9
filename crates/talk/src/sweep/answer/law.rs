//! The universal scalability law, fitted to what a closed loop measured.
//!
//! N. J. Gunther, "Guerrilla Capacity Planning", Springer 2007, has it as
//! `X(N) = λN / (1 + σ(N − 1) + κN(N − 1))`: with no more in the way, N
//! requests at a time would be answered N times as fast as one (λ); σ is the
//! share in which they wait for each other, κ what each pair costs in
//! agreeing. With κ above zero there is a most, at `N = √((1 − σ) / κ)`.
//!
//! Turned over, `N / X` is a sum of 1, N − 1 and N(N − 1), each by a factor,
//! so that least squares need no search. The errors that they make least are
//! relative ones: throughput spans decades, and the largest would decide. The
//! factors cannot be negative; of three there are so few ways to leave some
//! out that all are tried.

use serde::Serialize;

/// Of fewer loads, three factors fit anything.
const LOADS: usize = 5;
/// The least share of what throughput varies by that the law has to explain.
const GOOD: f64 = 0.95;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Law {
    /// Answered in a second, of one request at a time.
    pub(crate) lambda: f64,
    pub(crate) sigma: f64,
    pub(crate) kappa: f64,
    /// The share of what throughput varies by that it explains.
    pub(crate) r_squared: f64,
}

impl Law {
    /// Of pairs of requests at a time and what was answered in a second;
    /// `None` where these are too few to tell.
    pub(crate) fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let points: Vec<_> =
            points.iter().copied().filter(|(_, x)| *x > 0.0).collect();
        let mut loads: Vec<_> = points.iter().map(|(n, _)| *n).collect();
        loads.sort_by(f64::total_cmp);
        loads.dedup();
        if loads.len() < LOADS {
            return None;
        }
        // Divided by N / X, so that errors are relative, and 1 is wanted.
        let rows: Vec<[f64; 3]> = points
            .iter()
            .map(|&(n, x)| {
                [1.0, n - 1.0, n * (n - 1.0)].map(|term| term * x / n)
            })
            .collect();
        let kept = [&[0, 1, 2][..], &[0, 1][..], &[0, 2][..], &[0][..]];
        let fits = kept.iter().filter_map(|kept| least_squares(&rows, kept));
        let whole = fits.filter(|factors| {
            factors[0] > 0.0 && factors.iter().all(|factor| *factor >= 0.0)
        });
        let best = whole.min_by(|a, b| {
            f64::total_cmp(&error(&rows, a), &error(&rows, b))
        })?;
        let mut law = Self {
            lambda: 1.0 / best[0],
            sigma: best[1] / best[0],
            kappa: best[2] / best[0],
            r_squared: 0.0,
        };
        law.r_squared = law.explained(&points)?;
        Some(law)
    }

    pub(crate) fn throughput(&self, at_once: f64) -> f64 {
        let others = at_once - 1.0;
        self.lambda * at_once
            / (1.0 + self.sigma * others + self.kappa * at_once * others)
    }

    /// Whether it says something of the model.
    pub(crate) fn is_good(&self) -> bool {
        self.r_squared >= GOOD
    }

    /// Beyond so many requests at a time there is less; `None` where there
    /// is no such number.
    pub(crate) fn peak(&self) -> Option<f64> {
        let peak = ((1.0 - self.sigma) / self.kappa).sqrt();
        (peak.is_finite() && peak >= 1.0).then_some(peak)
    }

    /// R²: one less the share of the variation that is left.
    fn explained(&self, points: &[(f64, f64)]) -> Option<f64> {
        let mean = points.iter().map(|(_, x)| x).sum::<f64>();
        let mean = mean / points.len() as f64;
        let all: f64 = points.iter().map(|(_, x)| (x - mean).powi(2)).sum();
        let left = points.iter();
        let left = left.map(|(n, x)| (x - self.throughput(*n)).powi(2));
        let share = left.sum::<f64>() / all;
        share.is_finite().then_some(1.0 - share)
    }
}

fn error(rows: &[[f64; 3]], factors: &[f64; 3]) -> f64 {
    let error = |row: &[f64; 3]| {
        let sum: f64 = row.iter().zip(factors).map(|(t, f)| t * f).sum();
        (sum - 1.0).powi(2)
    };
    rows.iter().map(error).sum()
}

/// The factors of these terms, the others being zero, whose sum is nearest
/// to 1 in all rows: the normal equations, by elimination.
fn least_squares(rows: &[[f64; 3]], kept: &[usize]) -> Option<[f64; 3]> {
    // Terms differ by decades; of equal length they lose no digits.
    let length = |term: usize| {
        rows.iter().map(|row| row[term].powi(2)).sum::<f64>().sqrt()
    };
    let lengths: Vec<_> = kept.iter().map(|&term| length(term)).collect();
    let term = |row: &[f64; 3], at: usize| row[kept[at]] / lengths[at];
    let size = kept.len();
    let mut system: Vec<Vec<f64>> = (0..size)
        .map(|i| {
            let products = (0..size).map(|j| {
                rows.iter().map(|row| term(row, i) * term(row, j)).sum()
            });
            let wanted = rows.iter().map(|row| term(row, i)).sum();
            products.chain([wanted]).collect()
        })
        .collect();
    for at in 0..size {
        let pivot = (at..size).max_by(|a, b| {
            f64::total_cmp(&system[*a][at].abs(), &system[*b][at].abs())
        })?;
        system.swap(at, pivot);
        let pivot = system[at].clone();
        for (below, row) in system.iter_mut().enumerate() {
            if below != at {
                let factor = row[at] / pivot[at];
                for (value, other) in row.iter_mut().zip(&pivot) {
                    *value -= factor * other;
                }
            }
        }
    }
    let mut factors = [0.0; 3];
    for (at, row) in system.iter().enumerate() {
        factors[kept[at]] = row[size] / row[at] / lengths[at];
    }
    factors.iter().all(|f| f.is_finite()).then_some(factors)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOADS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];

    fn of(lambda: f64, sigma: f64, kappa: f64) -> Law {
        Law {
            lambda,
            sigma,
            kappa,
            r_squared: 1.0,
        }
    }

    fn points(law: &Law) -> Vec<(f64, f64)> {
        LOADS.map(|n| (n, law.throughput(n))).to_vec()
    }

    #[test]
    fn it_peaks_where_the_law_says() {
        let law = of(10.0, 0.04, 0.0006);
        let peak = law.peak().unwrap();
        assert_eq!(peak.round(), 40.0);
        let most = law.throughput(peak);
        assert!(most > law.throughput(peak - 1.0));
        assert!(most > law.throughput(peak + 1.0));
        assert_eq!(of(10.0, 0.04, 0.0).peak(), None);
    }

    #[test]
    fn what_scales_without_end_has_neither_wait_nor_cost() {
        let law = Law::fit(&points(&of(2.0, 0.0, 0.0))).unwrap();
        assert!(law.is_good());
        assert_eq!(law.peak(), None);
        assert!(law.sigma.abs() < 1e-9 && law.kappa.abs() < 1e-12, "{law:?}");
    }

    #[test]
    fn better_than_linear_is_not_told_as_a_negative_wait() {
        let rising = LOADS.map(|n| (n, n * (1.0 + n / 400.0)));
        let law = Law::fit(&rising).unwrap();
        assert!(law.sigma >= 0.0 && law.kappa >= 0.0, "{law:?}");
    }

    #[test]
    fn noise_and_too_few_loads_fit_nothing() {
        let noise = [5.0, 90.0, 3.0, 70.0, 2.0, 80.0, 4.0, 60.0];
        let noise: Vec<_> = LOADS.into_iter().zip(noise).collect();
        assert!(!Law::fit(&noise).unwrap().is_good());
        // As flat as a model of one slot: there is nothing to explain.
        let flat = LOADS.map(|n| (n, 4.0 + (n % 3.0) * 0.001));
        assert!(Law::fit(&flat).is_none_or(|law| !law.is_good()));
        assert_eq!(Law::fit(&[]), None);
        let repeats = [(1.0, 1.0), (2.0, 2.0), (2.0, 2.1), (4.0, 3.0)];
        assert_eq!(Law::fit(&repeats), None);
    }

    proptest! {
        #[test]
        fn a_law_is_found_again(
            lambda in 0.1..1000.0f64,
            sigma in 0.0..0.9f64,
            kappa in 0.0..0.01f64,
        ) {
            let law = of(lambda, sigma, kappa);
            let found = Law::fit(&points(&law)).unwrap();
            prop_assert!((found.lambda / lambda - 1.0).abs() < 1e-6);
            prop_assert!((found.sigma - sigma).abs() < 1e-6);
            prop_assert!((found.kappa - kappa).abs() < 1e-6);
            prop_assert!(found.r_squared > 0.999_999);
        }

        #[test]
        fn noise_of_a_few_percent_still_fits(
            noise in proptest::collection::vec(0.97..1.03f64, 8),
        ) {
            let law = of(10.0, 0.02, 0.0005);
            let points = points(&law).into_iter().zip(noise);
            let points = points.map(|((n, x), noise)| (n, x * noise));
            let found = Law::fit(&points.collect::<Vec<_>>()).unwrap();
            prop_assert!(found.is_good(), "{found:?}");
            let most = law.throughput(law.peak().unwrap());
            let told = found.throughput(law.peak().unwrap());
            prop_assert!((told / most - 1.0).abs() < 0.1, "{found:?}");
        }
    }
}
