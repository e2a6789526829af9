//! Time limits that are nearly always the same: what is left of a time is
//! never twice the same to the nanosecond, and to set a limit anew costs.

use std::time::Duration;

/// The least limit that is whole `grains` and no shorter than what is `left`.
pub fn coarse(left: Duration, grain: Duration) -> Duration {
    let grains = left.as_nanos().div_ceil(grain.as_nanos());
    grain.saturating_mul(u32::try_from(grains).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_never_shorter_and_by_less_than_a_grain_longer() {
        let grain = Duration::from_millis(10);
        for (left, limit) in [(0, 0), (1, 10), (10, 10), (11, 20)] {
            let left = Duration::from_millis(left);
            assert_eq!(coarse(left, grain), Duration::from_millis(limit));
        }
        let left = Duration::from_nanos(10_000_001);
        assert_eq!(coarse(left, grain), Duration::from_millis(20));
    }
}
