//! Work that takes a processor's time, and not only time.

use std::hash::{DefaultHasher, Hasher};
use std::hint::black_box;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// What is computed between two looks at the clock: a few microseconds.
const PIECE: [u8; 4096] = [7; 4096];

/// Computes until the calling thread has had so much of a processor's time:
/// while others have it, this takes longer.
pub(crate) fn spend(time: Duration) {
    if time.is_zero() {
        return;
    }
    let end = spent() + time;
    while spent() < end {
        let mut hasher = DefaultHasher::new();
        hasher.write(black_box(&PIECE));
        black_box(hasher.finish());
    }
}

/// The processor's time that the calling thread has had.
fn spent() -> Duration {
    // This clock cannot fail.
    let spent = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    spent.map_or(Duration::MAX, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_is_spent_and_little_more() {
        for time in [Duration::ZERO, Duration::from_millis(5)] {
            let before = spent();
            spend(time);
            let taken = spent() - before;
            assert!(taken >= time, "{taken:?} of {time:?}");
            let most = time * 2 + Duration::from_millis(1);
            assert!(taken < most, "{taken:?} of {time:?}");
        }
    }
}
