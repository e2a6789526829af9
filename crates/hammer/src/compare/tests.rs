use std::time::Duration;

use super::*;
use crate::outcome::{Counted, Series};

/// Runs of a service whose latencies spread by a half around a middle that
/// differs from run to run by up to a tenth, and wanders within a run.
fn runs(random: &mut Random, count: usize, middle: f64) -> Vec<Outcome> {
    (0..count).map(|_| run(random, middle)).collect()
}

fn run(random: &mut Random, middle: f64) -> Outcome {
    let middle = middle * (1.0 + 0.1 * uniform(random));
    let mut drift = 0.0;
    let slices: Vec<_> = (0..20)
        .map(|_| {
            drift = 0.7 * drift + 0.05 * (uniform(random) - 0.5);
            let middle = middle * (1.0 + drift);
            slice(random, middle)
        })
        .collect();
    Outcome {
        elapsed: Duration::from_secs(20),
        series: Series {
            slice: Duration::from_secs(1),
            slices,
        },
        ..Outcome::default()
    }
}

fn slice(random: &mut Random, middle: f64) -> Slice {
    let mut latencies: Vec<_> = (0..100)
        .map(|_| {
            let nanos = middle * (1.0 + 0.5 * uniform(random)) * 1e6;
            // Classes of about 1%.
            nanos as u64 / 10_000 * 10_000
        })
        .collect();
    latencies.sort_unstable();
    let pairs = latencies.chunk_by(|a, b| a == b);
    Slice {
        answered: 100,
        failed: 0,
        latency: Counted(
            pairs.map(|same| (same[0], same.len() as u64)).collect(),
        ),
    }
}

fn uniform(random: &mut Random) -> f64 {
    random.below(1 << 30) as f64 / f64::from(1 << 30)
}

fn real(before: &[Outcome], after: &[Outcome]) -> Vec<&'static str> {
    let differences = compare_by(200, before, after);
    differences
        .iter()
        .filter(|difference| difference.is_real() == Some(true))
        .map(|difference| difference.name)
        .collect()
}

#[test]
fn a_service_seldom_differs_from_itself() {
    let mut random = Random(0);
    let mut alarms = 0;
    for _ in 0..25 {
        let before = runs(&mut random, 5, 10.0);
        let after = runs(&mut random, 5, 10.0);
        alarms += usize::from(!real(&before, &after).is_empty());
    }
    // One in twenty, and a few for bad luck.
    assert!(alarms <= 3, "{alarms} false alarms of 25");
}

#[test]
fn a_slower_service_is_told_from_noise() {
    let mut random = Random(0);
    let before = runs(&mut random, 5, 10.0);
    let after = runs(&mut random, 5, 13.0);
    let real = real(&before, &after);
    assert!(real.contains(&"p50") && real.contains(&"p99"), "{real:?}");
    assert!(!real.contains(&"rate"), "{real:?}");
}

#[test]
fn too_little_is_not_judged() {
    let mut random = Random(0);
    let mut short = runs(&mut random, 1, 10.0);
    short[0].series.slices.truncate(3);
    let slow = runs(&mut random, 1, 100.0);
    for difference in compare_by(50, &short, &slow) {
        assert_eq!(difference.is_real(), None, "{}", difference.name);
    }
    // Two thousand requests say nothing of one in ten thousand.
    let long = runs(&mut random, 1, 10.0);
    for difference in compare_by(50, &long, &slow) {
        let known = difference.name != "p99.99" && difference.name != "p99.9";
        assert_eq!(difference.is_real().is_some(), known);
    }
    assert_eq!(compare(&[], &[]).len(), 8);
}
