//! Times that can be worked out by hand.

use crate::Manner::{AtOnce, BesideWork, InTurn};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn the_slides_requests_take_what_they_take() {
    let slides = Workload::slides();
    let millis = [125, 250, 375, 500].map(fixed);
    assert!(slides.calls().eq(&millis));
    for quantile in [0.0, 0.5, 0.99, 1.0] {
        let time = |manner| slides.time(manner, quantile, TIMEOUT);
        assert_eq!(time(AtOnce), Duration::from_millis(500));
        assert_eq!(time(InTurn), Duration::from_millis(1250));
    }
    assert_eq!(slides.mean_time(InTurn, TIMEOUT).as_millis(), 1250);
}

#[test]
fn a_step_waits_for_the_one_before_and_work_adds_to_it() {
    let text = "work = 0.01\nsteps = [[{ delay = 0.2 }, { delay = 0.1 }], [{ \
                count = 3, delay = 0.05 }]]";
    let workload = workload(text);
    assert_eq!(workload.time(AtOnce, 0.5, TIMEOUT), millis(260));
    assert_eq!(workload.time(InTurn, 0.5, TIMEOUT), millis(460));
}

#[test]
fn work_beside_the_calls_adds_nothing_to_the_longer_of_the_two() {
    let text = "work = 0.15\nsteps = [[{ delay = 0.1 }], [{ delay = 0.1 }]]";
    let time = |text: &str| workload(text).time(BesideWork, 0.5, TIMEOUT);
    // None is left to do beside the calls of the second step.
    assert_eq!(time(text), millis(250));
    assert_eq!(time(&text.replace("0.15", "0.05")), millis(200));
    // Who has begun it ends it, whatever becomes of the calls.
    let failing = text.replacen("0.1 }", "0.1, fails = 1 }", 1);
    assert_eq!(time(&failing), millis(150));
}

#[test]
fn a_request_ends_with_a_call_that_fails_or_hangs() {
    let text = "steps = [[{ delay = 0.1, fails = 1 }, { delay = 0.3 }], [{ \
                delay = 0.5 }]]";
    let failing = workload(text);
    assert_eq!(failing.time(AtOnce, 0.5, TIMEOUT), millis(300));
    assert_eq!(failing.time(InTurn, 0.5, TIMEOUT), millis(100));
    let hanging = workload(&text.replace("fails", "hangs"));
    assert_eq!(hanging.time(AtOnce, 0.5, TIMEOUT), TIMEOUT);
    // What takes too long is given up as well.
    let late = workload("calls = [{ delay = 9 }, { delay = 1 }]");
    assert_eq!(late.time(InTurn, 0.5, TIMEOUT), TIMEOUT);
}

#[test]
fn what_fails_is_in_the_mean_and_not_in_the_quantiles() {
    let rarely = workload("calls = [{ delay = 0.1, hangs = 0.02 }]");
    for manner in [InTurn, AtOnce] {
        assert_eq!(rarely.time(manner, 0.99, TIMEOUT), millis(100));
        let mean = rarely.mean_time(manner, TIMEOUT);
        assert!(mean > millis(150) && mean < millis(250), "{mean:?}");
    }
}

#[test]
fn quantiles_are_those_of_the_distribution() {
    let one = "calls = [{ delay = { median = 0.05, p99 = 0.4 } }]";
    let one = workload(one);
    for (quantile, expected) in [(0.5, 0.05), (0.99, 0.4)] {
        let time = one.time(AtOnce, quantile, TIMEOUT).as_secs_f64();
        let ratio = time / expected;
        assert!((0.9..1.1).contains(&ratio), "{time} s at {quantile}");
    }
    // The slowest of 20 is within a time with the probability that all are.
    let range = "calls = [{ count = 20, delay = { from = 0, to = 1 } }]";
    let range = workload(range);
    let time = range.time(AtOnce, 0.5, TIMEOUT).as_secs_f64();
    let expected = 0.5_f64.powf(1.0 / 20.0);
    assert!((time - expected).abs() < 0.005, "{time} s for {expected}");
    let mean = range.mean_time(InTurn, TIMEOUT).as_secs_f64();
    assert!((mean - 10.0).abs() < 0.1, "a mean of {mean} s for 10");
}
