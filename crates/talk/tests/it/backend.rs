//! The backend: that it waits, counts, limits and refuses.

use std::thread;
use std::time::Instant;

use serde_json::json;

use crate::http::{ask, get};
use crate::server::{Server, wait_until};

#[test]
fn it_answers_after_the_time_asked_for_and_says_so() {
    let backend = Server::backend(&[]);
    let start = Instant::now();
    let answer = get(backend.port, "/?duration=0.25");
    assert!(start.elapsed().as_secs_f64() >= 0.25);
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("0.25"), "{answer:?}");
}

#[test]
fn five_seconds_are_the_default() {
    let backend = Server::backend(&[]);
    let start = Instant::now();
    let answer = get(backend.port, "/");
    assert!(start.elapsed().as_secs_f64() >= 5.0);
    assert_eq!(answer.body, "waited 5 seconds\n");
}

#[test]
fn a_duration_that_cannot_be_waited_gets_400_and_the_reason() {
    let backend = Server::backend(&["--max-duration=2"]);
    for (duration, why) in [
        ("soon", "soon"),
        ("", "duration"),
        ("-0.5", "-0.5"),
        ("NaN", "NaN"),
        ("inf", "inf"),
        ("2.1", "2"),
    ] {
        let answer = get(backend.port, &format!("/?duration={duration}"));
        assert_eq!(answer.status, 400, "{duration}: {answer:?}");
        assert!(answer.body.contains(why), "{duration}: {answer:?}");
    }
    assert_eq!(backend.stats()["calls"], 0, "a refusal is no call");
}

#[test]
fn it_counts_over_all_its_processes_until_it_is_reset() {
    let backend = Server::backend(&["--processes=2"]);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| get(backend.port, "/?duration=0.5"));
        }
    });
    let told = json!({ "calls": 6, "waiting": 0, "peak": 6 });
    assert_eq!(backend.stats(), told);
    let answer = ask(backend.port, "POST", "/stats/reset");
    assert_eq!(answer.status, 204, "{answer:?}");
    let told = json!({ "calls": 0, "waiting": 0, "peak": 0 });
    assert_eq!(backend.stats(), told);
}

#[test]
fn above_its_limit_requests_queue_and_do_not_wait() {
    let limits = ["--processes=1", "--max-waiting=2"];
    let backend = Server::backend(&limits);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let answer = get(backend.port, "/?duration=0.3");
                assert_eq!(answer.status, 200, "{answer:?}");
            });
        }
        wait_until("two that wait", || backend.stats()["waiting"] == 2);
    });
    // Three rounds of two.
    assert!(start.elapsed().as_secs_f64() >= 0.9);
    let told = json!({ "calls": 6, "waiting": 0, "peak": 2 });
    assert_eq!(backend.stats(), told);
}
