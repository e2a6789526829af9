//! Times that can be worked out by hand.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn the_slides_requests_take_what_they_take() {
    let slides = Workload::slides();
    let millis = [125, 250, 375, 500].map(fixed);
    assert!(slides.calls().eq(&millis));
    for quantile in [0.0, 0.5, 0.99, 1.0] {
        let time = |at_once| slides.time(at_once, quantile, TIMEOUT);
        assert_eq!(time(true), Duration::from_millis(500));
        assert_eq!(time(false), Duration::from_millis(1250));
    }
    assert_eq!(slides.mean_time(false, TIMEOUT).as_millis(), 1250);
}

#[test]
fn a_step_waits_for_the_one_before_and_work_adds_to_it() {
    let text = "work = 0.01\nsteps = [[{ delay = 0.2 }, { delay = 0.1 }], [{ \
                count = 3, delay = 0.05 }]]";
    let workload = workload(text);
    assert_eq!(workload.time(true, 0.5, TIMEOUT), millis(260));
    assert_eq!(workload.time(false, 0.5, TIMEOUT), millis(460));
}

#[test]
fn a_request_ends_with_a_call_that_fails_or_hangs() {
    let text = "steps = [[{ delay = 0.1, fails = 1 }, { delay = 0.3 }], [{ \
                delay = 0.5 }]]";
    let failing = workload(text);
    assert_eq!(failing.time(true, 0.5, TIMEOUT), millis(300));
    assert_eq!(failing.time(false, 0.5, TIMEOUT), millis(100));
    let hanging = workload(&text.replace("fails", "hangs"));
    assert_eq!(hanging.time(true, 0.5, TIMEOUT), TIMEOUT);
    // What takes too long is given up as well.
    let late = workload("calls = [{ delay = 9 }, { delay = 1 }]");
    assert_eq!(late.time(false, 0.5, TIMEOUT), TIMEOUT);
}

#[test]
fn quantiles_are_those_of_the_distribution() {
    let one = "calls = [{ delay = { median = 0.05, p99 = 0.4 } }]";
    let one = workload(one);
    for (quantile, expected) in [(0.5, 0.05), (0.99, 0.4)] {
        let time = one.time(true, quantile, TIMEOUT).as_secs_f64();
        let ratio = time / expected;
        assert!((0.9..1.1).contains(&ratio), "{time} s at {quantile}");
    }
    // The slowest of 20 is within a time with the probability that all are.
    let range = "calls = [{ count = 20, delay = { from = 0, to = 1 } }]";
    let range = workload(range);
    let time = range.time(true, 0.5, TIMEOUT).as_secs_f64();
    let expected = 0.5_f64.powf(1.0 / 20.0);
    assert!((time - expected).abs() < 0.005, "{time} s for {expected}");
    let mean = range.mean_time(false, TIMEOUT).as_secs_f64();
    assert!((mean - 10.0).abs() < 0.1, "a mean of {mean} s for 10");
}
