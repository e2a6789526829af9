//! Draws that are as they are told to be, and stay so.

use super::*;
use crate::Drawn;

#[test]
fn shares_are_kept_over_many_draws() {
    let call = Call {
        fails: 0.2,
        hangs: 0.1,
        ..fixed(5)
    };
    let draws = (0..20_000).map(|n| call.draw(7, 3, n));
    let (mut fails, mut hangs) = (0, 0);
    for drawn in draws {
        match drawn {
            Drawn::Answer(delay) => assert_eq!(delay, millis(5)),
            Drawn::Fail(delay) => {
                assert_eq!(delay, millis(5));
                fails += 1;
            }
            Drawn::Hang => hangs += 1,
        }
    }
    assert!((3800..4200).contains(&fails), "{fails} of 20000 fail");
    assert!((1850..2150).contains(&hangs), "{hangs} of 20000 hang");
}

#[test]
fn a_draw_is_the_same_for_ever() {
    // Results that are kept stay comparable: another generator would draw
    // others.
    let (from, to) = (Duration::ZERO, Duration::from_secs(1));
    let call = Call::of(Delay::Range { from, to });
    let drawn = [(0, 0, 0), (7, 0, 0), (7, 1, 0), (7, 0, 1), (7, 0, u64::MAX)]
        .map(|(seed, index, n)| match call.draw(seed, index, n) {
            Drawn::Answer(delay) => delay.as_micros(),
            other => panic!("{other:?}"),
        });
    assert_eq!(drawn, [465_921, 167_989, 9_051, 989_972, 595_706]);
}

#[test]
fn the_share_that_fails_is_that_of_the_draws() {
    let measured = [10, 20, 30, 900].map(millis);
    let delays = [
        (Delay::Fixed(millis(50)), 0.0),
        (Delay::Fixed(millis(51)), 1.0),
        (
            Delay::Range {
                from: millis(40),
                to: millis(80),
            },
            0.75,
        ),
        (
            Delay::Range {
                from: millis(60),
                to: millis(60),
            },
            1.0,
        ),
        (
            Delay::Lognormal {
                median: millis(20),
                p99: millis(50),
            },
            0.01,
        ),
        (
            Delay::Lognormal {
                median: millis(50),
                p99: millis(50),
            },
            0.0,
        ),
        (Delay::Measured(measured.into()), 0.25),
    ];
    for (delay, late) in delays {
        let call = Call {
            fails: 0.1,
            hangs: 0.05,
            ..Call::of(delay)
        };
        let failing = call.failing(millis(50));
        let share = 1.0 - 0.85 * (1.0 - late);
        assert!((failing - share).abs() < 1e-6, "{call:?}: {failing}");
        let draws = (0..10_000).map(|n| call.draw(1, 0, n));
        let failed = draws.filter(|drawn| match drawn {
            Drawn::Answer(delay) => *delay > millis(50),
            _ => true,
        });
        let drawn = failed.count() as f64 / 1e4;
        assert!((drawn - share).abs() < 0.02, "{call:?}: {drawn}, {share}");
    }
}
