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
