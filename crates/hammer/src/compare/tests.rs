use std::time::Duration;

use super::*;
use crate::outcome::{Counted, ErrorKind, Series};

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
        window: Duration::from_secs(20),
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
        in_window: 100,
        failed: 0,
        overdue: 0,
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
fn what_students_distribution_exceeds_is_known() {
    // The tables' quantiles of 99.5%.
    for (freedom, known) in [(4.0, 4.604), (8.0, 3.355), (18.0, 2.878)] {
        let found = student(NORMAL, freedom);
        assert!((found / known - 1.0).abs() < 0.003, "{freedom}: {found}");
    }
    assert_eq!(spread(1, 9), 1.0);
    assert!(spread(3, 3) > 2.0 && spread(5, 5) < 1.5);
}

#[test]
fn what_is_told_is_no_class_but_the_figure() {
    let mut runs = runs(&mut Random(0), 5, 10.0);
    let told = Duration::from_micros(12_345);
    for run in &mut runs {
        let histogram = run.latency.histogram_mut();
        histogram.record(told.as_nanos() as u64).unwrap();
    }
    let p50 = &compare_by(50, &runs, &runs)[1];
    assert!((p50.before / told.as_secs_f64() - 1.0).abs() < 0.001);
    // Less than a class is never beyond the noise.
    let (low, high) = p50.interval.unwrap();
    assert!(low < -12e-3 / 129.0 && high > 12e-3 / 129.0, "{low} {high}");
}

/// Else the same difference would count as noise in one direction alone.
#[test]
fn answers_that_a_draw_can_miss_are_not_judged() {
    let mut random = Random(0);
    let mut at_once = |middle| {
        let mut runs = runs(&mut random, 1, middle);
        for slice in &mut runs[0].series.slices[1..] {
            (slice.answered, slice.in_window) = (0, 0);
            slice.latency.0.clear();
        }
        runs
    };
    let (slow, fast) = (at_once(20.0), at_once(10.0));
    for (before, after) in [(&slow, &fast), (&fast, &slow)] {
        let median = &compare_by(200, before, after)[1];
        assert!(median.before.is_finite() && median.after.is_finite());
        assert_eq!(median.is_real(), None, "{median:?}");
    }
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

/// The same runs, whose slowest two of a hundred are not answered in time.
fn timed_out(runs: &[Outcome]) -> Vec<Outcome> {
    let mut runs = runs.to_vec();
    for run in &mut runs {
        let slices = &mut run.series.slices;
        for slice in &mut *slices {
            let mut left = 2;
            while let (1.., Some((_, count))) =
                (left, slice.latency.0.last_mut())
            {
                *count -= 1;
                left -= 1;
                slice.latency.0.retain(|&(_, count)| count > 0);
            }
            slice.overdue = 2;
        }
        let overdue = 2 * slices.len() as u64;
        run.errors.insert(ErrorKind::Timeout, overdue);
    }
    runs
}

#[test]
fn a_service_is_not_quicker_where_its_slowest_time_out() {
    for count in [1, 5] {
        let before = runs(&mut Random(0), count, 10.0);
        let after = timed_out(&before);
        let p99 = &compare_by(200, &before, &after)[5];
        assert!(p99.before.is_finite() && p99.after == f64::INFINITY);
        let (low, high) = p99.interval.unwrap();
        assert!(low > 0.0 && high == f64::INFINITY, "{low} {high}");
        let p99 = &compare_by(200, &after, &before)[5];
        let (low, high) = p99.interval.unwrap();
        assert!(low == -f64::INFINITY && high < 0.0, "{low} {high}");
        // Which of two time-outs would have been longer nobody knows.
        let p99 = &compare_by(200, &after, &after)[5];
        assert_eq!((p99.is_real(), p99.after), (None, f64::INFINITY));
        // What nearly all took does not change.
        let p95 = &compare_by(200, &before, &after)[4];
        assert_eq!(p95.is_real(), Some(false), "{p95:?}");
    }
}

#[test]
fn a_percentile_that_is_in_time_in_some_draws_alone_may_be_anything() {
    // 0.8% time out, all of them in two runs of five.
    let before = runs(&mut Random(0), 5, 10.0);
    let after = [timed_out(&before[..2]), before[2..].to_vec()].concat();
    let p99 = &compare_by(200, &before, &after)[5];
    assert!(p99.after.is_finite());
    let (low, high) = p99.interval.unwrap();
    assert!(low < 0.0 && high == f64::INFINITY, "{low} {high}");
}

#[test]
fn the_time_outs_of_an_older_hammer_are_slow_too() {
    let before = runs(&mut Random(0), 3, 10.0);
    let mut after = timed_out(&before);
    for slice in after.iter_mut().flat_map(|run| &mut run.series.slices) {
        slice.overdue = 0;
    }
    assert_eq!(compare_by(50, &before, &after)[5].after, f64::INFINITY);
}

/// The same runs, half a second of starts and a wait for the last answers
/// longer.
fn waited(runs: &[Outcome]) -> Vec<Outcome> {
    let mut runs = runs.to_vec();
    for run in &mut runs {
        run.elapsed += Duration::from_secs(30);
        run.window += Duration::from_millis(500);
        let mut last = run.series.slices[0].clone();
        last.in_window = 50;
        let nothing = Slice {
            answered: 0,
            in_window: 0,
            failed: 0,
            overdue: 0,
            latency: Counted::default(),
        };
        run.series.slices.push(last);
        run.series.slices.extend(vec![nothing; 29]);
    }
    runs
}

#[test]
fn the_wait_for_the_last_answers_is_no_lower_rate() {
    let before = runs(&mut Random(0), 5, 10.0);
    let after = waited(&before);
    let rate = &compare_by(200, &before, &after)[0];
    assert_eq!((rate.before, rate.after), (100.0, 100.0));
    assert_eq!(rate.interval, Some((0.0, 0.0)));
}

#[test]
fn a_window_that_ends_in_silence_is_a_lower_rate() {
    let before = runs(&mut Random(0), 3, 10.0);
    let mut after = before.clone();
    after.iter_mut().for_each(|run| run.window *= 2);
    let rate = &compare_by(50, &before, &after)[0];
    assert_eq!((rate.before, rate.after), (100.0, 50.0));
    assert_eq!(rate.interval, Some((-50.0, -50.0)));
}

#[test]
fn a_short_run_with_a_long_wait_has_latencies_but_no_sure_rate() {
    let mut short = runs(&mut Random(0), 1, 10.0);
    short[0].window = Duration::from_secs(7);
    let differences = compare_by(50, &short, &short);
    let [rate, p50] = [0, 1].map(|row| differences[row].is_real());
    assert_eq!((rate, p50), (None, Some(false)));
}

#[test]
fn what_an_older_hammer_wrote_is_compared_by_all_of_it() {
    let new = runs(&mut Random(0), 3, 10.0);
    let mut old = new.clone();
    for run in &mut old {
        run.window = Duration::ZERO;
        let slices = run.series.slices.iter_mut();
        slices.for_each(|slice| slice.in_window = 0);
    }
    let rate = &compare_by(50, &old, &new)[0];
    assert_eq!((rate.before, rate.after), (100.0, 100.0));
}
