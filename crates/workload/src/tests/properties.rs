//! What has to hold for all workloads.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::{Drawn, LONGEST, Manner};

fn durations() -> impl Strategy<Value = Duration> {
    (0..=LONGEST.as_nanos() as u64).prop_map(Duration::from_nanos)
}

fn delays() -> impl Strategy<Value = Delay> {
    let two = || (durations(), durations());
    prop_oneof![
        durations().prop_map(Delay::Fixed),
        two().prop_map(|(one, other)| Delay::Range {
            from: one.min(other),
            to: one.max(other),
        }),
        two().prop_map(|(one, other)| Delay::Lognormal {
            median: one.min(other).max(Duration::from_nanos(1)),
            p99: one.max(other).max(Duration::from_nanos(1)),
        }),
        vec(durations(), 1..5).prop_map(|v| Delay::Measured(v.into())),
    ]
}

fn calls() -> impl Strategy<Value = Call> {
    let shares = (0.0..=1.0, 0.0..=1.0_f64);
    (delays(), shares, select(vec![0, 1, 2048])).prop_map(
        |(delay, (fails, of_rest), size)| Call {
            delay,
            fails,
            hangs: of_rest * (1.0 - fails),
            size,
        },
    )
}

fn workloads() -> impl Strategy<Value = Workload> {
    let steps = vec(vec(calls(), 1..4), 1..4);
    (any::<u64>(), durations(), steps)
        .prop_map(|(seed, work, steps)| Workload { seed, work, steps })
}

proptest! {
    #[test]
    fn a_workload_is_whole_again_from_its_text(workload in workloads()) {
        prop_assert_eq!(workload.check(), Ok(()));
        prop_assert_eq!(parse(&workload.to_toml()), Ok(workload));
    }

    #[test]
    fn a_draw_depends_on_nothing_but_its_numbers(
        call in calls(),
        seed: u64,
        index in 0..2000_usize,
        n: u64,
    ) {
        let drawn = call.draw(seed, index, n);
        prop_assert_eq!(call.draw(seed, index, n), drawn);
        let delay = match drawn {
            Drawn::Answer(delay) | Drawn::Fail(delay) => delay,
            Drawn::Hang => return Ok(()),
        };
        prop_assert!(delay <= LONGEST);
        match call.delay {
            Delay::Fixed(fixed) => prop_assert_eq!(delay, fixed),
            Delay::Range { from, to } => {
                prop_assert!((from..=to).contains(&delay));
            }
            Delay::Lognormal { .. } => {}
            Delay::Measured(values) => prop_assert!(values.contains(&delay)),
        }
    }

    #[test]
    fn one_after_the_other_is_never_quicker(
        workload in workloads(),
        n in 0..u64::MAX,
    ) {
        let mut workload = workload;
        // A failure ends a request sooner where calls are made in turn.
        for call in workload.steps.iter_mut().flatten() {
            (call.fails, call.hangs) = (0.0, 0.0);
        }
        let timeout = 2 * LONGEST;
        let [beside, at_once, in_turn] =
            [Manner::BesideWork, Manner::AtOnce, Manner::InTurn]
                .map(|manner| workload.nth(n, manner, timeout).0);
        prop_assert!(beside <= at_once && at_once <= in_turn);
        prop_assert!(beside >= workload.work);
    }

    #[test]
    fn any_text_is_read_or_refused_in_one_line(text in "\\PC{0,40}") {
        if let Err(error) = parse(&text) {
            prop_assert!(error.starts_with("shop.toml:1: "), "{}", error);
        }
    }
}
